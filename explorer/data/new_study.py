"""A new study of somebody's own model and training data: read and check everything first, then write it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.data.checkpoints import ADAPTER, adapter_entry, check_checkpoint, resolve
from explorer.data.importer import ImportedData, import_data
from explorer.errors import ExplorerError, first_line
from explorer.folders import unfinished
from explorer.model import embedded
from explorer.model.spec import HUB_ID, place_of, split_revision
from explorer.reading import read_json_lines

if TYPE_CHECKING:  # torch, which the study needs, takes seconds to import: reading the data is quicker without it
    from explorer.data.study import Study

_FILES = ("study.toml", "datapoints.parquet", "behaviors.jsonl", "failures.jsonl")


@dataclass(frozen=True)
class NewStudy:
    """A study that is read and checked, but not written.

    Attributes:
        folder, name, model, template, turns, end_of_turn, answer_tokens: as in ``Study``; None for the default.
        checkpoints, reference: entries of ``study.toml`` (see ``data/checkpoints.py``).
        data: the training examples, and how their file was read.
        behaviors, failures: rows of their files, with whatever fields they have; None if no file was given.
        notes: sentences on what was taken for granted.
    """

    folder: Path
    name: str
    model: str
    checkpoints: tuple[str, ...]
    reference: str | None
    template: str
    turns: str
    end_of_turn: bool
    answer_tokens: int | None
    data: ImportedData
    behaviors: list[dict[str, Any]] | None
    failures: list[dict[str, Any]] | None
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """A summary in short lines."""
        lists = {"behaviors": self.behaviors, "failures": self.failures}
        counts = [f"{what}: {len(rows):,}" for what, rows in lists.items() if rows is not None]
        return [*self.notes, *self.data.lines(), *counts]

    def write(self) -> "Study":
        """Write the folder and open the study. Raises ExplorerError if it can't be written."""
        from explorer.data.study import create_study

        names = ("name", "model", "checkpoints", "reference", "template", "turns", "end_of_turn", "answer_tokens")
        settings: Any = {field: value for field in names if (value := getattr(self, field)) is not None}
        rows: Any = {"behaviors": self.behaviors or (), "failures": self.failures or ()}
        return create_study(self.folder, datapoints=self.data.table, **settings, **rows)


def prepare_study(
    folder: str | Path,
    *,
    model: str,
    data: str | Path,
    checkpoints: Sequence[str] = (),
    adapters: Sequence[str] = (),
    reference: str | None = None,
    behaviors: str | Path | None = None,
    failures: str | Path | None = None,
    name: str = "",
    template: str = "auto",
    turns: str = "all",
    end_of_turn: bool | None = None,
    answer_tokens: int | None = None,
) -> NewStudy:
    """Read and check all that a new study is made of; ``write()`` of the result makes it.

    Args:
        folder: where the study goes; nothing in it is overwritten.
        model: as in ``Study``.
        checkpoints, adapters, reference: as ``create_study`` takes them, but relative paths are those of this process.
        data: training examples in any format that ``import_data`` reads.
        behaviors, failures: JSON lines files.
        name: what to call the study; default the folder's name.
        template: ``chat``, ``raw``, or ``auto``: raw where the model's tokenizer has no chat template.
        turns: ``all`` keeps a conversation as one row with a loss on all its answers, ``each`` makes a row of each.
        end_of_turn: whether training put a loss on the token that ends an answer; None: yes for chat, no for raw.
        answer_tokens: most tokens of an answer that the study's models generate; default 64.

    Raises:
        ExplorerError: one sentence that names the option or file, the row and the field.
    """
    _check(Path(folder), answer_tokens)
    folder, notes = Path(folder), []
    model = model if model == embedded.NAME else _place("--model", model, notes)
    if reference and reference in adapters:
        reference = adapter_entry(reference)
    entries = [_entry("--checkpoint", entry, notes) for entry in (*checkpoints, *map(adapter_entry, adapters))]
    reference = reference and _entry("--reference", reference, notes)
    name, examples = name or folder.resolve().name, import_data(data, turns)
    rows = (_rows(behaviors, "behaviors"), _rows(failures, "failures"))
    template, ends = _reading(model, template, end_of_turn, notes)
    settings = (template, "last" if turns == "each" else turns, ends, answer_tokens)
    return NewStudy(folder, name, model, tuple(entries), reference, *settings, examples, *rows, tuple(notes))


def _check(folder: Path, answer_tokens: int | None) -> None:
    """Raise ExplorerError for a folder that holds files of a study, or a wrong number."""
    if answer_tokens is not None and answer_tokens < 1:
        raise ExplorerError(f"--answer-tokens is {answer_tokens}; expected a whole number above 0.")
    left = unfinished(folder)  # by a process that was killed
    if present := [file for file in _FILES if (folder / file).exists() and file not in left]:
        # one of them may be the very data that is about to be read
        raise ExplorerError(f"{folder}: there is a {present[0]} already; expected a new folder.")


def _reading(model: str, template: str, end_of_turn: bool | None, notes: list[str]) -> tuple[str, bool]:
    """(template, whether the loss is on the end of an answer too), what was left open filled in."""
    template = _template(model, notes) if template == "auto" else template
    ends = template == "chat" if end_of_turn is None else end_of_turn
    if template == "raw":
        end = "with" if ends else "without ('--end-of-turn yes': with)"
        notes.append(f"read as raw text: a prompt and its answer as they are, {end} a loss on the token that ends it")
    return template, ends


def _template(model: str, notes: list[str]) -> str:
    """``raw`` for a model whose tokenizer has no chat template, else ``chat``; only the tokenizer is read."""
    if model == embedded.NAME:
        return "chat"
    from transformers import AutoTokenizer

    gguf = {"gguf_file": Path(model).name} if model.lower().endswith(".gguf") else {}
    place = str(Path(model).parent) if gguf else model
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False, **gguf)
    except Exception as error:  # transformers and its readers raise a dozen types for what is no tokenizer
        notes.append(f"--template: the tokenizer can't be read ({first_line(error, 80)}); taken as one for chats")
        return "chat"
    if tokenizer.chat_template:
        return "chat"
    notes.append("--template: the model has no chat template")
    return "raw"


def _place(option: str, text: str, notes: list[str]) -> str:
    """A folder or file as an absolute path, so that it is found from anywhere; anything else is a hub id."""
    path, (name, revision) = Path(os.path.expanduser(text)), split_revision(text)
    if path.exists():
        return str(path.resolve())
    if text.startswith((".", "/", "~")) or not HUB_ID.fullmatch(name):
        raise ExplorerError(f"{option} {text}: no such folder; expected one, or a hub id such as owner/name.")
    try:
        place_of(name, revision)  # a folder has no revision
    except ExplorerError as error:
        raise ExplorerError(f"{option} {text}: {error}") from error
    notes.append(f"{option} {text}: no such folder, taken as a hub id")
    return text


def _entry(option: str, entry: str, notes: list[str]) -> str:
    """An entry of ``study.toml`` with an absolute path, checked; the option of an adapter has a name of its own."""
    text = entry.removeprefix(ADAPTER)
    prefix = ADAPTER if entry.startswith(ADAPTER) else ""
    if prefix:
        option = {"--checkpoint": "--adapter", "--reference": "--reference-adapter"}[option]
    if text == embedded.NAME and not prefix:
        return entry
    if "/" not in text and not os.path.exists(os.path.expanduser(split_revision(text)[0])):
        expected = "a PEFT adapter folder" if prefix else "the folder of a model or PEFT adapter"
        raise ExplorerError(f"{option} {text}: no such folder; expected {expected} or owner/name.")
    place = _place(option, text, notes)
    (spec,) = resolve(Path("/"), embedded.NAME, [prefix + place])
    try:
        check_checkpoint(spec)
    except ExplorerError as error:
        raise ExplorerError(f"{option} {text}: {str(error).removeprefix(f'{place}: ')}") from error
    return prefix + place


def _rows(path: str | Path | None, what: str) -> list[dict[str, Any]] | None:
    """The rows of a file of behaviors or failures, each checked."""
    if path is None:
        return None
    from explorer.data.failures import read_failures
    from explorer.data.study import read_behaviors

    {"behaviors": read_behaviors, "failures": read_failures}[what](Path(path))
    return [row for _, row in read_json_lines(Path(path))]
