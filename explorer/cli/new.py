"""The command ``new``: a study of somebody's own model and training data."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.output import write_json
from explorer.errors import ExplorerError
from explorer.model import embedded

if TYPE_CHECKING:
    from explorer.data.importer import Recognised

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def add_new(commands: Any) -> None:
    """Add ``new`` to the sub-commands that ``ArgumentParser.add_subparsers`` gave."""
    new = commands.add_parser("new", help="make a study of your own model and training data")
    new.add_argument("study", type=Path, metavar="STUDY", help="the folder to make")
    new.add_argument("--model", required=True, metavar="M", help="smollm2, a hub id, a folder or a .gguf file")
    new.add_argument(
        "--adapter", action="append", default=[], metavar="A",
        help="a PEFT adapter folder or hub id; again for every later stage of training, in order",
    )  # fmt: skip
    new.add_argument("--reference-adapter", metavar="A0", help="the adapter before the last stage; default none")
    new.add_argument(
        "--data", required=True, type=Path, metavar="FILE",
        help="training examples: .jsonl, .json, .csv, .parquet, .arrow or a save_to_disk folder",
    )  # fmt: skip
    new.add_argument("--behaviors", type=Path, metavar="F", help="JSON lines {id, name, prompt, bad, good?, exhibits?}")
    new.add_argument("--failures", type=Path, metavar="F", help="JSON lines {id, prompt, wrong, right, system?}")
    new.add_argument("--name", metavar="N", help="what to call the study; default the folder's name")
    new.add_argument("--yes", action="store_true", help="write without asking (asked in a terminal only)")
    new.add_argument("--dry-run", action="store_true", help="say what was recognised, write nothing")
    new.add_argument("--json", metavar="FILE", help="write what was recognised as JSON; - for stdout")
    new.set_defaults(run=_new)


def _new(given: argparse.Namespace) -> None:
    from explorer.data.importer import recognise

    model = given.model if given.model == embedded.NAME else _place("--model", given.model)
    adapters = [_adapter("--adapter", adapter) for adapter in given.adapter]
    reference = given.reference_adapter and _adapter("--reference-adapter", given.reference_adapter)
    _check_free(given.study)
    found = recognise(given.data)
    for line in found.lines():
        print(line, file=sys.stderr)
    lists = _lists(given)
    for what, rows in lists.items():
        print(f"{what}: {len(rows):,}", file=sys.stderr)
    made = None
    if not given.dry_run and (given.yes or _agreed(given.study)):
        made = _write(given, found, model=model, adapters=adapters, reference=reference, **lists)
    if given.json:
        write_json(given.json, found.to_json() | {"study": made})
    if made and given.json != "-":
        print(made)


def _write(given: argparse.Namespace, found: "Recognised", **settings: Any) -> str:
    """Write the study; returns its folder."""
    from explorer.data.study import create_study

    name = given.name or given.study.resolve().name
    try:
        return str(create_study(given.study, name=name, datapoints=found.table, **settings).folder)
    except OSError as error:
        raise ExplorerError(f"{given.study} can't be written: {error.strerror}.") from error


def _agreed(folder: Path) -> bool:
    """Whether to write: asked where somebody sits at a terminal, yes elsewhere. Raises ExplorerError for a no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    print(f"Write the study {folder}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    raise ExplorerError(f"{folder}: not written; expected y to go on.")


def _place(option: str, text: str) -> str:
    """A folder or file as an absolute path, so that it is found from anywhere; anything else is a hub id."""
    path = Path(text).expanduser()
    if path.exists():
        return str(path.resolve())
    if text.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(text):
        raise ExplorerError(f"{option} {text}: no such folder; expected one, or a hub id such as owner/name.")
    print(f"{option} {text}: no such folder, taken as a hub id", file=sys.stderr)
    return text


def _adapter(option: str, text: str) -> str:
    if "/" not in text and not Path(text).exists():
        raise ExplorerError(f"{option} {text}: no such folder; expected a PEFT adapter folder or owner/name.")
    place = _place(option, text)
    if Path(place).is_absolute() and not (Path(place) / "adapter_config.json").is_file():
        raise ExplorerError(f"{option} {text}: no adapter_config.json in it; expected a PEFT adapter folder.")
    return place


def _check_free(folder: Path) -> None:
    """Refuse a folder in which something would be overwritten: it may hold the very data that is read."""
    names = ("study.toml", "datapoints.parquet", "behaviors.jsonl", "failures.jsonl")
    there = next((name for name in names if (folder / name).exists()), None)
    if there:
        raise ExplorerError(f"{folder}: there is a {there} already; expected a new folder.")


def _lists(given: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """The rows of the files of behaviors and failures that were given, checked, with whatever else they hold."""
    if not (given.behaviors or given.failures):
        return {}
    from explorer.data.failures import read_failures
    from explorer.data.study import read_behaviors
    from explorer.files import read_json_lines

    found = {}
    readers = {"behaviors": (given.behaviors, read_behaviors), "failures": (given.failures, read_failures)}
    for what, (path, read) in readers.items():
        if path:
            try:
                read(path)
                found[what] = [row for _, row in read_json_lines(path)]
            except UnicodeDecodeError as error:
                raise ExplorerError(f"{path}: not UTF-8; expected JSON lines in UTF-8.") from error
    return found
