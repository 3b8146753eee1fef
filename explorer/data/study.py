"""The study folder: a model with its adapters, training data, behaviors and failures, tied together by ``study.toml``.

```
study.toml           format, name, model, adapters in training order, reference, template, layers
datapoints.parquet   id, prompt, response | chosen + rejected, label?, source?, and what else came along
behaviors.jsonl      {id, name, prompt, bad, good?, exhibits?, half?}
failures.jsonl       {id, prompt, system?, wrong, right, evidence?}
```
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explorer.data.failures import Failure, read_failures
from explorer.errors import ExplorerError
from explorer.files import read_json_lines, write_json_lines
from explorer.model.load import ModelSpec

FORMAT = 1
TEMPLATES = ("chat", "raw")
BASE = "base"
VECTORS = "vectors"
HALVES = ("query", "evaluation")
SETTINGS, DATAPOINTS, BEHAVIORS, FAILURES = "study.toml", "datapoints.parquet", "behaviors.jsonl", "failures.jsonl"


@dataclass(frozen=True)
class BehaviorPrompt:
    """One prompt of a behavior, with a bad and (where known) a good answer.

    ``exhibits`` is a regular expression that a generation showing the behavior matches; ``half`` is ``query`` for
    prompts that trace, ``evaluation`` for prompts that measure, empty where no split was made.
    """

    id: str
    name: str
    prompt: str
    bad: str
    good: str = ""
    exhibits: str = ""
    half: str = ""


@dataclass(frozen=True)
class Study:
    """An open study. Paths of adapters are absolute or hub ids; the last adapter is the model under study.

    ``reference`` is the adapter before the last stage of training (the SFT model in DPO), or None for the bare model.
    ``layers`` empty means: chosen automatically.
    """

    folder: Path
    name: str
    model: str
    adapters: tuple[str, ...] = ()
    reference: str | None = None
    template: str = "chat"
    layers: tuple[int, ...] = ()

    @property
    def spec(self) -> ModelSpec:
        """The model under study."""
        return ModelSpec(self.model, adapter=self.adapters[-1] if self.adapters else None)

    @property
    def reference_spec(self) -> ModelSpec:
        """The model before the last stage of training."""
        return ModelSpec(self.model, adapter=self.reference)

    def checkpoints(self) -> dict[str, ModelSpec]:
        """The models along the training, in its order: ``base``, then every adapter by its folder's name."""
        named = {Path(adapter).name: ModelSpec(self.model, adapter=adapter) for adapter in self.adapters}
        return {BASE: ModelSpec(self.model), **named}

    def checkpoint(self, name: str) -> tuple[str, ModelSpec]:
        """(name, model) of a checkpoint; ``before`` is the reference, ``after`` the model under study."""
        have = self.checkpoints()
        if name == "before":
            name = Path(self.reference).name if self.reference else BASE
            have.setdefault(name, self.reference_spec)
        elif name == "after":
            name = list(have)[-1]
        if name not in have:
            raise ExplorerError(f"{self.folder}: no checkpoint '{name}'; expected before, after, {', '.join(have)}.")
        return name, have[name]

    def datapoints(self) -> pa.Table:
        """The training examples; raises ExplorerError for a broken file or row."""
        return read_datapoints(self.folder / DATAPOINTS)

    def behaviors(self) -> list[BehaviorPrompt]:
        """All behavior prompts, in the file's order; an absent file is an empty list."""
        path = self.folder / BEHAVIORS
        return read_behaviors(path) if path.exists() else []

    def behavior(self, name: str) -> list[BehaviorPrompt]:
        """The prompts of one behavior; raises ExplorerError where there is none, with the names of those there are."""
        everyone = self.behaviors()
        if own := [b for b in everyone if b.name == name]:
            return own
        have = ", ".join(sorted({b.name for b in everyone})) or "none: it has none"
        raise ExplorerError(f"{self.folder}: no behavior '{name}'; expected {have}.")

    def failures(self) -> dict[str, Failure]:
        """Failures by id; an absent file is an empty dictionary."""
        path = self.folder / FAILURES
        return read_failures(path) if path.exists() else {}


def to_trace(own: Sequence[BehaviorPrompt]) -> list[BehaviorPrompt]:
    """The prompts of a behavior to trace with: its query half where a split was made, else all of them."""
    return [b for b in own if b.half == "query"] or [b for b in own if not b.half] or list(own)


def create_study(
    folder: Path,
    *,
    name: str,
    model: str,
    datapoints: Sequence[Mapping[str, Any]] | pa.Table,
    adapters: Sequence[str] = (),
    reference: str | None = None,
    behaviors: Iterable[Mapping[str, Any]] = (),
    failures: Iterable[Mapping[str, Any]] = (),
    layers: Sequence[int] = (),
) -> Study:
    """Write a study folder and open it, every file checked.

    Adapter paths are stored as given: relative ones are read from the study folder. ``study.toml`` is written last, and
    taken away again where a check fails, so that a folder that has one is whole. Raises ExplorerError where the folder
    is a study already or a row is broken.
    """
    if (folder / SETTINGS).exists():
        raise ExplorerError(f"{folder}: there is a study already ({SETTINGS}); choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    table = datapoints if isinstance(datapoints, pa.Table) else pa.Table.from_pylist([dict(row) for row in datapoints])
    pq.write_table(table, folder / DATAPOINTS)
    write_json_lines(folder / BEHAVIORS, behaviors)
    write_json_lines(folder / FAILURES, failures)
    settings: dict[str, Any] = {"format": FORMAT, "name": name, "model": model, "adapters": list(adapters)}
    if reference:
        settings["reference"] = reference
    settings |= {"template": "chat", "layers": list(layers)}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
    (folder / SETTINGS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    try:
        return check_study(folder)
    except ExplorerError:
        (folder / SETTINGS).unlink()
        raise


def open_study(folder: Path) -> Study:
    """Read ``study.toml`` alone; raises ExplorerError that names the file and the field."""
    path = folder / SETTINGS
    if not path.is_file():
        raise ExplorerError(f"{folder}: no {SETTINGS}; expected a study folder.")
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ExplorerError(f"{path}: not TOML ({error}).") from error
    if found.get("format") != FORMAT:
        raise ExplorerError(f"{path}: field 'format' is {found.get('format')!r}; this version reads format {FORMAT}.")
    for field in ("name", "model"):
        if not isinstance(found.get(field), str) or not found[field]:
            raise ExplorerError(f"{path}: field '{field}' is missing or empty; expected text.")
    adapters = _listed(path, found, "adapters", str)
    layers = _listed(path, found, "layers", int)
    reference = found.get("reference")
    if reference is not None and not isinstance(reference, str):
        raise ExplorerError(f"{path}: field 'reference' is {reference!r}; expected an adapter folder.")
    if found.get("template", "chat") not in TEMPLATES:
        raise ExplorerError(f"{path}: field 'template' is {found['template']!r}; expected {' or '.join(TEMPLATES)}.")
    where = [_place(folder, adapter) for adapter in adapters]
    return Study(
        folder,
        found["name"],
        found["model"],
        tuple(where),
        _place(folder, reference) if reference else None,
        found.get("template", "chat"),
        tuple(layers),
    )


def check_study(folder: Path) -> Study:
    """Open a study and read every file of it; raises ExplorerError at the first thing that is wrong."""
    study = open_study(folder)
    for adapter in (*study.adapters, *([study.reference] if study.reference else [])):
        if Path(adapter).is_absolute() and not (Path(adapter) / "adapter_config.json").is_file():
            raise ExplorerError(f"{folder / SETTINGS}: adapter {adapter} is not there; expected a PEFT adapter folder.")
    study.datapoints()
    study.behaviors()
    study.failures()
    return study


def read_datapoints(path: Path) -> pa.Table:
    """Training examples with unique ids, a prompt, and a response or both a chosen and a rejected answer.

    An answer may be empty text (such a row is never ranked), but not null. Raises ExplorerError that names file, row
    and field.
    """
    if not path.is_file():
        raise ExplorerError(f"{path}: no such file; expected training examples as Parquet.")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ExplorerError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}).") from error
    have = set(table.column_names)
    for field in ("id", "prompt"):
        if field not in have:
            raise ExplorerError(f"{path}: no column '{field}'; found {', '.join(table.column_names) or 'none'}.")
    if "response" not in have and not {"chosen", "rejected"} <= have:
        raise ExplorerError(f"{path}: no column 'response', nor 'chosen' and 'rejected'; expected one or the other.")
    for field in ("id", "prompt"):
        row = _texts(path, table, field).fill_null("").index("").as_py()
        if row >= 0:
            raise ExplorerError(f"{path}, row {row + 1}: field '{field}' is missing or empty; expected text.")
    if len(table["id"].unique()) < len(table):
        again = np.ones(len(table), bool)
        again[np.unique(table["id"].to_numpy(), return_index=True)[1]] = False
        row = int(again.argmax())
        raise ExplorerError(f"{path}, row {row + 1}: id '{table['id'][row]}' stands in the file twice.")
    there = {n: _texts(path, table, n).is_valid().to_numpy() for n in ("response", "chosen", "rejected") if n in have}
    none = np.zeros(len(table), bool)
    answered = there.get("response", none) | (there.get("chosen", none) & there.get("rejected", none))
    if not answered.all():
        row = int(answered.argmin())
        raise ExplorerError(f"{path}, row {row + 1}: no answer; expected 'response', or 'chosen' and 'rejected'.")
    return table


def _texts(path: Path, table: pa.Table, field: str) -> pa.ChunkedArray:
    """A column of text; one that is null all over counts as text."""
    column = table[field]
    if not any(test(column.type) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)):
        raise ExplorerError(f"{path}, row 1: field '{field}' is {column.type}; expected text.")
    return column.cast(pa.large_string())


def read_behaviors(path: Path) -> list[BehaviorPrompt]:
    """Behavior prompts from JSON lines; raises ExplorerError that names file, line and field."""
    found: list[BehaviorPrompt] = []
    seen: set[str] = set()
    for where, row in read_json_lines(path):
        for field in ("id", "name", "prompt", "bad"):
            if not isinstance(row.get(field), str) or not row[field]:
                raise ExplorerError(f"{where}: field '{field}' is missing or empty; expected text.")
        texts = {f: row.get(f) or "" for f in ("good", "exhibits", "half")}
        for field, text in texts.items():
            if not isinstance(text, str):
                raise ExplorerError(f"{where}: field '{field}' is {type(text).__name__}; expected text.")
        try:
            re.compile(texts["exhibits"])
        except re.error as error:
            raise ExplorerError(f"{where}: field 'exhibits' is not a regular expression ({error}).") from error
        if texts["half"] and texts["half"] not in HALVES:
            raise ExplorerError(f"{where}: field 'half' is '{texts['half']}'; expected {' or '.join(HALVES)}.")
        if row["id"] in seen:
            raise ExplorerError(f"{where}: id '{row['id']}' stands in the file twice.")
        seen.add(row["id"])
        found.append(BehaviorPrompt(row["id"], row["name"], row["prompt"], row["bad"], **texts))
    return found


def _listed(path: Path, found: Mapping[str, Any], field: str, kind: type) -> list[Any]:
    value = found.get(field, [])
    if not isinstance(value, list) or not all(isinstance(x, kind) for x in value):
        word = "text" if kind is str else "whole numbers"
        raise ExplorerError(f"{path}: field '{field}' is {value!r}; expected a list of {word}.")
    return value


def _place(folder: Path, adapter: str) -> str:
    """An adapter folder inside the study as an absolute path; anything else (a hub id, another folder) as it is."""
    inside = folder / Path(adapter).expanduser()
    return str(inside.resolve()) if adapter.startswith(("adapters/", ".", "/", "~")) or inside.exists() else adapter
