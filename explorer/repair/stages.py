"""The stages of a study's training that can be repeated, with their recipes: ``training.json`` in its folder.

```
[{"name": "sft", "kind": "sft", "start": null, "result": "adapters/sft", "recipe": {"epochs": 2.0, "batch": 16, …}}, …]
```

``start`` is the adapter that the stage goes on from, null for the bare model. A study without the file, or whose data
were trained on elsewhere, can be edited and exported, but not trained again here.
"""

import os
from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.files import write_json
from explorer.model import embedded
from explorer.model.load import ModelSpec
from explorer.reading import read_json, require_path, require_text, wrong_field
from explorer.repair.plan import DROP, REPLACE, SWAP

TRAINING = "training.json"
LLAMA_MAPS = ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
"""The linear maps of a Llama's blocks, sorted."""
ANSWERS = {"sft": ("response",), "dpo": ("chosen", "rejected")}
"""Kind of stage → the fields of a row that hold its answers."""
_MOST = 1e9
"""No number of a recipe is as large."""


@dataclass(frozen=True)
class Recipe:
    """Settings of one stage. ``batch`` counts examples (pairs in DPO); ``keep`` adapters are saved, evenly spaced.

    ``beta`` and ``sft_weight`` (weight of the chosen answer's own loss beside the DPO loss) are for DPO alone.

    Attributes:
        source: the model, as in a study.
        raw, end_of_turn, turns: how rows are read: as plain text, with a loss on the token that ends an answer, and on
            which answers of a chat.
        targets: names of the linear maps that a fresh LoRA adapter changes; None for all in the decoder blocks.
    """

    epochs: float = 2.0
    batch: int = 16
    learning_rate: float = 1e-3
    warmup: float = 0.05
    rank: int = 8
    alpha: int = 16
    seed: int = 0
    keep: int = 2
    beta: float = 0.1
    sft_weight: float = 0.2
    source: str = embedded.NAME
    raw: bool = False
    end_of_turn: bool = True
    turns: str = "all"
    targets: tuple[str, ...] | str | None = None


SFT = Recipe()
DPO = Recipe(epochs=1.0, batch=12, learning_rate=4e-4, sft_weight=1.0)
_TYPES: dict[str, Any] = {
    field.name: type(field.default)
    for field in fields(Recipe)
    if field.name not in ("seed", "keep", "source", "raw", "end_of_turn", "turns", "targets")
}
"""Fields of a recipe that ``training.json`` holds; a repair sets the others."""


@dataclass(frozen=True)
class _AdapterConfig:
    target_modules: list[str] | str


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
        return self.kind == "dpo"

    @property
    def edits(self) -> tuple[str, str]:
        """The edits that apply to the stage's rows."""
        return DROP, SWAP if self.pairs else REPLACE

    def to_json(self) -> dict[str, Any]:
        """Return the stage as it stands in ``training.json``."""
        return {**asdict(self), "recipe": {name: getattr(self.recipe, name) for name in _TYPES}}

    def start_model(self, study: Study) -> ModelSpec:
        """Return the model that the stage goes on from."""
        return ModelSpec(study.model, adapter=str(study.folder / self.start) if self.start else None)


def write_stages(folder: Path, stages: list[Stage]) -> None:
    """Write ``training.json``."""
    write_json(folder / TRAINING, [stage.to_json() for stage in stages])


def read_stages(study: Study) -> dict[str, Stage]:
    """Read the stages by name, in training order; none without the file. Raises ExplorerError for a wrong field."""
    path = study.folder / TRAINING
    if not os.path.lexists(path):
        return {}
    rows: list[dict[str, Any]] = read_json(path, "a list of stages", list[dict[str, Any]])
    stages = [_stage(study, f"{path}, stage {number}", row) for number, row in enumerate(rows, 1)]
    return {stage.name: stage for stage in stages}


def _stage(study: Study, where: str, row: dict[str, Any]) -> Stage:
    require_text(row, where, "name", "result")
    kind, start, given = row.get("kind"), row.get("start"), row.get("recipe", {})
    if kind not in tuple(ANSWERS):
        raise wrong_field(row, where, "kind", " or ".join(ANSWERS))
    if not isinstance(start, str) and (start is not None or kind == "dpo"):
        raise wrong_field(row, where, "start", "an adapter folder")
    for field, place in (("result", row["result"]), ("start", start or "")):
        require_path(place, where, field)
    if start and not os.path.isfile(study.folder / start / "adapter_config.json"):
        raise ExplorerError(f"{where}: adapter {study.folder / start} is not there; expected a PEFT adapter folder.")
    if not isinstance(given, dict):
        raise wrong_field(row, where, "recipe", "an object")
    for name, value in given.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _MOST
        if name not in _TYPES or not number or not _TYPES[name](value):
            field = f"recipe.{name}"
            raise wrong_field({field: value}, where, field, f"a number above 0 for {', '.join(_TYPES)}")
    reads: dict[str, Any] = {"raw": study.template == "raw", "end_of_turn": study.end_of_turn, "turns": study.turns}
    reads |= {"source": study.model, "targets": _targets(study.folder / row["result"])}
    recipe = Recipe(**reads, **{name: _TYPES[name](value) for name, value in given.items()})
    return Stage(row["name"], kind, start, row["result"], recipe)


def _targets(adapter: Path) -> tuple[str, ...] | str | None:
    """Return the modules that an adapter changes, as its configuration names them; None where there is no adapter."""
    path = adapter / "adapter_config.json"
    if not os.path.lexists(path):
        return None
    config: _AdapterConfig = read_json(path, "the configuration of a LoRA adapter", _AdapterConfig)
    targets = config.target_modules
    return targets if isinstance(targets, str) else tuple(sorted(targets))


def rows_of(table: pa.Table, stage: Stage, stages: dict[str, Stage]) -> np.ndarray:
    """Return the row numbers of a stage's datapoints, told by the column ``stage``, else by their kind."""
    if "stage" in table.column_names:
        return np.flatnonzero(np.array(table["stage"].to_pylist(), dtype=object) == stage.name)
    if Counter(other.kind for other in stages.values())[stage.kind] > 1:
        raise ExplorerError(
            f"Two stages of {TRAINING} are of kind '{stage.kind}', and the datapoints have no column 'stage' that says "
            "which is whose."
        )
    pairs = "chosen" in table.column_names and table["chosen"].is_valid().to_numpy()
    return np.flatnonzero(np.full(table.num_rows, pairs) == stage.pairs)
