"""What the Training data page works with: rows, indexes, the question, its ranking. Kept while its files stay as is."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st
from torch import Tensor

from explorer.data.failures import Failure
from explorer.data.study import BEHAVIORS, DATAPOINTS, SETTINGS, VECTORS, Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.ranking.metrics import Enrichment, enrichment
from explorer.ranking.persona import PERSONA, Persona, persona_items, rank_by_persona
from explorer.ranking.rank import (
    Choice,
    behavior_items,
    failure_items,
    index_model,
    node_vector,
    rank,
    rank_by_state,
    rank_like,
    study_indexes,
    target_of,
)
from explorer.ranking.table import Ranked, column, ranked_of
from explorer.ranking.token_shares import TokenScore, behavior_direction, own_words, token_scores
from explorer.ui.study import current_study
from explorer.vectors.build import Item, row_items
from explorer.vectors.index import Index
from explorer.vectors.methods import METHODS

CASE = "this-case"
HALVES = {"state": "State", "gradient": "Gradient"}


@dataclass(frozen=True)
class Corpus:
    """The training examples of a study; ``version`` changes with its files."""

    study: Study
    table: pa.Table
    sources: np.ndarray
    labels: np.ndarray
    source_names: tuple[str, ...]
    label_names: tuple[str, ...]
    behaviors: dict[str, tuple[Item, ...]]
    version: tuple[Any, ...]

    def row(self, number: int) -> dict[str, Any]:
        """One training example, every column."""
        return self.table.slice(number, 1).to_pylist()[0]

    def item(self, number: int) -> Item:
        """One training example as it is read by a model."""
        return row_items([_whole(self.row(number))], self.study.template == "raw")[0]


def corpus() -> Corpus:
    """The training examples of the study on screen. Raises ExplorerError."""
    study = current_study().study
    files = [study.folder / name for name in (SETTINGS, DATAPOINTS, BEHAVIORS)]
    found = [file.stat() if file.exists() else None for file in files]
    return _corpus((str(study.folder), *((s.st_mtime_ns, s.st_size) if s else None for s in found)), study)


@st.cache_resource(max_entries=3, show_spinner="Reading the training examples")
def _corpus(version: tuple[Any, ...], _study: Study) -> Corpus:
    table = _study.datapoints()
    names = dict.fromkeys(b.name for b in _study.behaviors())
    behaviors = {name: tuple(behavior_items(_study, name)) for name in names}
    sources, labels = column(table, "source"), column(table, "label")
    return Corpus(_study, table, sources, labels, _names(sources), _names(labels), behaviors, version)


def _names(values: np.ndarray) -> tuple[str, ...]:
    return tuple(sorted(set(values) - {""}))


def stage_words(study: Study) -> dict[str, str]:
    """The checkpoints in training order → what people read; which of them is before and after the training."""
    before, after = study.checkpoint("before")[0], study.checkpoint("after")[0]
    told = {after: f"{after} (after)", before: f"{before} (before)"}
    return {name: told.get(name, name) for name in dict.fromkeys([*study.checkpoints(), before])}


def stages(of: Corpus) -> dict[str, Index]:
    """The built indexes by the name of their checkpoint, in training order. Raises ExplorerError for a damaged one."""
    folder = of.study.folder / VECTORS
    files = [path for path in folder.glob("*/*") if not path.name.startswith(".")] if folder.is_dir() else []
    found = tuple(sorted((str(path), path.stat().st_mtime_ns) for path in files if path.is_file()))
    return _stages((of.version, found), of.study)


@st.cache_resource(max_entries=6, show_spinner="Opening the vectors")
def _stages(version: tuple[Any, ...], _study: Study) -> dict[str, Index]:
    made: dict[str, Index] = {}
    for index in study_indexes(_study):
        name = index.manifest.checkpoint
        made[f"{name}-{index.manifest.fingerprint[:6]}" if name in made else name] = index
    return made


@dataclass(frozen=True)
class Question:
    """What the training data is ranked for.

    Attributes:
        kind: ``case``, ``behavior``, ``node`` or ``like``.
        items: prompts and answers whose pull the token colours show; for the first two also what is looked for.
        key: what tells this question from others.
        node: (layer, token, half) of a graph node.
        row: the datapoint that others should be like.
        persona: system prompts to contrast, for the query ``persona``.
    """

    kind: str
    items: tuple[Item, ...]
    key: tuple[Any, ...]
    title: str = ""
    failure: Failure | None = None
    node: tuple[int, int, str] | None = None
    row: int | None = None
    persona: Persona | None = None


def about_case(case: Failure) -> Question:
    """This case: its wrong answer is the bad one."""
    key = ("case", case.prompt, case.system, case.wrong, case.right, case.raw)
    return Question("case", tuple(failure_items(case)), key, failure=case)


def about_node(case: Failure, layer: int, token: int, half: str, title: str) -> Question:
    """A node of this case's graph."""
    asked = about_case(case)
    key = ("node", layer, token, half, asked.key)
    return Question("node", asked.items, key, title, case, (layer, token, half))


def about_behavior(of: Corpus, name: str) -> Question:
    """A behavior of the study."""
    return Question("behavior", of.behaviors[name], ("behavior", name), name)


def about_row(of: Corpus, row: int, name: str) -> Question:
    """The datapoints that are like one of them."""
    return Question("like", (of.item(row),), ("like", row), name, row=row)


def nearest_layer(index: Index, layer: int) -> int:
    """The layer of an index that is nearest to another one; the upper one of two."""
    return min(index.manifest.layers, key=lambda have: (abs(have - layer), -have))


def ranked(of: Corpus, index: Index | None, asked: Question, choice: Choice) -> Ranked:
    """The ranking that answers a question; made once. Raises ExplorerError."""
    return _ranked((of.version, _name(index), asked.key, choice), of, index, asked, choice)


@st.cache_resource(max_entries=12, show_spinner=False)
def _ranked(key: tuple[Any, ...], _of: Corpus, _index: Index | None, _asked: Question, _choice: Choice) -> Ranked:
    if _asked.node and _index is not None:
        layer, _, half = _asked.node
        near = nearest_layer(_index, layer)
        vector = _node_vector((_of.version, _name(_index), _asked.key, near), _of, _index, _asked, near)
        return ranked_of(rank_by_state(_index, vector, half, near, f"{HALVES[half].lower()} of the node"))
    if _asked.row is not None and _index is not None and METHODS[_choice.method].parts:
        return ranked_of(rank_like(_index, _asked.row, _choice))
    if _choice.query == PERSONA and _index is not None:
        answered = _answered((_of.version, _name(_index), _asked.key), _of, _index, _asked)
        return ranked_of(rank_by_persona(_of.study, _index, answered, _choice.layer, _choice.centre))
    target = None
    if _index is not None and METHODS[_choice.method].parts:
        # a target does not depend on centring
        plain = Choice(_choice.method, _choice.layer, None, _choice.query)
        target = _target((_of.version, _name(_index), _asked.key, plain), _of, _index, _asked, plain)
    return ranked_of(rank(_of.study, _index, _asked.items, _choice, target))


def sources_at_top(of: Corpus, index: Index | None, asked: Question, found: Ranked, k: int) -> list[Enrichment]:
    """Which sources stand among the k best rows more often than by chance."""
    return _sources_at_top((of.version, _name(index), asked.key, found.ranking.choice, k), of, found)


@st.cache_resource(max_entries=64, show_spinner=False)
def _sources_at_top(key: tuple[Any, ...], _of: Corpus, _found: Ranked) -> list[Enrichment]:
    return enrichment(_of.sources.tolist(), _found.order[: key[-1]].tolist())


@st.cache_resource(max_entries=16, show_spinner=False)
def _target(key: tuple[Any, ...], _of: Corpus, _index: Index, _asked: Question, _choice: Choice) -> Any:
    return target_of(load_model(index_model(_of.study, _index)), _asked.items, _index, _choice)


@st.cache_resource(max_entries=8, show_spinner=False)
def _answered(key: tuple[Any, ...], _of: Corpus, _index: Index, _asked: Question) -> list[Item]:
    assert _asked.persona is not None
    loaded, bar = load_model(index_model(_of.study, _index)), st.progress(0.0, "The model answers")

    def show(_what: str, done: float = 0, of: float = 1) -> None:
        bar.progress(done / of, f"The model answers: {done} of {of}")

    made = persona_items(loaded, _asked.items, _asked.persona, show)
    bar.empty()
    return made


@st.cache_resource(max_entries=16, show_spinner=False)
def _node_vector(key: tuple[Any, ...], _of: Corpus, _index: Index, _asked: Question, _layer: int) -> Tensor:
    assert _asked.failure is not None and _asked.node is not None
    loaded = load_model(index_model(_of.study, _index))
    return node_vector(loaded, _asked.failure, _layer, _asked.node[1], _asked.node[2])


@dataclass(frozen=True)
class Coloured:
    """A training example's own words with scores: its prompt, its answer, and of a pair the rejected answer."""

    prompt: list[TokenScore]
    answer: list[TokenScore]
    other: list[TokenScore]


def strongest(coloured: Mapping[int, Coloured]) -> float:
    """The largest |score| among the rows: where colours saturate."""
    scores = (abs(t.score) for row in coloured.values() for t in (*row.prompt, *row.answer, *row.other))
    return max(scores, default=0.0)


class Colours:
    """Token colours of rows that were shown lately; unlike Streamlit's caches it can be asked what it has."""

    KEPT = 2000

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[Any, ...], Coloured] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[Any, ...], rows: Sequence[int]) -> dict[int, Coloured]:
        """Those of the rows that are at hand."""
        with self._lock:
            found = {row: self._rows[*key, row] for row in rows if (*key, row) in self._rows}
            for row in found:
                self._rows.move_to_end((*key, row))
            return found

    def put(self, key: tuple[Any, ...], made: dict[int, Coloured]) -> None:
        """Keep some; the ones that were not asked for longest go."""
        with self._lock:
            self._rows.update({(*key, row): value for row, value in made.items()})
            while len(self._rows) > self.KEPT:
                self._rows.popitem(last=False)


@st.cache_resource(show_spinner=False)
def colours() -> Colours:
    """The one store of this process."""
    return Colours()


def colour_key(of: Corpus, index: Index, asked: Question, layer: int) -> tuple[Any, ...]:
    """What token colours depend on, but for the row."""
    return (of.version, _name(index), about_case(asked.failure).key if asked.failure else asked.key, layer)


def make_colours(of: Corpus, index: Index, asked: Question, layer: int, rows: Sequence[int]) -> None:
    """Score the tokens of some rows in the index's model: one pass over them."""
    key = colour_key(of, index, asked, layer)
    loaded = load_model(index_model(of.study, index))
    items = [of.item(row) for row in rows]
    try:
        scored = token_scores(loaded, items, layer, _direction(key, of, index, asked, layer))
    except ExplorerError:  # the question has no answer with a token: nothing to colour by
        scored = [([], []) for _ in items]
    made = {}
    for row, item, (own, other) in zip(rows, items, scored, strict=True):
        prompt, answer = own_words(own, item.prompt.text, item.answer)
        made[row] = Coloured(prompt, answer, own_words(other, item.prompt.text, item.other or "")[1])
    colours().put(key, made)


@st.cache_resource(max_entries=16, show_spinner=False)
def _direction(key: tuple[Any, ...], _of: Corpus, _index: Index, _asked: Question, _layer: int) -> Tensor:
    return behavior_direction(load_model(index_model(_of.study, _index)), _asked.items, _layer)


def _name(index: Index | None) -> tuple[str, ...]:
    return () if index is None else (str(index.folder), index.manifest.fingerprint)


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    return {"response": None, "chosen": None, "rejected": None, **row}
