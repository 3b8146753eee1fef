"""A new study of somebody's own model and training data: read and check everything first, then write it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from explorer.data.checkpoints import ADAPTER, adapter_entry, check_checkpoint, resolve
from explorer.data.importer import ImportedData, import_data
from explorer.data.lists import LISTS, hold_out, read_list
from explorer.data.numbers import NUMBERS
from explorer.errors import ExplorerError, first_line
from explorer.folders import unfinished
from explorer.model import embedded
from explorer.model.on_hub import is_fetched, require_on_hub
from explorer.model.spec import ADAPTER_CONFIG, HUB_ID, ModelSpec, place_of, split_revision

if TYPE_CHECKING:  # torch, which the study needs, takes seconds to import: reading the data is quicker without it
    from explorer.data.study import Study

_FILES = ("study.toml", "datapoints.parquet", *(f"{name}.jsonl" for name in LISTS))


@dataclass(frozen=True)
class NewStudy:
    """A study that is read and checked, but not written.

    Attributes:
        folder, name, model, template, turns, end_of_turn, answer_tokens, max_tokens: as in ``Study``; None for the
            default.
        checkpoints, reference: entries of ``study.toml`` (see ``data/checkpoints.py``).
        data: the training examples, and how their file was read.
        behaviors, failures: rows of their files, with whatever fields they have; None if no file was given.
        more: rows of ``discovery``, ``controls`` and ``guard``, those that were given (see ``data/lists.py``).
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
    max_tokens: int | None
    data: ImportedData
    behaviors: list[dict[str, Any]] | None
    failures: list[dict[str, Any]] | None
    more: dict[str, list[dict[str, Any]]]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        rows = f"{self.data.table.num_rows:,} training examples"
        return f"NewStudy({self.name!r}, {self.spec.title}, {rows}, not written to {self.folder})"

    @property
    def spec(self) -> ModelSpec:
        """The model under study."""
        trained = resolve(Path("/"), self.model, self.checkpoints)  # paths are absolute by now
        return trained[-1] if trained else ModelSpec(self.model)

    def lines(self) -> list[str]:
        """A summary in short lines."""
        lists = {"behaviors": self.behaviors, "failures": self.failures, **self.more}
        counts = [f"{what}: {len(rows):,}" for what, rows in lists.items() if rows is not None]
        return [*self.notes, *self.data.lines(), *counts]

    def write(self) -> "Study":
        """Write the folder and open the study. Raises ExplorerError if it can't be written."""
        from explorer.data.study import create_study

        names = ("name", "model", "checkpoints", "reference", "template", "turns", "end_of_turn", *NUMBERS)
        settings: Any = {field: value for field in names if (value := getattr(self, field)) is not None}
        rows: Any = {"behaviors": self.behaviors or (), "failures": self.failures or (), "more": self.more}
        return create_study(self.folder, datapoints=self.data.table, **settings, **rows)


class Options(TypedDict, total=False):
    """What ``prepare_study`` takes further.

    Attributes:
        behaviors, failures, discovery, controls, guard: lists in any format of a table; see ``data/lists.py``.
        hold_out: hold every other prompt of a behavior out, to measure repairs with; see ``data/lists.py``.
        name: what to call the study; default the folder's name.
        template: ``chat``, ``raw``, or ``auto``: raw where the model's tokenizer has no chat template.
        turns: ``all`` keeps a conversation as one row with a loss on all its answers, ``each`` makes a row of each.
        end_of_turn: whether training put a loss on the token that ends an answer; None: yes for chat, no for raw.
        answer_tokens: most tokens of an answer that the study's models generate; default 64.
        max_tokens: tokens of a training example that are read, default 2,048; longer ones lose their middle.
    """

    behaviors: str | Path | None
    failures: str | Path | None
    discovery: str | Path | None
    controls: str | Path | None
    guard: str | Path | None
    hold_out: bool
    name: str
    template: str
    turns: str
    end_of_turn: bool | None
    answer_tokens: int | None
    max_tokens: int | None


def prepare_study(
    folder: str | Path,
    *,
    model: str,
    data: str | Path | Sequence[str | Path],
    columns: Mapping[str, str] | None = None,
    strict: bool = False,
    checkpoints: Sequence[str] = (),
    adapters: Sequence[str] = (),
    reference: str | None = None,
    **options: Unpack[Options],
) -> NewStudy:
    """Read and check all that a new study is made of; ``write()`` of the result makes it.

    Args:
        folder: where the study goes; nothing in it is overwritten.
        model: as in ``Study``, or the folder of a PEFT adapter, whose base is the model then.
        data: training examples in any format that ``import_data`` reads; several files, one after the other.
        columns: field → column where the usual names don't tell; see ``import_data``.
        strict: refuse data with a broken row, which is left out else.
        checkpoints, adapters, reference: as ``create_study`` takes them, but relative paths are those of this process.
        options: see ``Options``.

    Raises:
        ExplorerError: one sentence that names the option or file, the row and the field.
    """
    folder, notes, numbers = Path(folder), [], [options.get(name) for name in NUMBERS]
    _check(folder, dict(zip(NUMBERS, numbers, strict=True)))
    model, adapter = _meant(model, notes)
    if reference and reference in adapters:
        reference = adapter_entry(reference)
    stages = (*adapter, *checkpoints, *map(adapter_entry, adapters))
    entries = [_entry("--checkpoint", entry, notes) for entry in stages]
    reference = reference and _entry("--reference", reference, notes)
    template, ends = _reading(model, options.get("template", "auto"), options.get("end_of_turn"), notes)
    turns = options.get("turns", "all")
    examples = import_data(data, turns, columns, strict=strict, raw=template == "raw")
    lists = _lists({what: options.get(what) for what in LISTS}, options.get("hold_out", False))
    known = (lists.pop("behaviors", None), lists.pop("failures", None), lists)
    name = options.get("name") or folder.resolve().name
    settings: Any = (template, "last" if turns == "each" else turns, ends, *numbers, examples, *known)
    return NewStudy(folder, name, model, tuple(entries), reference, *settings, notes=tuple(notes))


def _lists(given: Mapping[str, Any], held_out: bool) -> dict[str, list[dict[str, Any]]]:
    """The lists that were given, read and checked."""
    lists = {what: read_list(Path(path), what) for what, path in given.items() if path is not None}
    return lists | ({"behaviors": hold_out(lists["behaviors"])} if held_out and "behaviors" in lists else {})


def _meant(given: str, notes: list[str]) -> tuple[str, list[str]]:
    """As ``base_and_adapter``, with a path as an absolute one, and a note on what is meant by another model's name."""
    model, adapter = base_and_adapter(given)
    if adapter:
        notes.append(f"--model {given}: a PEFT adapter; the model is its base {model}, the adapter a stage of training")
    elif model != given:
        notes.append(f"--model {given}: a folder of a GGUF file; the model is {Path(model).name}")
    return model if model == embedded.NAME else _place("--model", model, notes), adapter


def base_and_adapter(model: str) -> tuple[str, list[str]]:
    """(model, entries): of a PEFT adapter's folder its base, and the adapter as the first stage; else the model.

    Of a folder that holds a GGUF file alone the model is that file. Raises ExplorerError for an adapter that does not
    name a base to be found, and a folder of several GGUF files.
    """
    folder = Path(os.path.expanduser(model))
    if not (folder / ADAPTER_CONFIG).is_file():
        return _gguf_in(folder) or model, []
    from explorer.model.adapters import with_base  # torch, which it needs, takes seconds to import

    spec = with_base(ModelSpec(model))
    return (spec.name, [adapter_entry(spec.adapter)]) if spec.adapter else (model, [])


def _gguf_in(folder: Path) -> str | None:
    """The GGUF file of a folder without another model; None where there is none. Raises ExplorerError for several."""
    if not folder.is_dir() or (folder / "config.json").exists():
        return None
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() == ".gguf")
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:4])
        raise ExplorerError(f"{folder}: holds {len(files)} GGUF files ({names}); expected the path of one.")
    return str(files[0]) if files else None


def _check(folder: Path, numbers: Mapping[str, int | None]) -> None:
    """Raise ExplorerError for a folder that holds files of a study, or a wrong number."""
    for name, number in numbers.items():
        least, most = NUMBERS[name]
        if number is not None and not least <= number <= most:
            option = f"--{name.replace('_', '-')}"
            raise ExplorerError(f"{option} is {number}; expected a whole number from {least} to {most:,}.")
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
    on_hub = not os.path.exists(model)
    if on_hub:
        try:
            require_on_hub(model)
        except ExplorerError as error:
            notes.append(f"--template: {str(error).rstrip('.')}; its tokenizer is taken as one for chats")
            return "chat"
    from transformers import AutoTokenizer

    here = {"local_files_only": on_hub and is_fetched(model)}  # else the hub is asked, and asked again
    place, revision = split_revision(model)
    gguf = {"gguf_file": Path(model).name} if model.lower().endswith(".gguf") else {}
    place = str(Path(model).parent) if gguf else place
    named = {"revision": revision} if revision else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False, **gguf, **named, **here)
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
