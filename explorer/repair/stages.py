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
from explorer.files import require_text, write_json, wrong_field
from explorer.model.load import ModelSpec
from explorer.repair.plan import DROP, REPLACE, SWAP
from explorer.repair.recipe import Recipe

TRAINING = "training.json"
ANSWERS = {"sft": ("response",), "dpo": ("chosen", "rejected")}
"""Kind of stage → the fields of a row that hold its answers."""
_SET_BY_REPAIR = ("seed", "keep", "source")
"""Fields of a recipe that are no part of the stage."""


@dataclass(frozen=True)
class Stage:
    """One stage: ``kind`` is ``sft`` (answers) or ``dpo`` (pairs); ``start`` and ``result`` as written in the file."""

    name: str
    kind: str
    start: str | None
    result: str
    recipe: Recipe

    @property
    def pairs(self) -> bool:
        """Whether the stage is trained on pairs of answers (DPO)."""
        return len(ANSWERS[self.kind]) > 1

    @property
    def edits(self) -> tuple[str, str]:
        """The edits that apply to the stage's rows."""
        return DROP, SWAP if self.pairs else REPLACE

    def to_json(self) -> dict[str, Any]:
        """Return the stage as it stands in ``training.json``."""
        recipe = {name: value for name, value in asdict(self.recipe).items() if name not in _SET_BY_REPAIR}
        return {**asdict(self), "recipe": recipe}

    def start_folder(self, study: Study) -> Path | None:
        """Return the folder of the adapter that the stage goes on from; None for the bare model."""
        return study.folder / self.start if self.start else None

    def start_model(self, study: Study) -> ModelSpec:
        """Return the model that the stage goes on from."""
        return ModelSpec(study.model, adapter=str(study.folder / self.start) if self.start else None)


def write_stages(folder: Path, stages: list[Stage]) -> None:
    """Write ``training.json``."""
    write_json(folder / TRAINING, [stage.to_json() for stage in stages])


def read_stages(study: Study) -> dict[str, Stage]:
    """Read the stages by name, in training order; empty where the study does not tell how it was trained.

    Raises ExplorerError that names the file, the stage and the field.
    """
    path = study.folder / TRAINING
    if not path.is_file():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ExplorerError(f"{path}: not JSON ({error}).") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ExplorerError(f"{path}: expected a list of stages.")
    return {stage.name: stage for stage in (_stage(study, path, i, row) for i, row in enumerate(rows, 1))}


def _stage(study: Study, path: Path, number: int, row: dict[str, Any]) -> Stage:
    where = f"{path}, stage {number}"
    require_text(row, where, "name", "result")
    if row.get("kind") not in tuple(ANSWERS):
        raise wrong_field(row, where, "kind", " or ".join(ANSWERS))
    start = row.get("start")
    if (start is not None and not isinstance(start, str)) or (start is None and row["kind"] == "dpo"):
        raise wrong_field(row, where, "start", "an adapter folder")
    if start and not (study.folder / start / "adapter_config.json").is_file():
        raise ExplorerError(f"{where}: adapter {study.folder / start} is not there; expected a PEFT adapter folder.")
    given = row.get("recipe", {})
    kinds = {field.name: type(field.default) for field in fields(Recipe) if field.name not in _SET_BY_REPAIR}
    if not isinstance(given, dict):
        raise wrong_field(row, where, "recipe", "an object")
    for name, value in given.items():
        if name not in kinds or isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            expected = f"a number above 0 for {', '.join(kinds)}"
            raise ExplorerError(f"{where}: field 'recipe.{name}' is {value!r}; expected {expected}.")
    recipe = replace(Recipe(), **{name: kinds[name](value) for name, value in given.items()}, source=study.model)
    return Stage(row["name"], row["kind"], start, row["result"], recipe)


def rows_of(table: pa.Table, stage: Stage, stages: dict[str, Stage]) -> np.ndarray:
    """Return the row numbers of a stage's datapoints, told by the column ``stage``, else by their kind."""
    if "stage" in table.column_names:
        return np.flatnonzero(np.array(table["stage"].to_pylist(), dtype=object) == stage.name)
    none = [None] * table.num_rows
    chosen = table["chosen"].to_pylist() if "chosen" in table.column_names else none
    if sum(s.kind == stage.kind for s in stages.values()) > 1:
        raise ExplorerError(
            f"Two stages of {TRAINING} are of kind '{stage.kind}', and the datapoints have no column 'stage' that says "
            "which is whose."
        )
    return np.flatnonzero(np.array([(text is not None) == stage.pairs for text in chosen]))
