"""README and command line stay in step, and what the README shows works."""

import argparse
import json
import re
import shlex
from pathlib import Path

import pytest

from explorer.cli import main, parser
from explorer.vectors.methods import METHODS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> dict[str, argparse.ArgumentParser]:
    actions = parser()._actions
    return next(a.choices for a in actions if isinstance(a, argparse._SubParsersAction))  # pyright: ignore


def test_every_command_is_in_the_readme_and_no_other():
    listed = set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))
    assert listed == set(commands())


def test_commands_shown_are_accepted_and_run(smollm, capsys, tmp_path, monkeypatch):
    shown = re.findall(r"^python -m explorer ((?:.*\\\n)*.*)", README, re.MULTILINE)
    assert shown
    monkeypatch.chdir(tmp_path)
    for line in shown:
        assert main(shlex.split(line.replace("\\\n", " "))) == 0


def test_python_shown_runs(smollm, capsys):
    (code,) = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    assert len(code.strip().splitlines()) == 3
    exec(code, {})
    assert "Istanbul" in capsys.readouterr().out


def test_pictures_and_options_exist():
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / path).is_file(), path
    options = {
        option for command in commands().values() for action in command._actions for option in action.option_strings
    }
    assert set(re.findall(r"`(--[a-z-]+)", README)) <= options


def test_the_figures_on_training_data_are_those_of_the_evaluation():
    rows = json.loads((ROOT / "assets/demo/evaluation.json").read_text())["rows"]
    text = (ROOT / "docs/training-data.md").read_text()
    first = text[: text.index("The best that each method reaches")]
    for method in METHODS.values():
        line = next(line for line in first.splitlines() if line.startswith(f"| `{method.name}`"))
        shown = [float(cell.split()[0]) for cell in line.split("|")[2:-1]]
        own = [r for r in rows if r["method"] == method.name]
        if method.parts:
            own = [r for r in own if (r["layer"], r["centre"], r["query"]) == (28, method.centre, method.query)]
        assert shown == pytest.approx([r["average_precision"] for r in own], abs=0.006)
