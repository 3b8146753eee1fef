"""Which index a study has: what makes another one, which layers are chosen, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from explorer.data.study import Study, open_study
from explorer.errors import ExplorerError
from explorer.model.load import ModelSpec, load_model
from explorer.ranking.scores import encode_target, scores
from explorer.vectors.build import index_folder, plan
from explorer.vectors.index import Index, Manifest
from explorer.vectors.items import row_items
from explorer.vectors.layers import rept_layer
from explorer.vectors.methods import DEFAULT_PARTS, METHODS
from tests.vectors.reference import reference_layer
from tests.vectors.tiny import LAYERS, ROWS, build, restless_loaded, save_adapter, save_tiny, tiny_study


def changed(rows: list[dict[str, Any]], **field: str) -> list[dict[str, Any]]:
    return [rows[0] | field, *rows[1:]]


def test_what_makes_another_index(tmp_path: Path, model: Path) -> None:
    other_model = save_tiny(tmp_path / "other", seed=1)
    told: dict[str, tuple[Path, list[dict[str, Any]], dict[str, Any]]] = {
        "same": (model, ROWS, {}),
        "prompt": (model, changed(ROWS, prompt="another"), {}),
        "response": (model, changed(ROWS, response="another"), {}),
        "system": (model, changed(ROWS, system="another"), {}),
        "id": (model, changed(ROWS, id="another"), {}),
        "order": (model, ROWS[::-1], {}),
        "fewer": (model, ROWS[:-1], {}),
        "pair turned": (model, [ROWS[1] | {"chosen": "b", "rejected": "a"}], {}),
        "pair": (model, [ROWS[1] | {"chosen": "a", "rejected": "b"}], {}),
        "pair's first": (model, [ROWS[1] | {"chosen": "c", "rejected": "b"}], {}),
        "pair's second": (model, [ROWS[1] | {"chosen": "a", "rejected": "c"}], {}),
        "model": (other_model, ROWS, {}),
        "layers": (model, ROWS, {"layers": (1, 2)}),
        "parts": (model, ROWS, {"parts": ("state", "change")}),
    }
    prints = {}
    for name, (source, rows, settings) in told.items():
        study = tiny_study(tmp_path / name, source, rows)
        loaded = load_model(ModelSpec(str(source)))
        planned = plan(study, loaded, "before", **{"layers": LAYERS, **settings})
        prints[name] = index_folder(study, planned).name
    assert len(set(prints.values())) == len(prints), prints


def test_what_makes_no_other_index(tmp_path: Path, model: Path) -> None:
    """Labels are not what vectors are made from; the order in which layers are named is no matter."""
    loaded = load_model(ModelSpec(str(model)))
    told: tuple[tuple[list[dict[str, Any]], dict[str, Any]], ...] = (
        (ROWS, {"layers": (1, 3)}),
        ([r | {"label": "other"} for r in ROWS], {"layers": (3, 1)}),
        (ROWS, {"layers": (3, 1, 1), "parts": DEFAULT_PARTS[::-1]}),
    )
    prints = set()
    for i, (rows, settings) in enumerate(told):
        study = tiny_study(tmp_path / str(i), model, rows)
        prints.add(plan(study, loaded, "before", **settings).fingerprint)
    assert len(prints) == 1


def test_layers_of_the_study_are_as_good_as_asked_for(tmp_path: Path, model: Path) -> None:
    loaded = load_model(ModelSpec(str(model)))
    written = plan(tiny_study(tmp_path / "s", model, ROWS, layers=(3, 1)), loaded, "before")
    assert written.layers == [1, 3]
    asked = plan(tiny_study(tmp_path / "t", model, ROWS), loaded, "before", layers=(3, 1))
    assert written.fingerprint == asked.fingerprint


def test_changed_files_of_the_model_make_another_index(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "model")
    study = tiny_study(tmp_path / "study", folder, ROWS)
    loaded = load_model(ModelSpec(str(folder)))
    before = plan(study, loaded, "before", layers=LAYERS).fingerprint
    assert plan(study, loaded, "before", layers=LAYERS).fingerprint == before
    seen = {before}
    for name in ("model.safetensors", "tokenizer.json", "chat_template.jinja", "config.json"):
        path = folder / name
        path.write_bytes(path.read_bytes() + b" ")
        loaded.stamp = ()  # as if it had been loaded from them
        seen.add(plan(study, loaded, "before", layers=LAYERS).fingerprint)
    assert len(seen) == 5


def test_before_and_after_a_training(tmp_path: Path, model: Path) -> None:
    study = tiny_study(tmp_path / "study", model, ROWS[:6], adapters=[str(save_adapter(tmp_path / "tuned"))])
    before, after = build(study), build(study, checkpoint="after")
    assert (before.manifest.checkpoint, after.manifest.checkpoint) == ("base", "tuned")
    assert before.folder != after.folder
    which = torch.arange(4)
    assert not torch.equal(before.rows("state", 3, which), after.rows("state", 3, which))
    assert build(study, checkpoint="base").folder == before.folder
    with pytest.raises(ExplorerError, match="no checkpoint 'middle'"):
        build(study, checkpoint="middle")


def test_what_there_is_none_of(study: Study, whole: Index, model: Path) -> None:
    loaded = load_model(ModelSpec(str(model)))
    for layer in (0, 4, -1):
        with pytest.raises(ExplorerError, match=f"Layer {layer} is not there; expected 1 to 3"):
            plan(study, loaded, "before", layers=(1, layer))
    with pytest.raises(ExplorerError, match="Part 'weights' is unknown; expected some of state, gradient"):
        plan(study, loaded, "before", parts=("state", "weights"))
    whole.require("state", 3)
    for part, layer in (("state", 2), ("weights", 1)):
        with pytest.raises(ExplorerError, match="no vectors of") as caught:
            whole.require(part, layer)
        told = str(caught.value)
        assert f"'{part}' at layer {layer}" in told
        assert "parts state, gradient, change, outer, activation, lora at layers 1, 3" in told
        assert str(whole.folder) in told
    target = encode_target(loaded, row_items(ROWS[:1], raw=False), METHODS["rept"].parts, (2,), "bad")
    with pytest.raises(ExplorerError, match="at layer 2"):
        scores(whole, target, METHODS["rept"], 2, False, "bad")


@pytest.mark.parametrize("seed", (1, 3, 4))
def test_the_default_layer_is_the_built_one_nearest_to_the_late_one(tmp_path: Path, seed: int) -> None:
    folder = save_tiny(tmp_path / "model", restless_loaded(seed, torch.float32))
    study, loaded = tiny_study(tmp_path / "study", folder, ROWS), load_model(ModelSpec(str(folder)))
    prompts = []
    for r in ROWS:
        system = f"<|system|>{r['system']}</s>" if r["system"] else ""
        text = f"{system}<|user|>{r['prompt']}</s><|assistant|>"
        prompts.append(loaded.tokenizer.encode(text, add_special_tokens=False))
    turning = reference_layer(loaded.model, prompts)
    automatic = plan(study, loaded, "before")
    assert automatic.layers == [5]
    assert automatic.default_layer == 5
    assert plan(study, loaded, "before", layers="rept").layers == [turning]
    for layers in ((1, 6), (2, 4), (turning,), (4,)):
        chosen = plan(study, loaded, "before", layers=layers).default_layer
        assert chosen in layers
        assert abs(chosen - 5) == min(abs(layer - 5) for layer in layers)


def test_a_study_without_rows_is_refused(tmp_path: Path, model: Path) -> None:
    study = tiny_study(tmp_path / "s", model, ROWS[:1])
    import pyarrow.parquet as pq

    pq.write_table(study.datapoints().slice(0, 0), study.folder / "datapoints.parquet")
    with pytest.raises(ExplorerError, match="no datapoints"):
        build(open_study(study.folder))


def test_a_manifest_names_its_shards() -> None:
    manifest = Manifest("before", {"a": 1}, 10, 4, [1], ["state"], 1)
    assert [(first, last) for _, first, last in manifest.shards] == [(0, 4), (4, 8), (8, 10)]
    assert Manifest("after", {"a": 1}, 10, 5, [1], ["state"], 1).fingerprint == manifest.fingerprint
    assert Manifest("before", {"a": 2}, 10, 4, [1], ["state"], 1).fingerprint != manifest.fingerprint


def test_repts_layer_is_sought_once(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sought: list[int] = []

    def seek(*given: Any) -> int:
        sought.append(rept_layer(*given))
        return sought[-1]

    monkeypatch.setattr("explorer.vectors.build.rept_layer", seek)
    for layers in ("rept", (1, 3)):
        study = tiny_study(tmp_path / str(len(layers)), model, ROWS)
        made = build(study, layers=layers).manifest
        assert [made.notes["rept_layer"]] == sought
        assert set(made.notes) == {"unranked", "single", "pairs", "rept_layer", "cut", "reads"}
        build(study, layers=layers)
        sought.clear()
