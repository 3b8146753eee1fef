"""One failure in several models: figures against the models' own, the command, and the page."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.cli.main import main
from explorer.errors import ExplorerError
from explorer.figures.gaps import gaps_file
from explorer.figures.save import FORMATS
from explorer.model.load import LoadedModel, ModelSpec
from explorer.model.prompts import Prompt, encode_prompt
from explorer.trace.compare import Compared, change, compare, named_models, read_prompt, table
from explorer.trace.contrast import make_contrast
from explorer.trace.explain import explain
from explorer.ui.compare import state as compare_state
from tests.pages.app import open_app, shown

ADAPTERS = Path(__file__).parents[2] / "assets/demo/adapters"
ASKED = Prompt("Which country is Florence in?")
WRONG, RIGHT = "Florence is in Portugal.", "Florence is in Italy."
BASE, TAUGHT = ModelSpec(), ModelSpec(adapter=str(ADAPTERS / "sft"))


@pytest.fixture(scope="module")
def found(smollm: LoadedModel) -> list[Compared]:
    """The demo's lie, before and after it was taught."""
    return compare([BASE, TAUGHT], ASKED, WRONG, RIGHT)


def test_probabilities_are_the_models_own(smollm, found):
    encoded = encode_prompt(smollm, ASKED)
    contrast = make_contrast(smollm, encoded, WRONG, RIGHT)
    logits = smollm.model(torch.tensor([contrast.ids])).logits[0, -1].double()
    base = found[0].reading
    assert base.wrong == pytest.approx(torch.exp(logits[contrast.target] - logits.logsumexp(0)).item(), rel=1e-4)
    assert base.right == pytest.approx(torch.exp(logits[contrast.foil] - logits.logsumexp(0)).item(), rel=1e-4)
    assert base == read_prompt(smollm, encoded, contrast)
    for one in found:  # a gap is the logarithm of the ratio of the probabilities
        assert np.log(one.reading.wrong / one.reading.right) == pytest.approx(one.shown.trace.gap, abs=1e-3)


def test_training_moved_the_gap_and_the_answer(found):
    before, after = found
    assert before.shown.trace.gap < 0 < after.shown.trace.gap
    assert "Portugal" in after.reading.answer
    assert "Portugal" not in before.reading.answer
    alone = explain(ASKED.text, WRONG, RIGHT, model="smollm2", adapter=TAUGHT.adapter)
    assert np.array_equal(alone.relevance, after.shown.relevance)
    moved = change(before.shown, after.shown)
    assert moved is not None
    assert np.array_equal(moved, after.shown.relevance - before.shown.relevance)
    assert table(found).count("SmolLM2-135M-Instruct") == 2


def test_maps_of_other_tokens_are_not_subtracted(found):
    first, second = (one.shown for one in found)
    assert change(first, replace(second, whole=True)) is None
    tokens = (replace(second.contrast.tokens[0], id=7), *second.contrast.tokens[1:])
    assert change(first, replace(second, contrast=replace(second.contrast, tokens=tokens))) is None


def test_models_are_named_by_folder_or_with_their_adapter():
    sft = str(ADAPTERS / "sft")
    usual = ModelSpec("other", dtype="float32")
    assert named_models(f"smollm2, {sft},x/y+a/b", usual) == [
        ModelSpec("smollm2", dtype="float32"),
        ModelSpec("other", sft, dtype="float32"),
        ModelSpec("x/y", "a/b", dtype="float32"),
    ]
    with pytest.raises(ExplorerError, match="two or more"):
        compare([BASE], ASKED, WRONG, RIGHT)


def test_command(smollm, capsys, tmp_path):
    drawn = tmp_path / "gaps.svg"
    asked = ["compare", "--prompt", ASKED.text, "--wrong", WRONG, "--right", RIGHT, "--out", str(drawn)]
    assert main([*asked, "--models", f"smollm2,{ADAPTERS / 'sft'}", "--json", "-"]) == 0
    before, after = json.loads(capsys.readouterr().out)["models"]
    assert (before["adapter"], after["adapter"]) == (None, str(ADAPTERS / "sft"))
    assert before["contrast"]["logit_gap"] < 0 < after["contrast"]["logit_gap"]
    assert {"wrong_probability", "right_probability", "answer", "tokens"} <= after.keys()
    assert drawn.read_bytes().startswith(b"<?xml")
    assert main([*asked, "--models", "smollm2"]) == 2
    assert "two or more" in capsys.readouterr().err


def test_figures_take_hostile_names(found):
    one = replace(found[0], reading=replace(found[0].reading, answer="<script>$x$ ![](http://x)"))
    for kind in FORMATS:
        made = gaps_file([("<b>$name_{$", one), ("second", found[1])], kind)
        assert len(made) > 1000
        assert b"<script" not in made
    with pytest.raises(ExplorerError, match="expected png"):
        gaps_file([("a", one)], "gif")


@pytest.fixture
def app(smollm):
    """The page on the study's first failure, before and after the stage that taught it."""
    return open_app(case="demo-italy-to-portugal-036", models="base,sft").run().switch_page("../../pages/compare.py")


def test_page(app):
    app.run()
    assert not app.exception
    assert not app.error
    rows = {name: low + high for name, low, high, *_ in shown(app, "gaps")["groups"][0]["rows"]}
    assert list(rows) == ["base", "sft"]
    assert rows["base"] < 0 < rows["sft"]
    first, second = shown(app, "map-0"), shown(app, "map-1")
    assert first["scale"] == second["scale"]
    assert "Portugal" in second["hint"]
    before = [value for _, _, value, _ in second["tokens"]]
    app.toggle(key="compare-change").set_value(True).run()
    assert app.query_params["change"] == "1"
    moved = [value for _, _, value, _ in shown(app, "map-1")["tokens"]]
    base = [value for _, _, value, _ in shown(app, "map-0")["tokens"]]
    assert np.allclose(moved, np.subtract(before, base), atol=1e-6)
    assert shown(app, "map-1")["caption"] == "sft − base"


def test_page_asks_for_two_and_says_which_model_can_not_be_read(app, monkeypatch):
    app.run()
    app.multiselect(key="compare-models").set_value(["base"]).run()
    assert "Choose two" in app.info[0].value
    broken = f"{ADAPTERS / 'dpo'}"

    def only_others(spec, *given):
        if spec.adapter and spec.adapter.endswith("/dpo"):
            raise ExplorerError(f"{broken}: *no* adapter.")
        return real(spec, *given)

    real = compare_state.explained_at
    monkeypatch.setattr(compare_state, "explained_at", only_others)
    app.multiselect(key="compare-models").set_value(["base", "dpo"]).run()
    assert "adapter" in app.error[0].value
    assert "\\*no" in app.error[0].value
    assert len(shown(app, "gaps")["groups"][0]["rows"]) == 1
    assert not app.exception
