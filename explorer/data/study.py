"""The study folder: a model with its adapters, training data, behaviors and failures, tied together by ``study.toml``.

```
study.toml           format, name, model, adapters in training order, reference, template, layers, turns, end_of_turn,
                     answer_tokens
datapoints.parquet   id, history?, prompt, response | chosen + rejected, label?, source?, and what else came along
behaviors.jsonl      {id, name, prompt, bad, good?, exhibits?, half?, asks?, forbids?}
failures.jsonl       {id, prompt, system?, wrong, right, evidence?}
```
"""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from explorer.data.failures import Failure, read_failures
from explorer.errors import ExplorerError, first_line
from explorer.files import read_rows, require_pattern, require_text, write_json_lines, writing, wrong_field
from explorer.model.load import ModelSpec

FORMAT = 1
TEMPLATES = ("chat", "raw")
TURNS = ("all", "last")
BASE = "base"
VECTORS = "vectors"
HALVES = ("query", "evaluation")
_DEFAULTS: dict[str, Any] = {
    "adapters": [],
    "layers": [],
    "reference": "",
    "template": "chat",
    "turns": "all",
    "answer_tokens": 64,
}
SETTINGS, DATAPOINTS, BEHAVIORS, FAILURES = "study.toml", "datapoints.parquet", "behaviors.jsonl", "failures.jsonl"


@dataclass(frozen=True)
class BehaviorPrompt:
    """One prompt of a behavior.

    Attributes:
        bad, good: an answer that shows the behavior, and one that does not (empty if unknown).
        exhibits: regular expression; an answer of the model that matches shows the behavior.
        asks, forbids: system prompts that ask for the behavior and that forbid it, for the queries ``persona`` and
            ``control`` (empty if unknown).
        half: ``query`` for prompts to trace with, ``evaluation`` for prompts to measure with, empty without a split.
    """

    id: str
    name: str
    prompt: str
    bad: str
    good: str = ""
    exhibits: str = ""
    half: str = ""
    asks: str = ""
    forbids: str = ""


@dataclass(frozen=True)
class Study:
    """An open study.

    Attributes:
        model: ``smollm2``, a hub id, a folder or a .gguf file.
        adapters: absolute paths or hub ids in training order; the last one is the model under study.
        reference: the adapter before the last stage of training (the SFT model in DPO); None for the bare model.
        template: ``chat``, or ``raw`` for prompts without a chat template.
        layers: layers to compute vectors at; empty for an automatic choice.
        turns: which assistant turns of a chat the training put a loss on: ``all``, or the ``last`` one.
        end_of_turn: whether the training put a loss on the token that ends an answer. Where ``study.toml`` does not
            say: yes for ``chat``, no for ``raw``, whose answers are often pieces of a longer text.
        answer_tokens: most tokens of an answer that the study's models generate.
    """

    folder: Path
    name: str
    model: str
    adapters: tuple[str, ...] = ()
    reference: str | None = None
    template: str = "chat"
    layers: tuple[int, ...] = ()
    turns: str = "all"
    end_of_turn: bool = True
    answer_tokens: int = 64

    @property
    def spec(self) -> ModelSpec:
        """The model under study."""
        return ModelSpec(self.model, adapter=self.adapters[-1] if self.adapters else None)

    @property
    def reference_spec(self) -> ModelSpec:
        """The model before the last stage of training."""
        return ModelSpec(self.model, adapter=self.reference)

    def checkpoints(self) -> dict[str, ModelSpec]:
        """The models in training order: ``base``, then every adapter by its folder's name."""
        taught = {Path(adapter).name: ModelSpec(self.model, adapter=adapter) for adapter in self.adapters}
        return {BASE: ModelSpec(self.model), **taught}

    def checkpoint(self, name: str) -> tuple[str, ModelSpec]:
        """(name, model) of a checkpoint; ``before`` is the reference, ``after`` the model under study."""
        specs = self.checkpoints()
        if name == "before":
            name = Path(self.reference).name if self.reference else BASE
            specs.setdefault(name, self.reference_spec)
        elif name == "after":
            name = list(specs)[-1]
        if name not in specs:
            raise ExplorerError(f"{self.folder}: no checkpoint '{name}'; expected before, after, {', '.join(specs)}.")
        return name, specs[name]

    def datapoints(self) -> pa.Table:
        """The training examples; raises ExplorerError for a broken file or row."""
        return read_datapoints(self.folder / DATAPOINTS)

    def behaviors(self) -> list[BehaviorPrompt]:
        """All behavior prompts, in the file's order; an absent file is an empty list."""
        path = self.folder / BEHAVIORS
        return read_behaviors(path) if path.exists() else []

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
        return read_failures(path) if path.exists() else {}


def tracing_prompts(prompts: Sequence[BehaviorPrompt]) -> list[BehaviorPrompt]:
    """The prompts of a behavior to trace with: its query half if there is a split, else all of them."""
    return [b for b in prompts if b.half == "query"] or [b for b in prompts if not b.half] or list(prompts)


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
    template: str = "chat",
    turns: str = "all",
    end_of_turn: bool | None = None,
    answer_tokens: int = _DEFAULTS["answer_tokens"],
) -> Study:
    """Write a study folder and open it, every file checked.

    The settings are those of ``Study``; ``end_of_turn`` None: yes for ``chat``, no for ``raw``.

    Adapter paths are stored as given: relative ones are read from the study folder. ``study.toml`` is written last, and
    taken away again where a check fails, so that a folder that has one is whole. Raises ExplorerError where the folder
    is a study already or can't be written, or a row is broken.
    """
    if (folder / SETTINGS).exists():
        raise ExplorerError(f"{folder}: there is a study already ({SETTINGS}); choose another folder.")
    settings: dict[str, Any] = {"format": FORMAT, "name": name, "model": model, "adapters": list(adapters)}
    if reference:
        settings["reference"] = reference
    end_of_turn = template == "chat" if end_of_turn is None else end_of_turn
    settings |= {"template": template, "turns": turns, "end_of_turn": end_of_turn, "layers": list(layers)}
    settings["answer_tokens"] = answer_tokens
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
    if not isinstance(datapoints, pa.Table):  # which would take the columns of the first row alone
        columns = dict.fromkeys(name for row in datapoints for name in row)
        datapoints = pa.Table.from_pylist([columns | dict(row) for row in datapoints])
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(datapoints, folder / DATAPOINTS)
        write_json_lines(folder / BEHAVIORS, behaviors)
        write_json_lines(folder / FAILURES, failures)
        (folder / SETTINGS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    try:
        return check_study(folder)
    except ExplorerError:
        (folder / SETTINGS).unlink()
        raise


def open_study(folder: str | Path) -> Study:
    """Read ``study.toml`` alone. Raises ExplorerError that names the file and the field."""
    folder = Path(folder)
    path = folder / SETTINGS
    if not path.is_file():
        raise ExplorerError(f"{folder}: no {SETTINGS}; expected a study folder.")
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ExplorerError(f"{path}: not TOML ({error}).") from error
    if (version := settings.get("format")) != FORMAT:
        raise ExplorerError(f"{path}: field 'format' is {version!r}; this version reads format {FORMAT}.")
    require_text(settings, path, "name", "model")
    settings = _DEFAULTS | {"end_of_turn": settings.get("template") != "raw"} | settings
    for field, kind, expected in (("adapters", str, "text"), ("layers", int, "whole numbers")):
        if not isinstance(settings[field], list) or not all(isinstance(x, kind) for x in settings[field]):
            raise wrong_field(settings, path, field, f"a list of {expected}")
    if not isinstance(settings["reference"], str):
        raise wrong_field(settings, path, "reference", "an adapter folder")
    for field, values in (("template", TEMPLATES), ("turns", TURNS), ("end_of_turn", (True, False))):
        if settings[field] not in values:
            raise wrong_field(settings, path, field, " or ".join(json.dumps(value) for value in values))
    if not isinstance(settings["answer_tokens"], int) or settings["answer_tokens"] < 1:
        raise wrong_field(settings, path, "answer_tokens", "a whole number above 0")
    adapters = tuple(_adapter_path(folder, adapter) for adapter in settings["adapters"])
    reference = _adapter_path(folder, settings["reference"]) if settings["reference"] else None
    given = {name: settings[name] for name in ("name", "model", "template", "turns", "end_of_turn", "answer_tokens")}
    return Study(folder, adapters=adapters, reference=reference, layers=tuple(settings["layers"]), **given)


def check_study(folder: str | Path) -> Study:
    """Open a study and read every file of it; raises ExplorerError at the first thing that is wrong."""
    study = open_study(folder)
    path = study.folder / SETTINGS
    for adapter in filter(None, (*study.adapters, study.reference)):
        if Path(adapter).is_absolute() and not (Path(adapter) / "adapter_config.json").is_file():
            raise ExplorerError(f"{path}: adapter {adapter} is not there; expected a PEFT adapter folder.")
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
        raise ExplorerError(f"{path}: not a readable Parquet file ({first_line(error)}).") from error
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
        raise ExplorerError(f"{path}, row {row + 1}: id '{table['id'][row]}' stands in the file twice.")
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


def read_behaviors(path: Path) -> list[BehaviorPrompt]:
    """Behavior prompts from JSON lines; raises ExplorerError that names file, line and field."""
    prompts = []
    for where, row in read_rows(path, "name", "prompt", "bad"):
        texts = {field: row.get(field) or "" for field in ("good", "exhibits", "half", "asks", "forbids")}
        for field, text in texts.items():
            if not isinstance(text, str):
                raise wrong_field(row, where, field, "text")
        require_pattern(texts, where, "exhibits")
        if texts["half"] not in ("", *HALVES):
            raise wrong_field(row, where, "half", " or ".join(HALVES))
        prompts.append(BehaviorPrompt(row["id"], row["name"], row["prompt"], row["bad"], **texts))
    return prompts


def _adapter_path(folder: Path, adapter: str) -> str:
    """An adapter folder inside the study as an absolute path; anything else (a hub id, another folder) as it is."""
    inside = folder / Path(adapter).expanduser()
    return str(inside.resolve()) if adapter.startswith(("adapters/", ".", "/", "~")) or inside.exists() else adapter
