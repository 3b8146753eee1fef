"""Every file of a study folder, broken in thousands of ways: it is read, or one sentence says why not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.behaviors.notes import read_notes
from explorer.behaviors.prompts import discovery_prompts, read_discovery
from explorer.data.study import Study, check_study, open_study
from explorer.data.turns import parse_history
from explorer.figures.repair import export_repair
from explorer.files import shipped
from explorer.graph.graph_json import read_graph_json
from explorer.jobs import log_tail
from explorer.patterns import require_pattern, shows
from explorer.ranking.evaluate import score_from_json
from explorer.reading import parse_json, read_json
from explorer.repair.arms import read_corrected, read_losses
from explorer.repair.checks import held_out
from explorer.repair.estimate import read_paces
from explorer.repair.job import repair_json, status
from explorer.repair.plan import REPAIRS, read_plan, repair_folders, run_folder
from explorer.repair.results import main_arms, measured, pooled, read_result, trained_models
from explorer.repair.stages import read_stages
from explorer.reports.collection import read_collection
from explorer.vectors.find import study_indexes
from explorer.vectors.index import open_index
from tests.fuzz.conftest import BEHAVIORS, CHECKS, FAILURES, NOTES, PROGRESS, RUN, TRAINING
from tests.fuzz.harness import TRAPS, broken_bytes, check, contents, fuzz, mutated_bytes, seeds

REPAIR = shipped(f"demo/{REPAIRS}")
SMALL_PLAN: Any = {
    "behavior": "n", "edit": "drop", "stage": "sft", "share": 0.3, "rows": 12,
    "ranking": {"method": "explorer", "layer": 15, "centre": True, "query": "bad", "checkpoint": "base"},
    "arms": [{"arm": "none", "k": 0, "seed": 0, "ids": []}, {"arm": "top", "k": 2, "seed": 0, "ids": ["r1", "r2"]}],
}  # fmt: skip
COLLECTED: Any = {
    "format": 1, "title": "t",
    "views": [{"page": "graph", "query": {"case": "a", "rule": "b"}, "comment": "c"}, {"page": "p", "query": {}}],
}  # fmt: skip
_ROW: Any = {"hits": 3, "n": 9, "rate": 0.33, "low": 0.1, "high": 0.6, "control": 0.1, "guard": None, "run": "51d2"}
SMALL_RESULT: Any = {
    "arms": [
        {"arm": "none", "k": 0, "seed": 0, **_ROW, "hits": 8, "rate": 0.9, "low": 0.6, "high": 0.98},
        {"arm": "top", "k": 2, "seed": 0, **_ROW},
        {"arm": "random", "k": 2, "seed": 0, **_ROW},
    ],
    "behavior": "n", "edit": "drop", "stage": "sft", "k": 2, "ranking": {"method": "bm25"}, "share": 1.0, "rows": 12,
    "of": 3, "examples": [{"prompt": "p", "answers": {"top-2": "a", "none-0": "b"}}], "asked": "a", "made_from": {},
}  # fmt: skip
MANIFEST: Any = {
    "checkpoint": "base", "made_from": {"a": 1}, "n": 12, "shard_rows": 5, "layers": [15, 22], "parts": ["state"],
    "default_layer": 22, "notes": {"pairs": 0, "unranked": 0, "cut": 0}, "format": 1,
    "files": {"shard-00000.safetensors": "ab", "stats.safetensors": "cd"},
}  # fmt: skip
GRAPH: Any = {
    "metadata": {"scan": "m", "rule": "attnlrp", "prompt_tokens": ["a", "b"], "layers": [0, 1, 2], "edge_share": 0.5,
                 "node_share": 0.5, "contrast": {"wrong": "w", "right": "r", "logit_gap": 1.0}},
    "qParams": {"pinnedIds": ["1_0"], "supernodes": [["g", "1_0", "1_1"]]},
    "nodes": [{"node_id": f"{layer}_{token}", "influence": 0.5} for layer in range(3) for token in range(2)],
    "links": [{"source": "0_0", "target": "1_1", "weight": 0.1}, {"source": "1_1", "target": "2_1", "weight": -0.1}],
}  # fmt: skip
TOML = b"""format = 1
name = "s"
model = "org/m@v1"
checkpoints = ["./runs/sft", "adapter:org/name", "other/model"]
reference = "org/m"
template = "chat"
turns = "all"
layers = [3, 5]
end_of_turn = true
answer_tokens = 64
"""
VALUES = st.sampled_from([value for value in TRAPS if value is not None])


@pytest.fixture(autouse=True)
def restored(study: Study):
    """Put back the files that a test breaks, and take away those that it adds."""
    kept = {path: path.read_bytes() for path in study.folder.rglob("*") if path.is_file()}
    yield
    for path in [path for path in study.folder.rglob("*") if path.is_file() and path not in kept]:
        path.unlink()
    for path, data in kept.items():
        path.write_bytes(data)


def rewritten(path: Path, data: bytes, reader: str, *calls: Callable[[], Any]) -> None:
    """Hold some readers of a file against other content of it."""
    path.write_bytes(data)
    for call in calls:
        check(reader, call)


@fuzz(2_000)
@given(data=mutated_bytes(TOML), pair=st.tuples(st.sampled_from(TOML.decode().splitlines()), VALUES))
def test_study_toml(study: Study, data: bytes, pair: tuple[str, Any]):
    rewritten(study.folder / "study.toml", data, "study.toml", lambda: open_study(study.folder).checkpoints())
    line, value = pair
    text = json.dumps(value).replace("null", "''").replace("{}", "{a=1}")
    other = TOML.replace(line.encode(), f"{line.partition('=')[0]}= {text}".encode())
    rewritten(study.folder / "study.toml", other, "study.toml", lambda: open_study(study.folder).checkpoint("after"))


@fuzz(1_500)
@given(data=contents(BEHAVIORS, lines=True))
def test_behaviors(study: Study, data: bytes):
    rewritten(study.folder / "behaviors.jsonl", data, "behaviors.jsonl", study.behaviors, lambda: held_out(study, "n"))


@fuzz(1_000)
@given(data=contents(FAILURES, lines=True))
def test_failures(study: Study, data: bytes):
    rewritten(study.folder / "failures.jsonl", data, "failures.jsonl", study.failures)


@fuzz(500)
@given(data=contents(CHECKS, lines=True))
def test_checks_and_discovery(study: Study, data: bytes):
    for name in ("controls", "guard"):
        rewritten(study.folder / f"{name}.jsonl", data, f"{name}.jsonl", lambda: held_out(study, "n"))
    path = study.folder / "discovery.jsonl"
    rewritten(path, data, "discovery.jsonl", lambda: read_discovery(path), lambda: discovery_prompts(study))


@fuzz(1_500)
@given(data=contents(TRAINING))
def test_training(study: Study, data: bytes):
    rewritten(study.folder / "training.json", data, "training.json", lambda: read_stages(study))


@fuzz(400)
@given(data=contents({"target_modules": ["q_proj", "k_proj"], "r": 8}))
def test_adapter_config(study: Study, data: bytes):
    path = study.folder / "adapters" / "sft" / "adapter_config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    rewritten(path, data, "adapter_config.json", lambda: read_stages(study))


@fuzz(800)
@given(data=contents(NOTES))
def test_notes(study: Study, data: bytes):
    rewritten(study.folder / "cluster-notes.json", data, "cluster-notes.json", lambda: read_notes(study.folder))


@fuzz(800)
@given(data=contents(COLLECTED))
def test_collected_pages(study: Study, data: bytes):
    rewritten(study.folder / "report.json", data, "report.json", lambda: read_collection(study.folder))


@fuzz(1_200)
@given(data=contents(SMALL_PLAN))
def test_plan(study: Study, data: bytes):
    folder = study.folder / REPAIRS / RUN

    def read() -> None:
        plan = read_plan(folder)
        assert all(map(str, (plan.title(), plan.summary(), plan.source(), plan.name, plan.top, plan.ks)))
        repair_folders(study)

    rewritten(folder / "plan.json", data, "plan.json", read)


@fuzz(2_500)
@given(data=st.one_of(contents(SMALL_RESULT), contents({"arms": SMALL_RESULT["arms"]})))
def test_result(study: Study, data: bytes):
    folder = study.folder / REPAIRS / RUN

    def read() -> None:
        if result := read_result(folder):
            main_arms(pooled(result.arms))
            trained_models(study, result.arms)
            assert result.verdict and result.title
        status(folder)
        measured(study, "n")
        json.dumps(repair_json(folder))

    rewritten(folder / "result.json", data, "result.json", read)


@fuzz(8)
@given(data=contents(SMALL_RESULT))
def test_figure_of_a_result(study: Study, data: bytes):
    folder = study.folder / REPAIRS / RUN

    def draw() -> None:
        if result := read_result(folder):
            export_repair(result, "svg")

    rewritten(folder / "result.json", data, "figure of a result", draw)


@fuzz(1_000)
@given(data=contents(PROGRESS))
def test_progress(study: Study, data: bytes):
    folder = study.folder / REPAIRS / RUN
    now = lambda: read_losses(run_folder(study, status(folder).run))  # noqa: E731
    rewritten(folder / "progress.json", data, "progress.json", now)


@fuzz(400)
@given(data=contents([{"step": 1, "loss": 0.5, "seconds": 2}], lines=True), paces=contents({"k": {"at": 1.0}}))
def test_files_of_a_run(study: Study, data: bytes, paces: bytes):
    run = run_folder(study, "51d2535a228a2252")
    run.mkdir(parents=True, exist_ok=True)
    rewritten(run / "loss.jsonl", data, "loss.jsonl", lambda: read_losses(run))
    rewritten(run / "corrected.json", paces, "corrected.json", lambda: read_corrected(run / "corrected.json"))
    rewritten(run.parent / "pace.json", paces, "pace.json", lambda: read_paces(run.parent / "pace.json"))
    rewritten(study.folder / REPAIRS / RUN / "log.txt", data, "log.txt", lambda: log_tail(study.folder / REPAIRS / RUN))


@fuzz(1_500)
@given(data=contents(MANIFEST))
def test_manifest(study: Study, data: bytes):
    folder = study.folder / "vectors" / "ab"
    folder.mkdir(parents=True, exist_ok=True)
    rewritten(folder / "manifest.json", data, "manifest.json", lambda: open_index(folder), lambda: study_indexes(study))


@fuzz(2_500)
@given(data=contents(GRAPH))
def test_graph_json(data: bytes):
    check("graph.json", lambda: read_graph_json(data))


@fuzz(600)
@given(data=contents([json.loads((shipped("demo") / "evaluation.json").read_text())["rows"][0]]))
def test_evaluation(study: Study, data: bytes):
    path = study.folder / "evaluation.json"
    read = lambda: [score_from_json(row, path) for row in read_json(path, "rows", list[dict[str, Any]])]  # noqa: E731
    rewritten(path, data, "evaluation.json", read)


@fuzz(600)
@given(data=contents([["user", "a"], ["assistant", "b"], ["user", None], ["tool", "c"]]))
def test_history(data: bytes):
    check("history", lambda: parse_history(data.decode("utf-8", "replace"), "row 1"))


@fuzz(800)
@given(
    text=st.one_of(st.text("ab(+*?|)[]{}1,^$\\.=!<>:-", max_size=30), st.text(max_size=20)), answer=st.text(max_size=40)
)
def test_patterns(text: str, answer: str):
    def use() -> None:
        require_pattern({"exhibits": text}, "line 1", "exhibits")
        shows(text, answer, "line 1")

    check("pattern", use)


@fuzz(1_500)
@given(
    value=st.one_of(
        st.binary(max_size=60),
        seeds().map(lambda rng: broken_bytes(b'{"a": [1, 2.5e3, "x\\u00e9", null, true, {"b": []}]}', rng)),
    )
)
def test_json(value: bytes):
    check("JSON", lambda: parse_json(value, "file.json"))
    check("JSON", lambda: parse_json(value, "file.json", strict=False))


def test_all_files_of_the_study_are_read_when_it_is_whole(study: Study):
    check_study(study.folder)
    assert read_stages(study) and read_notes(study.folder) and held_out(study, "n")
    assert read_result(study.folder / REPAIRS / RUN) and read_plan(study.folder / REPAIRS / RUN)
