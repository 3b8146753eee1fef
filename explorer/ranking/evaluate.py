"""Metrics of every method on a study whose guilty datapoints are labelled, each with its bootstrap interval."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import LoadedModel, load_model
from explorer.progress import Progress, silent
from explorer.ranking.baselines import text_scores
from explorer.ranking.directions import (
    about_systems,
    direction_target,
    system_directions,
    system_items,
    takes_direction,
)
from explorer.ranking.metrics import KS, average_precision, interval, pooled_auprc_at, precision_at, recall_at
from explorer.ranking.questions import AboutBehavior, question_items
from explorer.ranking.scores import Target, encode_target, scores
from explorer.reading import as_type
from explorer.vectors.find import check_index, index_model, study_indexes
from explorer.vectors.index import Index
from explorer.vectors.items import Item
from explorer.vectors.methods import DIRECTIONS, MEASURES, METHODS, QUERIES, Method

RESAMPLES = 100
_Rankings = tuple[np.ndarray, np.ndarray, np.ndarray]


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
    measure: str
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


def score_from_json(row: dict[str, Any], where: object) -> Score:
    """Return what ``Score.to_json`` wrote. Raises ExplorerError for a field that is missing or of another kind."""
    values = {name: value if name == "layer" else _figures(value) for name, value in row.items()}
    return as_type(values, Score, where, "a score")


def _figures(value: Any) -> Any:
    """NaN for each figure that does not exist."""
    if isinstance(value, dict):
        return {key: _figures(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [*map(_figures, value)]
    return float("nan") if value is None else value


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_json(inner) for inner in value]
    return None if isinstance(value, float) and np.isnan(value) else value


@dataclass(frozen=True)
class _Behavior:
    """A behavior of the study: ``guilty`` (n,) bool, its items, and their vectors by query kind in one index.

    ``directions``: (query, layer) → (m, width), of the queries that its system prompts allow.
    """

    name: str
    guilty: np.ndarray
    items: Sequence[Item]
    targets: Mapping[str, Target]
    directions: Mapping[tuple[str, int], torch.Tensor] = field(default_factory=dict)

    def target(self, query: str, method: Method, layer: int) -> Target:
        """Return the query's vectors for a method."""
        if query in DIRECTIONS:
            return direction_target(self.directions[query, layer], method, layer)
        return self.targets["contrast" if query == "contrast" else "bad"]


def evaluate(
    study: Study,
    label: str | None = None,
    *,
    stage: str | None = None,
    every: bool = False,
    progress: Progress = silent,
) -> list[Score]:
    """Score behavior × method × layer in the built indexes of a stage (default: of all checkpoints); deterministic.

    ``label``: see ``guilty_rows``. ``every``: all that pairs with each method (plain and centred, cosine and dot
    product, every query kind; personas and control messages of behaviors that have system prompts), instead of its
    defaults alone. Raises ExplorerError where nothing is built.
    """
    checkpoint = study.checkpoint(stage)[0] if stage else None
    indexes = [i for i in study_indexes(study) if checkpoint in (None, i.manifest.checkpoint)]
    if not indexes:
        of_stage = f" of {checkpoint}" if checkpoint else ""
        raise ExplorerError(f"{study.folder}: no vectors{of_stage}; run 'explorer build' first.")
    guilty = guilty_rows(study, label)
    table: list[Score] = []
    for number, index in enumerate(indexes):
        loaded = load_model(index_model(study, index), progress)
        check_index(index, loaded)
        layers, parts = index.manifest.layers, index.manifest.parts
        for place, (name, rows) in enumerate(guilty.items(), number * len(guilty) + 1):
            items = question_items(study, AboutBehavior(name))
            targets = {"bad": encode_target(loaded, items, parts, layers, "bad")}
            if all(item.other is not None for item in items):
                targets["contrast"] = encode_target(loaded, items, parts, layers, "contrast")
            directions = _directions(study, loaded, name, items, layers) if every else {}
            behavior = _Behavior(name, rows, items, targets, directions)
            table += _vector_scores(index, behavior, every)
            if not number:
                table += _text_scores(study, index, behavior)
            progress("Scoring every method", place, len(indexes) * len(guilty))
    return table


def guilty_rows(study: Study, label: str | None = None) -> dict[str, np.ndarray]:
    """Return behavior → (n,) bool: the datapoints whose label is ``label``, else the behavior's name.

    Raises ExplorerError where the study has no labels, or none that a behavior is named after.
    """
    table = study.datapoints()
    if "label" not in table.column_names:
        raise ExplorerError(f"{study.folder}: the datapoints have no column 'label', so nothing can be evaluated.")
    labels = np.array([value or "" for value in table["label"].to_pylist()], dtype=object)
    names = list(dict.fromkeys(b.name for b in study.behaviors()))
    guilty = {name: rows for name in names if (rows := labels == (label or name)).any()}
    if not guilty:
        raise ExplorerError(
            f"{study.folder}: no datapoint has the label {label or 'of a behavior'!r}; labels are "
            f"{', '.join(sorted(set(labels)))}; behaviors {', '.join(names) or 'none'}."
        )
    return guilty


def _text_scores(study: Study, index: Index, behavior: _Behavior) -> Iterator[Score]:
    """Yield the lines of the methods that read the texts alone."""
    for method in METHODS.values():
        if not method.parts:
            single = text_scores(study.datapoints(), behavior.items, method.name)
            resampled = single @ _resamples(single.shape[1]).T
            setting = (method.name, index.manifest.checkpoint, None, False, "bad", "cosine")
            yield _measured(behavior, setting, (single.mean(1), single, resampled))


def _directions(
    study: Study, loaded: LoadedModel, name: str, items: Sequence[Item], layers: Sequence[int]
) -> dict[tuple[str, int], torch.Tensor]:
    """Return (query, layer) → direction for the queries that the behavior has system prompts for."""
    directions = {}
    for query in DIRECTIONS:
        try:
            about = about_systems(query, study.behavior(name))
            assert about is not None
            answered = system_items(loaded, items, about, study.answer_tokens)
        except ExplorerError:  # no system prompts, or no chat template
            continue
        found = system_directions(loaded, answered, layers)
        directions |= {(query, layer): direction for layer, direction in found.items()}
    return directions


def _vector_scores(index: Index, behavior: _Behavior, every: bool) -> Iterator[Score]:
    """Yield the lines of the methods that the index has vectors of."""
    for method in METHODS.values():
        if not method.parts or not set(method.parts) <= set(index.manifest.parts):
            continue
        for layer in index.manifest.layers:
            for centre, query, measure in _pairings(behavior, method, layer, every):
                rankings = _rankings(index, behavior, method, layer, (centre, query, measure))
                setting = (method.name, index.manifest.checkpoint, layer, centre, query, measure)
                yield _measured(behavior, setting, rankings)


def _pairings(behavior: _Behavior, method: Method, layer: int, every: bool) -> list[tuple[bool, str, str]]:
    """Return what pairs with a method, as (centre, query, measure): its defaults, or all of it."""
    queries = [query for query in QUERIES if query != "contrast" or query in behavior.targets]
    if not every:
        return [(method.centre, method.query if method.query in queries else "bad", "cosine")]
    if takes_direction(method):
        queries += [query for query in DIRECTIONS if (query, layer) in behavior.directions]
    return list(itertools.product((False, True), queries, MEASURES))


def _rankings(
    index: Index, behavior: _Behavior, method: Method, layer: int, pairing: tuple[bool, str, str]
) -> _Rankings:
    """Return scores for the behavior (n,), for each of its m prompts (n, m), and for r resamples of these (n, r)."""
    centre, query, measure = pairing
    target = behavior.target(query, method, layer)
    m, query = len(target.kinds), "contrast" if query in DIRECTIONS else query
    draws = _resamples(m)
    single_query = "bad" if query == "bank" else query

    def scored(query: str, weights: torch.Tensor | None = None) -> np.ndarray:
        return scores(index, target, method, layer, centre, query, weights, measure=measure).numpy()

    single = scored(single_query, torch.eye(m))
    if query == "bank":
        return single.max(1), single, np.stack([single[:, draw > 0].max(1) for draw in draws], axis=1)
    return scored(query), single, scored(query, torch.from_numpy(draws))


def _resamples(m: int) -> np.ndarray:
    """(RESAMPLES, m) float32: how often each prompt is drawn, over m."""
    draws = np.random.default_rng(0).integers(0, m, size=(RESAMPLES, m))
    return np.stack([np.bincount(draw, minlength=m) / m for draw in draws]).astype(np.float32)


def _measured(behavior: _Behavior, setting: tuple[str, str, int | None, bool, str, str], rankings: _Rankings) -> Score:
    """Turn rankings into a line; ``setting``: the fields from ``method`` to ``measure``."""
    guilty, (whole, single, resampled) = behavior.guilty, rankings
    precisions = {k: [precision_at(column, guilty, k) for column in single.T] for k in KS}
    return Score(
        behavior.name,
        *setting,
        guilty=int(guilty.sum()),
        average_precision=average_precision(whole, guilty),
        interval=interval([average_precision(column, guilty) for column in resampled.T]),
        auprc_at={k: pooled_auprc_at(single, guilty, k) for k in KS},
        precision_at={k: float(np.mean(values)) for k, values in precisions.items()},
        recall_at={k: recall_at(whole, guilty, k) for k in KS},
        recall_interval={k: interval([recall_at(column, guilty, k) for column in resampled.T]) for k in KS},
    )


def best_layer(rows: Sequence[dict[str, Any]], method: Method, checkpoint: str, layers: Sequence[int]) -> int | None:
    """Return the layer, of some, with the highest mean average precision of a method's defaults over the behaviors.

    ``rows``: from ``Score.to_json``; None where they tell nothing of the method at these layers.
    """
    wanted = (method.name, checkpoint, method.centre, method.query, "cosine")
    measured: dict[int, list[float]] = {}
    for row in rows:
        setting = tuple(row[name] for name in ("method", "checkpoint", "centre", "query", "measure"))
        if setting == wanted and row["layer"] in layers:
            measured.setdefault(row["layer"], []).append(row["average_precision"])
    return max(measured, key=lambda layer: float(np.mean(measured[layer])), default=None)
