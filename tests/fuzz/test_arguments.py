"""Command lines and links that nobody meant to write."""

import contextlib
import io
import random
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.cli.main import main, parser
from explorer.data.study import Study
from explorer.ui import link
from explorer.ui.graph.state import read_view
from explorer.ui.page_states import RepairState, TrainingDataState
from tests.fuzz.harness import CASES, TRAPS, check, check_sentence, fuzz, seeds

COMMANDS: dict[str, tuple[str, ...]] = {
    "rank": ("--behavior", "--failure", "--like", "--method", "--layer", "--stage", "--query", "--top", "--node"),
    "repair": ("--behavior", "--edit", "--top", "--ids", "--method", "--seeds", "--arms", "--go-on", "--train"),
    "cluster": ("--method", "--layer", "--stage", "--clusters", "--prompts", "--reference", "--seed"),
    "evaluate": ("--label", "--stage"),
    "new": ("--adapter", "--checkpoint", "--reference", "--behaviors", "--failures", "--name", "--answer-tokens"),
}
FIXED = {"rank": ["--method", "bm25"], "repair": ["--dry-run"], "new": ["--dry-run", "--template", "chat"]}
_MORE = ["n", "f", "r1", "drop", "4", "4,8", "bad", "1:2", "bm25", "sft", "fuzzed", "\udcff", "--", "-", "1e999"]
TEXTS = [*sorted({str(trap) for trap in TRAPS}), *_MORE, "9" * 5_000]


def command(rng: random.Random, study: Path) -> list[str]:
    """A command line with some options that hold anything."""
    name = rng.choice([*COMMANDS])
    place = str(study) if rng.random() < 0.85 else rng.choice(TEXTS)
    line = [name, str(study.parent / "absent") if name == "new" and rng.random() < 0.8 else place]
    line += FIXED.get(name, [])
    if name == "new":
        data = str(study / "datapoints.parquet") if rng.random() < 0.8 else rng.choice(TEXTS)
        line += ["--data", data, "--model", "smollm2"]
    for _ in range(rng.randint(0, 4)):
        line += [rng.choice(COMMANDS[name]), rng.choice(TEXTS)]
    return line


def run(line: list[str]) -> None:
    """Run a command, and hold it against the promise: 0, or 2 with one line on stderr."""
    CASES["command line"] += 1
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: Any = main(line)
        except SystemExit as stop:
            code = stop.code
    assert code in (0, 2), (line, code)
    if code == 2:
        errors = [text for text in err.getvalue().split("\n") if text.startswith("explorer: ")]
        assert len(errors) == 1, (line, err.getvalue())
        check_sentence(errors[0].removeprefix("explorer: ").partition(" (see '")[0])


@pytest.fixture(autouse=True)
def never_loaded(monkeypatch: pytest.MonkeyPatch):
    """No command line of this test gets as far as a model or a server."""
    monkeypatch.setattr("os.execv", lambda *_args: pytest.fail("a server was started"))
    monkeypatch.setattr("os.nice", lambda _n: 0)


@pytest.mark.slow
@fuzz(1_500)
@given(rng=seeds())
def test_command_lines(study: Study, rng: random.Random):
    run(command(rng, study.folder))


@pytest.mark.slow
@fuzz(1_000)
@given(words=st.lists(st.sampled_from(TEXTS), max_size=4), rng=seeds())
def test_words_that_are_no_command(words: list[str], rng: random.Random):
    CASES["command line"] += 1
    names = ["trace", "graph", "compare", "build", "app", "bench", "demo", *COMMANDS]
    line = [
        rng.choice(names),
        *words,
        rng.choice(["--port", "--layers", "--mass", "--models", "--x", "--json"]),
        *words,
    ]
    with contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            parser().parse_args(line)
        except SystemExit as stop:
            assert stop.code == 2
            check_sentence(err.getvalue().strip().removeprefix("explorer: ").partition(" (see '")[0])


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("repair STUDY --behavior n --edit drop --top 4 --export=", "expected the name of a file"),
        ("rank STUDY --behavior n --json=", "expected the name of a file"),
        ("repair STUDY --go-on /etc", "no repair '/etc'"),
        ("repair STUDY --go-on=", "no repair ''"),
        ("repair STUDY --go-on ../../outside", "no repair '../../outside'"),
        ("rank STUDY --behavior n --top " + "9" * 5_000, "expected a whole number"),
        ("cluster STUDY --seed 99999999999", "expected a whole number"),
        ("rank " + "x" * 5_000 + " --behavior n", "expected a name or path"),
        ("rank /dev/zero --behavior n", "no study.toml"),
    ],
)
def test_arguments_that_did_something_else(study: Study, capsys: pytest.CaptureFixture[str], line: str, complaint: str):
    try:
        assert main(line.replace("STUDY", str(study.folder)).split()) == 2
    except SystemExit as stop:
        assert stop.code == 2
    error = capsys.readouterr().err
    assert complaint in error and len(error) < 600


KEYS = ["rule", "mass", "k", "least", "models", "groups", "pins", "hide", "open", "layers", "halves", "at", "behavior"]


@pytest.mark.slow
@fuzz(2_000)
@given(
    values=st.dictionaries(st.sampled_from(KEYS), st.one_of(st.sampled_from(TEXTS), st.text(max_size=30)), max_size=6)
)
def test_links(values: dict[str, str]):
    with patch.object(link.st, "query_params", dict(values)), patch.object(link.st, "session_state", {}):

        def read() -> None:
            link.enter("page")
            link.choice("rule", {"a": "A"}, "a")
            link.flag("open")
            assert 0 <= link._number("mass", 0.85, 0.0, 1.0) <= 1
            assert isinstance(link._number("k", 50, 1, 100), int)
            link._number("least", None, -1e9, 1e9)
            read_view(30, 20)
            assert RepairState.read().params() is not None and TrainingDataState.read().params() is not None

        check("link", read)
