"""The study folder: a model, its checkpoints, training data, behaviors and failures, tied together by ``study.toml``.

```
study.toml           format, name, model, checkpoints in training order (see ``data/checkpoints.py``), reference,
                     template, layers, turns, end_of_turn, answer_tokens, max_tokens
datapoints.parquet   id, history?, prompt, response | chosen + rejected, label?, source?, and what else came along
behaviors.jsonl      {id, name, prompt, system?, raw?, bad, good?, exhibits?, half?, asks?, forbids?}
failures.jsonl       {id, prompt, system?, wrong, right, evidence?}
```

Older files have a list ``adapters`` in the place of ``checkpoints``: all its entries are PEFT adapters, and so is their
``reference``; without one, the bare model is the one before the training.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from explorer.data.behaviors import BehaviorPrompt, read_behaviors
from explorer.data.checkpoints import BASE, adapter_entry, check_checkpoint, named, resolve, resolve_reference
from explorer.data.failures import Failure, read_failures
from explorer.data.numbers import NUMBERS
from explorer.data.tables import read_table
from explorer.errors import ExplorerError
from explorer.files import toml_text, write_json_lines
from explorer.folders import whole_folder
from explorer.limits import TRAINING_TOKENS
from explorer.model.spec import ModelSpec
from explorer.reading import read_toml, require_path, require_text, wrong_field

FORMAT = 1
TEMPLATES = ("chat", "raw")
TURNS = ("all", "last")
VECTORS = "vectors"
_DEFAULTS: dict[str, Any] = {
    "layers": [],
    "reference": "",
    "template": "chat",
    "turns": "all",
    "answer_tokens": 64,
    "max_tokens": TRAINING_TOKENS,
}
SETTINGS, DATAPOINTS, BEHAVIORS, FAILURES = "study.toml", "datapoints.parquet", "behaviors.jsonl", "failures.jsonl"


Row = Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """An open study.

    Attributes:
        model: ``smollm2``, a hub id (``@revision`` as well), a folder or a .gguf file: the model before all training.
            ``./…`` in ``study.toml`` is a path inside the study's folder.
        trained: the checkpoints in training order; the last one is the model under study.
        reference: the model before the last stage of training (the SFT model in DPO); None for the bare model.
        template: ``chat``, or ``raw`` for prompts without a chat template.
        layers: layers to compute vectors at; empty for an automatic choice.
        turns: which assistant turns of a chat the training put a loss on: ``all``, or the ``last`` one.
        end_of_turn: whether the training put a loss on the token that ends an answer. Where ``study.toml`` does not
            say: yes for ``chat``, no for ``raw``, whose answers are often pieces of a longer text.
        answer_tokens: most tokens of an answer that the study's models generate.
        max_tokens: tokens of a training example that are read; longer ones lose their middle.
    """

    folder: Path
    name: str
    model: str
    trained: tuple[ModelSpec, ...] = ()
    reference: ModelSpec | None = None
    template: str = "chat"
    layers: tuple[int, ...] = ()
    turns: str = "all"
    end_of_turn: bool = True
    answer_tokens: int = 64
    max_tokens: int = TRAINING_TOKENS

    def __repr__(self) -> str:
        return f"Study({self.name!r}, {self.spec.title}, {self.folder})"

    @property
    def spec(self) -> ModelSpec:
        """The model under study."""
        return self.trained[-1] if self.trained else ModelSpec(self.model)

    @property
    def reference_spec(self) -> ModelSpec:
        """The model before the last stage of training."""
        return self.reference or ModelSpec(self.model)

    def checkpoints(self) -> dict[str, ModelSpec]:
        """The models in training order: ``base``, then every checkpoint by the name of its folder or hub id."""
        return {name: spec for name, spec in self._named().items() if name == BASE or spec in self.trained}

    def checkpoint(self, name: str) -> tuple[str, ModelSpec]:
        """(name, model) of a checkpoint; ``before`` is the reference, ``after`` the model under study."""
        specs = self._named()
        if name in ("before", "after"):
            wanted = self.reference_spec if name == "before" else self.spec
            return next((name, spec) for name, spec in specs.items() if spec == wanted)
        if name not in specs:
            names = ", ".join(self.checkpoints())
            raise ExplorerError(f"{self.folder}: no checkpoint '{name}'; expected before, after, {names}.")
        return name, specs[name]

    def _named(self) -> dict[str, ModelSpec]:
        """All models of the study by name: ``base``, the checkpoints, and a reference that is none of them."""
        base = ModelSpec(self.model)
        apart = [self.reference] if self.reference and self.reference not in (base, *self.trained) else []
        return named(base, [*self.trained, *apart])

    def datapoints(self) -> pa.Table:
        """The training examples; raises ExplorerError for a broken file or row."""
        return read_datapoints(self.folder / DATAPOINTS)

    def behaviors(self) -> list[BehaviorPrompt]:
        """All behavior prompts, in the file's order; an absent file is an empty list."""
        path = self.folder / BEHAVIORS
        return read_behaviors(path) if os.path.lexists(path) else []

    def behavior(self, name: str) -> list[BehaviorPrompt]:
        """The prompts of one behavior. Raises ExplorerError with the names of all behaviors if there is none."""
        behaviors = self.behaviors()
        if prompts := [b for b in behaviors if b.name == name]:
            return prompts
        names = ", ".join(sorted({b.name for b in behaviors})) or "none: it has none"
        raise ExplorerError(f"{self.folder}: no behavior '{name}'; expected {names}.")

    def failures(self) -> dict[str, Failure]:
        """Failures by id; an absent file is an empty dictionary."""
        path = self.folder / FAILURES
        return read_failures(path) if os.path.lexists(path) else {}


def create_study(
    folder: Path,
    *,
    name: str,
    model: str,
    datapoints: Sequence[Row] | pa.Table,
    checkpoints: Sequence[str] = (),
    adapters: Sequence[str] = (),
    reference: str | None = None,
    behaviors: Iterable[Row] = (),
    failures: Iterable[Row] = (),
    more: Mapping[str, Iterable[Row]] | None = None,
    **read_as: Any,
) -> Study:
    """Write a study folder and open it, every file checked.

    Args:
        checkpoints: entries in training order (see ``data/checkpoints.py``); relative paths are read from the folder.
        adapters: PEFT adapters that come after them.
        reference: entry of the model before the last stage; default the checkpoint before the last, else the bare one.
        more: rows of further lists by name (see ``data/lists.py``).
        read_as: ``template``, ``turns``, ``end_of_turn``, ``answer_tokens``, ``max_tokens``, ``layers`` of ``Study``.

    The folder appears in one step, or ``study.toml`` in it comes last; where a check fails, all is taken away again.
    Raises ExplorerError where the folder is a study already or can't be written, or a row is broken.
    """
    if (folder / SETTINGS).exists():
        raise ExplorerError(f"{folder}: there is a study already ({SETTINGS}); choose another folder.")
    entries = [*checkpoints, *map(adapter_entry, adapters)]
    settings: dict[str, Any] = {"format": FORMAT, "name": name, "model": model, "checkpoints": entries}
    if reference:
        settings["reference"] = adapter_entry(reference) if reference in adapters else reference
    settings |= _read_as(**read_as)
    lists = {"behaviors": behaviors, "failures": failures, **(more or {})}
    with whole_folder(folder, last=SETTINGS) as scratch:
        pq.write_table(_as_table(datapoints), scratch / DATAPOINTS)
        for what, rows in lists.items():
            write_json_lines(scratch / f"{what}.jsonl", rows)
        (scratch / SETTINGS).write_text(toml_text(settings), encoding="utf-8")
    try:
        return check_study(folder)
    except ExplorerError:
        for file in (SETTINGS, DATAPOINTS, *(f"{what}.jsonl" for what in lists)):
            (folder / file).unlink(missing_ok=True)
        raise


def _read_as(
    *,
    template: str | None = None,
    turns: str | None = None,
    end_of_turn: bool | None = None,
    answer_tokens: int | None = None,
    max_tokens: int | None = None,
    layers: Sequence[int] = (),
) -> dict[str, Any]:
    """Return the settings of ``study.toml`` on how rows are read, what was left open filled in."""
    given = {"template": template, "turns": turns, "answer_tokens": answer_tokens, "max_tokens": max_tokens}
    settings = {name: value or _DEFAULTS[name] for name, value in given.items()}
    ends = settings["template"] == "chat" if end_of_turn is None else end_of_turn
    return settings | {"end_of_turn": ends, "layers": list(layers)}


def _as_table(datapoints: Sequence[Mapping[str, Any]] | pa.Table) -> pa.Table:
    """Rows as a table of all their columns; pyarrow would take those of the first row alone."""
    if isinstance(datapoints, pa.Table):
        return datapoints
    columns = dict.fromkeys(name for row in datapoints for name in row)
    return pa.Table.from_pylist([columns | dict(row) for row in datapoints])


def open_study(folder: str | Path) -> Study:
    """Read ``study.toml`` alone. Raises ExplorerError that names the file and the field."""
    folder = Path(folder)
    path = folder / SETTINGS
    if not os.path.lexists(path):
        raise ExplorerError(f"{folder}: no {SETTINGS}; expected a study folder.")
    settings = read_toml(path, "the settings of a study")
    if (version := settings.get("format")) != FORMAT:
        raise ExplorerError(f"{path}: field 'format' is {version!r}; this version reads format {FORMAT}.")
    require_text(settings, path, "name", "model")
    require_path(settings["model"], path, "model")
    if settings["model"].startswith("./"):  # inside the study, which can move
        settings["model"] = os.path.realpath(os.path.join(folder, settings["model"]))
    settings = _DEFAULTS | {"end_of_turn": settings.get("template") != "raw"} | settings
    if not isinstance(settings["layers"], list) or not all(type(x) is int for x in settings["layers"]):
        raise wrong_field(settings, path, "layers", "a list of whole numbers")
    for field, values in (("template", TEMPLATES), ("turns", TURNS), ("end_of_turn", (True, False))):
        if settings[field] not in values:
            raise wrong_field(settings, path, field, " or ".join(json.dumps(value) for value in values))
    for field, (least, most) in NUMBERS.items():
        if type(settings[field]) is not int or not least <= settings[field] <= most:
            raise wrong_field(settings, path, field, f"a whole number from {least} to {most:,}")
    trained, reference = _read_checkpoints(folder, settings)
    given = {name: settings[name] for name in ("name", "model", "template", "turns", "end_of_turn", *NUMBERS)}
    return Study(folder, trained=trained, reference=reference, layers=tuple(settings["layers"]), **given)


def _read_checkpoints(folder: Path, settings: dict[str, Any]) -> tuple[tuple[ModelSpec, ...], ModelSpec | None]:
    """Return the checkpoints and the reference model of the settings in ``study.toml``."""
    path, model, reference = folder / SETTINGS, settings["model"], settings["reference"]
    if "adapters" in settings and "checkpoints" in settings:
        raise ExplorerError(f"{path}: fields 'adapters' and 'checkpoints'; expected 'checkpoints' alone.")
    field = "adapters" if "adapters" in settings else "checkpoints"
    entries = settings.get(field, [])
    if not isinstance(entries, list) or not all(isinstance(entry, str) and entry.strip() for entry in entries):
        raise wrong_field(settings, path, field, "a list of text")
    if not isinstance(reference, str):
        raise wrong_field(settings, path, "reference", "a checkpoint")
    for name, entry in [("reference", reference), *((field, entry) for entry in entries)]:
        require_path(entry, path, name)
    if "checkpoints" not in settings:
        entries, reference = [*map(adapter_entry, entries)], reference and adapter_entry(reference)
    trained = resolve(folder, model, entries)
    if reference:
        return trained, resolve_reference(folder, model, entries, reference)
    return trained, trained[-2] if field == "checkpoints" and len(trained) > 1 else None


def check_study(folder: str | Path) -> Study:
    """Open a study and read every file of it; raises ExplorerError at the first thing that is wrong."""
    study = open_study(folder)
    path = study.folder / SETTINGS
    for spec in (*study.trained, *filter(None, [study.reference])):
        try:
            check_checkpoint(spec)
        except ExplorerError as error:
            raise ExplorerError(f"{path}: checkpoint {error}") from error
    study.datapoints()
    study.behaviors()
    study.failures()
    return study


def read_datapoints(path: Path) -> pa.Table:
    """Training examples with unique ids, a prompt, and a response or both a chosen and a rejected answer.

    An answer may be empty text (such a row is never ranked), but not null. Raises ExplorerError that names file, row
    and field.
    """
    table = read_table(path)
    names = table.column_names
    for field in ("id", "prompt"):
        if field not in names:
            raise ExplorerError(f"{path}: no column '{field}'; found {', '.join(names) or 'none'}.")
    if "response" not in names and not {"chosen", "rejected"} <= set(names):
        raise ExplorerError(f"{path}: no column 'response', nor 'chosen' and 'rejected'; expected one or the other.")
    for field in ("id", "prompt"):
        if (row := _texts(path, table, field).fill_null("").index("").as_py()) >= 0:
            raise ExplorerError(f"{path}, row {row + 1}: field '{field}' is missing or empty; expected text.")
    if len(table["id"].unique()) < len(table):
        row = int(table["id"].to_pandas().duplicated().to_numpy().argmax())
        raise ExplorerError(f"{path}, row {row + 1}: id '{str(table['id'][row])[:80]}' stands in the file twice.")
    answers = ("response", "chosen", "rejected")
    response, chosen, rejected = (_texts(path, table, field).is_valid().to_numpy() for field in answers)
    answered = response | (chosen & rejected)
    if not answered.all():
        row = int(answered.argmin())
        raise ExplorerError(f"{path}, row {row + 1}: no answer; expected 'response', or 'chosen' and 'rejected'.")
    return table


def _texts(path: Path, table: pa.Table, field: str) -> pa.ChunkedArray:
    """A column as large strings, nulls where there is none. Raises ExplorerError if it is not text."""
    column = table[field] if field in table.column_names else pa.chunked_array([pa.nulls(len(table))])
    if not any(test(column.type) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)):
        raise ExplorerError(f"{path}, row 1: field '{field}' is {column.type}; expected text.")
    return column.cast(pa.large_string())
