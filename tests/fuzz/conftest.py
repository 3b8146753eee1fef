"""A study beside a tree that nothing may touch, and the count of cases at the end of the run."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.data.study import Study, create_study
from explorer.files import shipped, write_json, write_json_lines
from explorer.repair.plan import REPAIRS
from tests.fuzz.harness import CASES, snapshot

DATA = [{"id": f"r{i}", "prompt": f"ask {i}", "response": f"say {i}", "label": "clean"} for i in range(12)]
BEHAVIORS = [
    {"id": f"b{i}", "name": "n", "prompt": f"ask {i}", "bad": "b", "good": "g", "exhibits": "(?i)b+", "half": half}
    for i, half in enumerate(("query", "evaluation", "evaluation"))
]
FAILURES = [{"id": "f", "prompt": "p", "wrong": "w", "right": "r", "system": "s", "raw": False, "evidence": "p"}]
CHECKS = [{"id": "c", "name": "n", "prompt": "p", "exhibits": "b", "right": "b"}]
TRAINING = [
    {"name": "sft", "kind": "sft", "start": None, "result": "adapters/sft", "recipe": {"epochs": 2.0, "batch": 16}},
    {"name": "dpo", "kind": "sft", "start": None, "result": "adapters/dpo", "recipe": {"rank": 8}},
]
NOTES = {"format": 1, "clusters": {"k": {"name": "a", "note": "b"}, "l": {"name": "c", "note": ""}}}
PROGRESS = {
    "state": "running", "done": 1, "of": 3, "run": "51d2535a228a2252", "began": 1.7e9, "pace": 4.5, "what": "training",
    "arm": {"arm": "top", "k": 4, "seed": 0}, "step": 3, "steps": 9,
}  # fmt: skip
RUN = "fuzzed"


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with every file that a reader knows, in a folder whose neighbour ``outside`` nobody may change."""
    root = tmp_path_factory.mktemp("fuzz")
    (root / "outside").mkdir()
    (root / "outside" / "secret").write_text("untouched")
    lists = {"behaviors": BEHAVIORS, "failures": FAILURES}
    made = create_study(root / "study", name="s", model="./gone-model", datapoints=DATA, **lists)
    for name in ("controls", "guard", "discovery"):
        write_json_lines(made.folder / f"{name}.jsonl", CHECKS)
    write_json(made.folder / "training.json", TRAINING)
    write_json(made.folder / "cluster-notes.json", NOTES)
    shutil.copytree(next(shipped(f"demo/{REPAIRS}").glob("amber*")), made.folder / REPAIRS / RUN)
    write_json(made.folder / REPAIRS / RUN / "progress.json", PROGRESS)
    return made


@pytest.fixture(autouse=True)
def sealed(study: Study) -> Iterator[None]:
    """What lies outside the study stays as it is."""
    outside = study.folder.parent / "outside"
    before = snapshot(outside)
    yield
    assert snapshot(outside) == before
    assert {path.name for path in study.folder.parent.iterdir()} == {"outside", "study"}


def value_of(path: Path) -> object:
    """A JSON file of the study as a value to mutate."""
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many cases were tried."""
    if CASES:
        readers = ", ".join(f"{name} {n:,}" for name, n in sorted(CASES.items()))
        terminalreporter.write_line(f"fuzz: {sum(CASES.values()):,} cases ({readers})")
