"""README and command line stay in step, and what the README shows works."""

import argparse
import re
import shlex
from pathlib import Path

from explorer.cli import main, parser

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
