"""The stages of a study's training that can be repeated: ``training.json`` in its folder.

```
[{"name": "sft", "kind": "sft", "start": null, "result": "adapters/sft", "recipe": {"epochs": 2.0, "batch": 16, …}}, …]
```

``start`` is the adapter that the stage goes on from, null for the bare model. A study without the file, or whose data
were trained on elsewhere, can be edited and exported, but not trained again here.
"""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.files import require_text
from explorer.repair.recipe import Recipe

TRAINING = "training.json"
SFT, DPO = "sft", "dpo"
ANSWERS_OF = {SFT: ("response",), DPO: ("chosen", "rejected")}
"""The answers of a row, by kind of stage."""
_OWN = ("seed", "keep", "source")
"""Fields of a recipe that are no part of the stage: a repair sets them."""


@dataclass(frozen=True)
class Stage:
    """One stage: ``kind`` is ``sft`` (answers) or ``dpo`` (pairs); ``start`` and ``result`` as written in the file."""

    name: str
    kind: str
    start: str | None
    result: str
    recipe: Recipe

    def as_dict(self) -> dict[str, Any]:
        """The stage as it stands in ``training.json``."""
        recipe = {name: value for name, value in asdict(self.recipe).items() if name not in _OWN}
        return {**asdict(self), "recipe": recipe}

    def start_in(self, study: Study) -> Path | None:
        """The folder of the adapter that the stage goes on from."""
        return study.folder / self.start if self.start else None


def write_stages(folder: Path, stages: list[Stage]) -> None:
    """Write ``training.json``."""
    (folder / TRAINING).write_text(json.dumps([s.as_dict() for s in stages], indent=1) + "\n", encoding="utf-8")


def read_stages(study: Study) -> dict[str, Stage]:
    """The stages by name, in training order; empty where the study does not tell how it was trained.

    Raises ExplorerError that names the file, the stage and the field.
    """
    path = study.folder / TRAINING
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ExplorerError(f"{path}: not JSON ({error}).") from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise ExplorerError(f"{path}: expected a list of stages.")
    return {stage.name: stage for stage in (_stage(study, path, i, row) for i, row in enumerate(found, 1))}


def _stage(study: Study, path: Path, number: int, row: dict[str, Any]) -> Stage:
    where = f"{path}, stage {number}"
    require_text(row, where, "name", "result")
    if row.get("kind") not in (SFT, DPO):
        raise ExplorerError(f"{where}: field 'kind' is {row.get('kind')!r}; expected {SFT} or {DPO}.")
    start = row.get("start")
    if (start is not None and not isinstance(start, str)) or (start is None and row["kind"] == DPO):
        raise ExplorerError(f"{where}: field 'start' is {start!r}; expected an adapter folder.")
    if start and not (study.folder / start / "adapter_config.json").is_file():
        raise ExplorerError(f"{where}: adapter {study.folder / start} is not there; expected a PEFT adapter folder.")
    given = row.get("recipe", {})
    kinds = {field.name: type(field.default) for field in fields(Recipe) if field.name not in _OWN}
    if not isinstance(given, dict):
        raise ExplorerError(f"{where}: field 'recipe' is {given!r}; expected an object.")
    for name, value in given.items():
        if name not in kinds or isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            expected = f"a number above 0 for {', '.join(kinds)}"
            raise ExplorerError(f"{where}: field 'recipe.{name}' is {value!r}; expected {expected}.")
    recipe = replace(Recipe(), **{name: kinds[name](value) for name, value in given.items()}, source=study.model)
    return Stage(row["name"], row["kind"], start, row["result"], recipe)


def rows_of(table: pa.Table, stage: Stage, stages: dict[str, Stage]) -> np.ndarray:
    """Numbers of the datapoints that a stage was trained on: by the column ``stage``, else by their kind."""
    if "stage" in table.column_names:
        return np.flatnonzero(np.array(table["stage"].to_pylist(), dtype=object) == stage.name)
    none = [None] * table.num_rows
    chosen = table["chosen"].to_pylist() if "chosen" in table.column_names else none
    if sum(s.kind == stage.kind for s in stages.values()) > 1:
        raise ExplorerError(
            f"Two stages of {TRAINING} are of kind '{stage.kind}', and the datapoints have no column 'stage' that says "
            "which is whose."
        )
    return np.flatnonzero(np.array([(text is not None) == (stage.kind == DPO) for text in chosen]))
