"""The command ``new``: a study of somebody's own model and training data."""

import argparse
import sys
from pathlib import Path
from typing import Any

from explorer.cli.arguments import file_name
from explorer.cli.output import MODEL, say, write_json
from explorer.data.checkpoints import adapter_entry
from explorer.errors import ExplorerError


def add_new(commands: Any) -> None:
    """Add ``new`` to the sub-commands of the command line."""
    new = commands.add_parser("new", help="make a study of your own model and training data")
    new.add_argument("study", type=Path, metavar="STUDY", help="the folder to make")
    new.add_argument("--model", required=True, metavar="M", help=MODEL)
    again = "a checkpoint of the training: a folder of a model or PEFT adapter, or owner/name@revision; again for each"
    stage: dict[str, Any] = {"dest": "checkpoints", "action": "append", "default": []}
    new.add_argument("--checkpoint", **stage, metavar="C", help=f"{again} later one, in order")
    adapter = "the same for a PEFT adapter, which may be a hub id; both options may be mixed"
    new.add_argument("--adapter", **stage, type=adapter_entry, metavar="A", help=adapter)
    before = "the checkpoint before the last stage of training; default the last but one"
    new.add_argument("--reference", metavar="R", help=before)
    adapter = "the same for a PEFT adapter"
    new.add_argument("--reference-adapter", dest="reference", type=adapter_entry, metavar="A0", help=adapter)
    formats = "training examples: .jsonl, .json, .csv, .parquet, .arrow or a save_to_disk folder"
    new.add_argument("--data", required=True, type=Path, metavar="FILE", help=formats)
    new.add_argument("--behaviors", type=Path, metavar="F", help="JSON lines {id, name, prompt, bad, good?, exhibits?}")
    new.add_argument("--failures", type=Path, metavar="F", help="JSON lines {id, prompt, wrong, right, system?}")
    new.add_argument("--name", default="", metavar="N", help="what to call the study; default the folder's name")
    raw = "how the model reads a row; auto (default): raw text where the model has no chat template"
    new.add_argument("--template", choices=("auto", "chat", "raw"), default="auto", help=raw)
    rows = "a conversation is one row with the loss on all its answers (default), or one row for each answer"
    new.add_argument("--turns", choices=("all", "each"), default="all", help=rows)
    end = "whether training put a loss on the token that ends an answer; default yes for chat, no for raw"
    new.add_argument("--end-of-turn", choices=("yes", "no"), help=end)
    longest = "most tokens of an answer that the study's models give; default 64"
    new.add_argument("--answer-tokens", type=int, metavar="N", help=longest)
    new.add_argument("--yes", action="store_true", help="write without asking (asked in a terminal only)")
    new.add_argument("--dry-run", action="store_true", help="say what was recognised, write nothing")
    new.add_argument("--json", metavar="FILE", type=file_name, help="write what was recognised as JSON; - for stdout")
    new.set_defaults(run=_new)


def _new(arguments: argparse.Namespace) -> None:
    from explorer.data.new_study import prepare_study

    names = ("model", "data", "checkpoints", "reference", "behaviors", "failures", "name")
    given = {name: getattr(arguments, name) for name in (*names, "template", "turns", "answer_tokens")}
    ends = {"yes": True, "no": False}.get(arguments.end_of_turn)
    new = prepare_study(arguments.study, **given, end_of_turn=ends)
    say(*new.lines(), to_stderr=True)
    folder = None
    if not arguments.dry_run and (arguments.yes or _confirmed(new.folder)):
        folder = str(new.write().folder)
    if arguments.json:
        write_json(arguments.json, new.data.to_json() | {"study": folder})
    if folder and arguments.json != "-":
        say(folder)


def _confirmed(folder: Path) -> bool:
    """Ask whether to write if somebody sits at a terminal; yes elsewhere. Raises ExplorerError for a no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    say(f"Write the study {folder}? [y/N]", to_stderr=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    raise ExplorerError(f"{folder}: not written; expected y to go on.")
