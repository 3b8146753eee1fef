"""The stages of a study's training that can be repeated, with their recipes: ``training.json`` in its folder.

```
[{"name": "sft", "kind": "sft", "start": null, "result": "adapters/sft", "recipe": {"epochs": 2.0, "batch": 16, …}}, …]
```

``start`` is the adapter that the stage goes on from, null for the bare model. A study without the file can be edited
and exported, but not trained again here.
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
from explorer.limits import TRAINING_TOKENS
from explorer.model import embedded
from explorer.model.adapter_tokenizer import brings_tokenizer
from explorer.model.load import ModelSpec
from explorer.reading import read_json, require_path, require_text, wrong_field
from explorer.repair.plan import DROP, REPLACE, SWAP

TRAINING = "training.json"
LLAMA_MAPS = ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
"""The linear maps of a Llama's blocks, sorted."""
ANSWERS = {"sft": ("response",), "dpo": ("chosen", "rejected"), "kto": ("response",)}
"""Kind of stage → the fields of a row that hold its answers; KTO's unwanted ones are ``rejected`` (``unpaired``)."""
_MOST = 1e9
"""No number of a recipe is as large."""


@dataclass(frozen=True)
class Recipe:
    """Settings of one stage. ``batch`` counts examples (pairs in DPO); ``keep`` adapters are saved, evenly spaced.

    ``beta`` is for DPO and KTO, ``sft_weight`` (weight of the chosen answer's own loss beside the DPO loss) for DPO,
    ``desirable_weight`` and ``undesirable_weight`` for KTO.

    Attributes:
        warmup: share of the steps in which the learning rate rises; then it falls as ``scheduler`` says.
        source: the model, as in a study.
        raw, end_of_turn, turns, max_tokens: how rows are read: as plain text, with a loss on the token that ends an
            answer, on which answers of a chat, and up to how many tokens.
        tokenizer: folder of an adapter whose own tokenizer or chat template rows are read with; None for the model's.
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
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    scheduler: str = "cosine"
    source: str = embedded.NAME
    raw: bool = False
    end_of_turn: bool = True
    turns: str = "all"
    max_tokens: int = TRAINING_TOKENS
    tokenizer: str | None = None
    targets: tuple[str, ...] | str | None = None


SFT = Recipe()
DPO = Recipe(epochs=1.0, batch=12, learning_rate=4e-4, sft_weight=1.0)
_NUMBERS: dict[str, Any] = {
    field.name: type(field.default)
    for field in fields(Recipe)
    if type(field.default) in (int, float) and field.name not in ("seed", "keep", "max_tokens")
}
"""Numbers of a recipe that ``training.json`` holds; a repair sets the others."""
_MAY_BE_ZERO = ("warmup", "sft_weight")
SCHEDULERS = ("cosine", "linear", "constant", "constant_with_warmup")
"""How a learning rate may fall, as transformers calls them; ``training.json`` holds ``scheduler`` if it is another."""


@dataclass(frozen=True)
class _AdapterConfig:
    target_modules: list[str] | str


@dataclass(frozen=True)
class Stage:
    """One stage; ``start`` and ``result`` as written in the file.

    ``kind`` is ``sft`` (answers), ``dpo`` (pairs) or ``kto`` (single answers, wanted and unwanted).
    """

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
        return DROP, REPLACE if self.kind == "sft" else SWAP

    def to_json(self) -> dict[str, Any]:
        """Return the stage as it stands in ``training.json``."""
        left_out = () if self.kind == "kto" else ("desirable_weight", "undesirable_weight")
        recipe = {name: getattr(self.recipe, name) for name in _NUMBERS if name not in left_out}
        if self.recipe.scheduler != Recipe.scheduler:
            recipe["scheduler"] = self.recipe.scheduler
        return {**asdict(self), "recipe": recipe}

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
    if twice := [name for name, n in Counter(stage.name for stage in stages).items() if n > 1]:
        raise ExplorerError(f"{path}: two stages are called '{twice[0]}'; expected names that differ.")
    return {stage.name: stage for stage in stages}


def _stage(study: Study, where: str, row: dict[str, Any]) -> Stage:
    require_text(row, where, "name", "result")
    kind, start, given = row.get("kind"), row.get("start"), row.get("recipe", {})
    if kind not in tuple(ANSWERS):
        raise wrong_field(row, where, "kind", " or ".join(ANSWERS))
    if not isinstance(start, str) and start is not None:
        raise wrong_field(row, where, "start", "an adapter folder, or null for the bare model")
    for field, place in (("result", row["result"]), ("start", start or "")):
        require_path(place, where, field)
    if start and not os.path.isfile(study.folder / start / "adapter_config.json"):
        raise ExplorerError(f"{where}: adapter {study.folder / start} is not there; expected a PEFT adapter folder.")
    if not isinstance(given, dict):
        raise wrong_field(row, where, "recipe", "an object")
    reads: dict[str, Any] = {"raw": study.template == "raw", "end_of_turn": study.end_of_turn, "turns": study.turns}
    reads["max_tokens"] = study.max_tokens
    folders = (study.folder / place for place in (row["result"], start) if place)
    reads["tokenizer"] = next((str(folder) for folder in folders if brings_tokenizer(folder)), None)
    reads |= {"source": study.model, "targets": _targets(study.folder / row["result"])}
    recipe = Recipe(**reads, **_settings(given, where))
    return Stage(row["name"], kind, start, row["result"], recipe)


def _settings(given: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the settings of a recipe in ``training.json``, checked."""
    settings: dict[str, Any] = {}
    for name, value in given.items():
        field = f"recipe.{name}"
        if name == "scheduler":
            if value not in SCHEDULERS:
                raise wrong_field({field: value}, where, field, " or ".join(SCHEDULERS))
            settings[name] = value
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _MOST
        if name not in _NUMBERS or not number or not (_NUMBERS[name](value) or name in _MAY_BE_ZERO):
            raise wrong_field({field: value}, where, field, f"a number above 0 for {', '.join(_NUMBERS)}, or scheduler")
        settings[name] = _NUMBERS[name](value)
    return settings


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
    if Counter(other.pairs for other in stages.values())[stage.pairs] > 1:
        what = "pairs" if stage.pairs else "single answers"
        raise ExplorerError(
            f"Two stages of {TRAINING} train on {what}, and the datapoints have no column 'stage' that says which is "
            "whose."
        )
    pairs: Any = False
    if "chosen" in table.column_names:  # empty beside an unwanted answer
        pairs = np.array([bool(text) for text in table["chosen"].to_pylist()])
    return np.flatnonzero(np.full(table.num_rows, pairs) == stage.pairs)
