"""A new study of somebody's own model and training data: read and check everything first, then write it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.data.checkpoints import ADAPTER, adapter_entry, check_checkpoint, resolve
from explorer.data.importer import ImportedData, import_data
from explorer.errors import ExplorerError
from explorer.files import read_json_lines
from explorer.model import embedded
from explorer.model.spec import HUB_ID, place_of, split_revision

if TYPE_CHECKING:  # torch, which the study needs, takes seconds to import: reading the data is quicker without it
    from explorer.data.study import Study

_FILES = ("study.toml", "datapoints.parquet", "behaviors.jsonl", "failures.jsonl")


@dataclass(frozen=True)
class NewStudy:
    """A study that is read and checked, but not written.

    Attributes:
        folder, name, model: as in ``Study``.
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

        settings: Any = {field: getattr(self, field) for field in ("name", "model", "checkpoints", "reference")}
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
) -> NewStudy:
    """Read and check all that a new study is made of; ``write()`` of the result makes it.

    Args:
        folder: where the study goes; nothing in it is overwritten.
        model: as in ``Study``.
        checkpoints, adapters, reference: as ``create_study`` takes them, but relative paths are those of this process.
        data: training examples in any format that ``import_data`` reads.
        behaviors, failures: JSON lines files.
        name: what to call the study; default the folder's name.

    Raises:
        ExplorerError: one sentence that names the option or file, the row and the field.
    """
    folder, notes = Path(folder), []
    model = model if model == embedded.NAME else _place("--model", model, notes)
    if reference and reference in adapters:
        reference = adapter_entry(reference)
    entries = [_entry("--checkpoint", entry, notes) for entry in (*checkpoints, *map(adapter_entry, adapters))]
    reference = reference and _entry("--reference", reference, notes)
    if present := [file for file in _FILES if (folder / file).exists()]:
        # one of them may be the very data that is about to be read
        raise ExplorerError(f"{folder}: there is a {present[0]} already; expected a new folder.")
    name, examples = name or folder.resolve().name, import_data(data)
    rows = (_rows(behaviors, "behaviors"), _rows(failures, "failures"))
    return NewStudy(folder, name, model, tuple(entries), reference, examples, *rows, tuple(notes))


def _place(option: str, text: str, notes: list[str]) -> str:
    """A folder or file as an absolute path, so that it is found from anywhere; anything else is a hub id."""
    path, (name, revision) = Path(text).expanduser(), split_revision(text)
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
    if "/" not in text and not Path(split_revision(text)[0]).expanduser().exists():
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
