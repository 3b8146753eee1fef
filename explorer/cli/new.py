"""The command ``new``: a study of somebody's own model and training data."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.arguments import file_name, text
from explorer.cli.output import MODEL, progress_lines, say, write_json
from explorer.data.checkpoints import adapter_entry
from explorer.data.names import parse_columns
from explorer.data.numbers import NUMBERS
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from explorer.data.new_study import NewStudy


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
    formats = "training examples: .jsonl, .json, .csv, .tsv (.gz, .zst too), .parquet, .arrow, a folder of save_to_disk"
    formats += " or of the hub, or a pattern such as 'data/*.parquet'; again for each further one"
    new.add_argument("--data", required=True, action="append", type=text, metavar="FILE", help=formats)
    named = "columns with other names than the usual ones: prompt=Frage,response=Antwort (a.b: b within a)"
    new.add_argument("--columns", type=text, metavar="FIELD=COLUMN,…", help=named)
    new.add_argument("--strict", action="store_true", help="refuse data with a broken row, which is left out else")
    _add_lists(new)
    new.add_argument("--name", default="", metavar="N", help="what to call the study; default the folder's name")
    raw = "how the model reads a row; auto (default): raw text where the model has no chat template"
    new.add_argument("--template", choices=("auto", "chat", "raw"), default="auto", help=raw)
    rows = "a conversation is one row with the loss on all its answers (default), or one row for each answer"
    new.add_argument("--turns", choices=("all", "each"), default="all", help=rows)
    end = "whether training put a loss on the token that ends an answer; default yes for chat, no for raw"
    new.add_argument("--end-of-turn", choices=("yes", "no"), help=end)
    longest = "most tokens of an answer that the study's models give; default 64"
    new.add_argument("--answer-tokens", type=int, metavar="N", help=longest)
    read = "tokens of a training example that are read, default 2048; longer ones lose the middle of their prompts"
    new.add_argument("--max-tokens", type=int, metavar="N", help=read)
    new.add_argument("--yes", action="store_true", help="write without asking (asked in a terminal only)")
    new.add_argument("--dry-run", action="store_true", help="say what was recognised, write nothing")
    new.add_argument("--json", metavar="FILE", type=file_name, help="write what was recognised as JSON; - for stdout")
    new.set_defaults(run=_new)


def _add_lists(new: argparse.ArgumentParser) -> None:
    """Add the options for behaviors, failures and prompts, each a table in any format."""
    add = new.add_argument
    add("--behaviors", type=Path, metavar="F", help="table or JSON lines {id?, name, prompt, bad, good?, exhibits?, …}")
    failures = "{id?, prompt, wrong, right, system?}, or {prompt, expected}: the model is asked, what it fails is kept"
    add("--failures", type=Path, metavar="F", help=f"table or JSON lines {failures}")
    add("--discovery", type=Path, metavar="F", help="unlabelled prompts to cluster: {id?, prompt}")
    add("--controls", type=Path, metavar="F", help="where a behavior must not show: {id?, name, prompt, exhibits}")
    add("--guard", type=Path, metavar="F", help="ordinary tasks that a repair must not harm: {id?, prompt, right}")
    held = "hold every other prompt of a behavior out, to measure repairs with (needs exhibits)"
    add("--hold-out", action="store_true", help=held)


def _new(arguments: argparse.Namespace) -> None:
    from explorer.data.lists import LISTS, has_questions
    from explorer.data.new_study import prepare_study

    names = ("model", "data", "strict", "checkpoints", "reference", "name", "template", "turns", *NUMBERS, *LISTS)
    given = {name: getattr(arguments, name) for name in (*names, "hold_out")}
    questions = arguments.failures if arguments.failures and has_questions(arguments.failures) else None
    given |= {"failures": None} if questions else {}
    ends = {"yes": True, "no": False}.get(arguments.end_of_turn)
    columns = parse_columns(arguments.columns) if arguments.columns else None
    new = prepare_study(arguments.study, **given, columns=columns, end_of_turn=ends)
    asks = f"failures: the questions of {questions}, which the model is asked before anything is written"
    say(*new.lines(), *([asks] if questions else []), to_stderr=True)
    folder = None
    if not arguments.dry_run and (arguments.yes or _confirmed(new.folder)):
        new = _asked(new, questions) if questions else new
        folder = str(new.write().folder)
    if arguments.json:
        write_json(arguments.json, new.data.to_json() | {"study": folder})
    if folder and arguments.json != "-":
        say(folder)


def _asked(new: "NewStudy", questions: Path) -> "NewStudy":
    """The study with what its model answers wrongly as failures, and as behaviors where it has none."""
    from explorer.data.listed import study_rows
    from explorer.studies.failures import ask_failures

    asked = ask_failures(questions, new.spec, new.template == "raw", progress_lines())
    say(*asked.lines(), to_stderr=True)
    behaviors, failures = study_rows(asked.entries)
    return replace(new, behaviors=new.behaviors or behaviors, failures=failures)


def _confirmed(folder: Path) -> bool:
    """Ask whether to write if somebody sits at a terminal; yes elsewhere. Raises ExplorerError for a no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    say(f"Write the study {folder}? [y/N]", to_stderr=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    raise ExplorerError(f"{folder}: not written; expected y to go on.")
