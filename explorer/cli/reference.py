"""``docs/reference.md``: every command with its options, and every call of the package, from the code itself.

``python -m explorer.cli.reference`` writes it; a test compares.
"""

import argparse
import inspect
from collections.abc import Iterator

import explorer
from explorer.cli.main import parser
from explorer.files import beside_code

PAGE = beside_code("docs") / "reference.md"
_HEAD = """# Reference

Written by `python -m explorer.cli.reference`; a test holds it against the code.

## Commands

`failure-explorer` is the same as `python -m explorer`. Each has `--help`.
"""


def reference() -> str:
    """The text of the page."""
    parts = [_HEAD]
    for name, command in _commands(parser()):
        parts.append(f"### {name}\n\n{_sentence(command.description or '')}\n\n{_table(command)}")
    rows = "\n".join(f"| `{name}` | {_first_line(name)} |" for name in explorer.__all__)
    return "\n".join([*parts, f"## Python\n\n`from explorer import …`\n\n| name | |\n| --- | --- |\n{rows}\n"])


def _commands(of: argparse.ArgumentParser, above: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Name and parser of every command that does something, those within others too."""
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, command in action.choices.items():
                command.description = command.description or told.get(name)
                inner = list(_commands(command, f"{above}{name} "))
                yield from inner or [(f"{above}{name}", command)]


def _table(command: argparse.ArgumentParser) -> str:
    formatter, rows = command._get_formatter(), []
    for action in command._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        value = "" if action.nargs == 0 else str(action.metavar or (action.choices and "|".join(action.choices)) or "")
        value = value or (action.dest.upper() if action.nargs != 0 and action.option_strings else "")
        words = [", ".join(action.option_strings), value] if action.option_strings else [value or action.dest]
        help = formatter._expand_help(action) if action.help else ""
        rows.append(f"| `{_cell(' '.join(filter(None, words)))}` | {_cell(help)} |")
    return "\n".join(["| option | |", "| --- | --- |", *rows, ""]) if rows else ""


def _first_line(name: str) -> str:
    text = inspect.getdoc(getattr(explorer, name)) or ""
    return _cell(" ".join(text.partition("\n\n")[0].split()))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
