"""Metrics of every method on a study whose guilty datapoints are labelled, each with its bootstrap interval."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.progress import Progress, silent
from explorer.ranking import metrics
from explorer.ranking.baselines import text_scores
from explorer.ranking.questions import AboutBehavior, question_items
from explorer.ranking.scores import Target, encode_target, scores
from explorer.vectors.find import check_index, index_model, study_indexes
from explorer.vectors.index import Index
from explorer.vectors.items import Item
from explorer.vectors.methods import METHODS, QUERIES, Method

RESAMPLES = 100


@dataclass(frozen=True)
class Score:
    """One line of the table. ``layer`` None: the method reads the texts alone.

    ``average_precision`` and ``recall_at`` are of the behavior's one ranking; ``auprc_at`` (RepT's, pooled) and
    ``precision_at`` of its prompts' own rankings. Intervals: 95 %, resampling the behavior's prompts.
    """

    behavior: str
    method: str
    checkpoint: str
    layer: int | None
    centre: bool
    query: str
    guilty: int
    average_precision: float
    interval: tuple[float, float]
    auprc_at: dict[int, float]
    precision_at: dict[int, float]
    recall_at: dict[int, float]
    recall_interval: dict[int, tuple[float, float]]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; figures that do not exist are None."""
        return {name: _json(value) for name, value in vars(self).items()}


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_json(inner) for inner in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def labelled(study: Study, label: str | None = None) -> dict[str, np.ndarray]:
    """Behavior → (n,) bool, which datapoints are guilty: those whose label is ``label``, else the behavior's name.

    Raises ExplorerError where the study has no labels, or none that a behavior is named after.
    """
    table = study.datapoints()
    if "label" not in table.column_names:
        raise ExplorerError(f"{study.folder}: the datapoints have no column 'label', so nothing can be evaluated.")
    own = np.array([value or "" for value in table["label"].to_pylist()], dtype=object)
    names = list(dict.fromkeys(b.name for b in study.behaviors()))
    found = {name: own == (label or name) for name in names}
    found = {name: guilty for name, guilty in found.items() if guilty.any()}
    if not found:
        raise ExplorerError(
            f"{study.folder}: no datapoint has the label {label or 'of a behavior'!r}; labels are "
            f"{', '.join(sorted(set(own)))}; behaviors {', '.join(names) or 'none'}."
        )
    return found


def evaluate(
    study: Study,
    label: str | None = None,
    *,
    stage: str | None = None,
    every: bool = False,
    progress: Progress = silent,
) -> list[Score]:
    """Score behavior × method × layer in the built indexes of a stage (default: of all checkpoints); deterministic.

    ``label``: see ``labelled``. ``every``: each method plain and centred and under every query kind, instead of with
    its defaults alone. Raises ExplorerError where nothing is built.
    """
    checkpoint = study.checkpoint(stage)[0] if stage else None
    indexes = [i for i in study_indexes(study) if checkpoint in (None, i.manifest.checkpoint)]
    if not indexes:
        of_stage = f" of {checkpoint}" if checkpoint else ""
        raise ExplorerError(f"{study.folder}: no vectors{of_stage}; run 'explorer build' first.")
    guilty = labelled(study, label)
    table: list[Score] = []
    for number, index in enumerate(indexes):
        loaded = load_model(index_model(study, index))
        check_index(index, loaded)
        whole = Method("all", "", "", tuple(index.manifest.parts))
        for place, (name, flags) in enumerate(guilty.items(), number * len(guilty) + 1):
            items = question_items(study, AboutBehavior(name))
            targets = {"bad": encode_target(loaded, items, whole, index.manifest.layers, "bad")}
            if all(item.other is not None for item in items):
                targets["contrast"] = encode_target(loaded, items, whole, index.manifest.layers, "contrast")
            for method, layer, centre, query in _settings(index, every, targets, number == 0):
                figures = _figures(study, index, method, layer, centre, query, items, targets)
                about = (name, method.name, index.manifest.checkpoint, layer, centre, query, int(flags.sum()))
                table.append(Score(*about, *_measured(flags, *figures)))
            progress("Scoring every method", place, len(indexes) * len(guilty))
    return table


def best_layer(rows: Sequence[dict[str, Any]], method: Method, checkpoint: str, layers: Sequence[int]) -> int | None:
    """Of some layers, the one with the highest mean average precision over the behaviors, under the method's defaults.

    ``rows``: as ``Score.to_json`` makes them; None where they tell nothing of the method at these layers.
    """
    found: dict[int, list[float]] = {}
    for row in rows:
        own = (row["method"], row["checkpoint"], row["centre"], row["query"])
        if own == (method.name, checkpoint, method.centre, method.query) and row["layer"] in layers:
            found.setdefault(row["layer"], []).append(row["average_precision"])
    return max(found, key=lambda layer: float(np.mean(found[layer])), default=None)


def _settings(
    index: Index, every: bool, targets: dict[str, Target], texts_too: bool
) -> Iterator[tuple[Method, int | None, bool, str]]:
    for method in METHODS.values():
        if not method.parts:
            if texts_too:
                yield method, None, False, "bad"
            continue
        if not set(method.parts) <= set(index.manifest.parts):
            continue
        own = method.query if method.query != "contrast" or "contrast" in targets else "bad"
        queries = [q for q in QUERIES if q != "contrast" or "contrast" in targets] if every else [own]
        for layer in index.manifest.layers:
            for centre in (False, True) if every else (method.centre,):
                for query in queries:
                    yield method, layer, centre, query


def _figures(
    study: Study,
    index: Index,
    method: Method,
    layer: int | None,
    centre: bool,
    query: str,
    items: Sequence[Item],
    targets: dict[str, Target],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n,) scores of the behavior, (n, m) of its m prompts, (n, r) of r resamples of the prompts."""
    if layer is None:
        single = text_scores(study.datapoints(), items, method.name)
        return single.mean(1), single, single @ _resamples(single.shape[1]).T
    target = targets["contrast" if query == "contrast" else "bad"]
    m = len(target.kinds)
    single = scores(index, target, method, [layer], centre, "bad" if query == "bank" else query, torch.eye(m)).numpy()
    drawn = _resamples(m)
    if query == "bank":
        return single.max(1), single, np.stack([single[:, row > 0].max(1) for row in drawn], axis=1)
    whole = scores(index, target, method, [layer], centre, query).numpy()
    again = scores(index, target, method, [layer], centre, query, torch.from_numpy(drawn)).numpy()
    return whole, single, again


def _resamples(m: int) -> np.ndarray:
    """(RESAMPLES, m) float32: how often each prompt is drawn, over m."""
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, m, size=(RESAMPLES, m))
    return np.stack([np.bincount(row, minlength=m) / m for row in drawn]).astype(np.float32)


def _measured(guilty: np.ndarray, whole: np.ndarray, single: np.ndarray, again: np.ndarray) -> tuple[Any, ...]:
    """The last fields of ``Score``, from average precision on."""
    aps = [metrics.average_precision(column, guilty) for column in again.T]
    return (
        metrics.average_precision(whole, guilty),
        metrics.middle(aps),
        {k: metrics.pooled_auprc_at(single, guilty, k) for k in metrics.KS},
        {k: float(np.mean([metrics.precision_at(column, guilty, k) for column in single.T])) for k in metrics.KS},
        {k: metrics.recall_at(whole, guilty, k) for k in metrics.KS},
        {k: metrics.middle([metrics.recall_at(column, guilty, k) for column in again.T]) for k in metrics.KS},
    )
