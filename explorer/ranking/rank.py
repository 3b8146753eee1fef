"""Rank the training examples of a study for a question: one call for page, command line and notebook."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.progress import Progress, silent
from explorer.ranking import metrics
from explorer.ranking.baselines import text_scores
from explorer.ranking.directions import (
    check_direction,
    direction_target,
    node_direction,
    system_directions,
    system_items,
)
from explorer.ranking.questions import AboutNode, AboutPersona, LikeDatapoint, Question, question_items
from explorer.ranking.recent import Recent
from explorer.ranking.scores import Target, encode_target, scores
from explorer.ranking.table import row_number
from explorer.vectors.find import check_index, index_model, pick_index
from explorer.vectors.index import UNRANKED, Index
from explorer.vectors.items import Item
from explorer.vectors.methods import MEASURES, METHODS, QUERIES, Method, method_named

DIRECTION_METHODS = {"persona": "activation-difference", "state": "representation", "gradient": "gradient"}
"""The method that a direction is compared with unless told otherwise: of a system prompt, and of a node's halves."""


@dataclass(frozen=True)
class Choice:
    """How to rank. Empty fields are filled from the method's defaults and the index (``settle``)."""

    method: str = "explorer"
    layer: int | None = None
    centre: bool | None = None
    query: str | None = None
    measure: str | None = None


@dataclass(frozen=True, eq=False)
class Ranking:
    """All datapoints of a study, scored for a question.

    Attributes:
        choice: how; its layer is None where the texts alone were read.
        scores: (n,) in the study's order; nan for rows that are never ranked.
        items: the question's prompts and answers.
        index: whose vectors were compared; where the texts alone were read, the one that was given, if any.
        target: the query's vectors; None where the texts alone were read.
        question: what was asked.
        key: equal for rankings of equal scores.
        study: whose training examples are ranked.
    """

    choice: Choice
    scores: np.ndarray
    items: tuple[Item, ...] = ()
    index: Index | None = None
    target: Target | None = None
    question: Question | None = None
    key: Hashable = None
    study: Study | None = None

    def __repr__(self) -> str:
        where = f", layer {self.choice.layer}" if self.choice.layer else ""
        return f"Ranking({self.choice.method}{where}, {len(self.order):,} of {len(self.scores):,} datapoints ranked)"

    @property
    def stage(self) -> str:
        """Name of the checkpoint whose vectors were compared; empty where the texts alone were read."""
        return self.index.manifest.checkpoint if self.index and self.choice.layer is not None else ""

    @cached_property
    def order(self) -> np.ndarray:
        """Row numbers of all ranked rows, best first."""
        return self.top(len(self.scores))

    @cached_property
    def ranks(self) -> np.ndarray:
        """(n,) 1 for the best row; 0 for rows that are never ranked."""
        ranks = np.zeros(len(self.scores), dtype=np.int64)
        ranks[self.order] = np.arange(1, len(self.order) + 1)
        return ranks

    @cached_property
    def percentiles(self) -> np.ndarray:
        """(n,) share of ranked rows in per cent that score lower; nan for rows that are never ranked."""
        ranked = ~np.isnan(self.scores)
        ordered = np.sort(self.scores[ranked])
        percentiles = np.full(len(self.scores), np.nan)
        percentiles[ranked] = 100 * np.searchsorted(ordered, self.scores[ranked]) / len(ordered)
        return percentiles

    def top(self, k: int) -> np.ndarray:
        """Row numbers of the k best, best first."""
        return metrics.top(self.scores, k)

    def table(self, datapoints: pa.Table, rows: np.ndarray) -> pa.Table:
        """Some rows of the study's datapoints in the order given, each behind its rank, score and percentile."""
        chosen = datapoints.take(pa.array(rows, pa.int64()))
        figures = {"rank": self.ranks[rows], "score": self.scores[rows], "percentile": self.percentiles[rows]}
        return pa.table(figures | {name: chosen[name] for name in chosen.column_names if name not in figures})


_targets: Recent[Target] = Recent(32)
_answers: Recent[list[Item]] = Recent(8)


def rank(
    study: Study,
    question: Question,
    *,
    method: str | None = None,
    layer: int | None = None,
    stage: str | None = None,
    centre: bool | None = None,
    query: str | None = None,
    measure: str | None = None,
    index: Index | None = None,
    progress: Progress = silent,
) -> Ranking:
    """Score every datapoint of a study for a question.

    Args:
        method: a name of ``METHODS``; default ``explorer``, or the one of ``DIRECTION_METHODS`` for a direction.
        layer: 1..L; default the index's own choice, for a node the built layer nearest to it.
        stage: the checkpoint whose vectors are compared; default the earliest one that is built.
        centre, query: see ``scores``; defaults are the method's. Personas, datapoints and nodes bring their own query.
        measure: ``cosine`` (default) or ``dot``.
        index: the vectors to compare, instead of choosing some by method, layer and stage.

    The query's vectors are computed in the index's model and kept for a while: ranking again with another ``centre``
    does not run the model. Raises ExplorerError that says what to build, or what is unknown or does not fit.
    """
    choice = _fitting(question, Choice(method or "", layer, centre, query, measure))
    used = method_named(choice.method)
    if index is None and used.parts:
        index = pick_index(study, used.name, layer, stage)
    if isinstance(question, AboutNode) and index and layer is None:
        choice = replace(choice, layer=nearest_layer(index, question.layer))
    items = tuple(question_items(study, question))
    _, choice = settle(choice, index, items)
    if index is None or not used.parts:
        values = text_scores(study.datapoints(), items, used.name).mean(1)
        return Ranking(choice, values, items, index, question=question, key=(items, choice), study=study)
    key = (index.key, question, items, choice.method, choice.layer, choice.query)
    target = _targets.once(key, lambda: _target(study, index, question, items, choice, progress))
    layer, centre, query, measure = scores_choice(choice)
    values = scores(index, target, used, layer, centre, query, measure=measure)
    if isinstance(question, AboutPersona):
        choice = replace(choice, query=question.persona.name)
    return Ranking(choice, values.numpy(), items, index, target, question, (key, choice), study)


def scores_choice(choice: Choice) -> tuple[int, bool, str, str]:
    """Return (layer, centre, query, measure) of a settled choice, as ``scores`` and ``score_terms`` take them."""
    query = choice.query if choice.query in QUERIES else "contrast"
    return choice.layer or 0, bool(choice.centre), query or "", choice.measure or "cosine"


def nearest_layer(index: Index, layer: int) -> int:
    """Return the layer of an index that is nearest to another one; the upper one of two."""
    return min(index.manifest.layers, key=lambda built: (abs(built - layer), -built))


def _fitting(question: Question, choice: Choice) -> Choice:
    """Set what the kind of question leaves no choice of; raises ExplorerError for a method that does not fit."""
    match question:
        case LikeDatapoint():
            return replace(choice, method=choice.method or "explorer", query="bad")
        case AboutPersona():
            choice = replace(choice, method=choice.method or DIRECTION_METHODS["persona"], query="contrast")
        case AboutNode(part=part):
            centre = True if choice.centre is None else choice.centre
            choice = replace(choice, method=choice.method or DIRECTION_METHODS[part], centre=centre, query="contrast")
        case _:
            return replace(choice, method=choice.method or "explorer")
    check_direction(method_named(choice.method))
    return choice


def settle(choice: Choice, index: Index | None, items: Sequence[Item]) -> tuple[Method, Choice]:
    """Return the method, and the choice with nothing left open. Raises ExplorerError for an unknown name.

    Only a method that reads the texts alone can do without an index.
    """
    method = method_named(choice.method)
    query, measure = choice.query or method.query, choice.measure or "cosine"
    for what, name, known in (("Query", query, QUERIES), ("Measure", measure, MEASURES)):
        if name not in known:
            raise ExplorerError(f"{what} '{name}' is unknown; expected one of {', '.join(known)}.")
    if query == "contrast" and choice.query is None and any(item.other is None for item in items):
        query = "bad"
    if index is None and method.parts:
        raise ExplorerError(f"Method '{choice.method}' needs the study's vectors; run 'explorer build' first.")
    layer = (choice.layer or index.manifest.default_layer) if index and method.parts else None
    centre = method.centre if choice.centre is None else choice.centre
    return method, Choice(choice.method, layer, centre, query, measure)


def _target(
    study: Study, index: Index, question: Question, items: tuple[Item, ...], choice: Choice, progress: Progress
) -> Target:
    """Compute the query's vectors for a settled choice."""
    method, layer = METHODS[choice.method], choice.layer or 0
    if isinstance(question, LikeDatapoint):
        row = row_number(study.datapoints(), question.id)
        assert row is not None  # question_items sees to it
        return row_target(index, row, method, layer)
    loaded = load_model(index_model(study, index), progress)
    check_index(index, loaded)
    if isinstance(question, AboutNode):
        direction = node_direction(loaded, index, question.failure, layer, question.token, question.part)
        return direction_target(direction, method, layer)
    if isinstance(question, AboutPersona):
        about, most = question.persona, study.answer_tokens
        key = (index.key, items, about, most)
        answered = _answers.once(key, lambda: system_items(loaded, items, about, most, progress))
        return direction_target(system_directions(loaded, answered, [layer])[layer], method, layer)
    return encode_target(loaded, items, method.parts, [layer], choice.query or "")


def row_target(index: Index, row: int, method: Method, layer: int) -> Target:
    """Return the stored vectors of a datapoint as a query; the datapoint itself scores 1.

    Raises ExplorerError for a row that is never ranked, and for a method that has no vectors.
    """
    if not method.parts:
        raise ExplorerError(f"Method '{method.name}' has no vectors to compare; choose another.")
    if index.kinds[row] == UNRANKED:
        raise ExplorerError(f"Datapoint {row + 1} has no answer, so nothing is like it.")
    for part in method.parts:
        index.require(part, layer)
    vectors = {f"{part}.{layer}": index.rows(part, layer, torch.tensor([row])) for part in method.parts}
    return Target(vectors, index.kinds[row][None])
