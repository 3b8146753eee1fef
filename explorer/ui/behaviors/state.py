"""What the Behaviors page shows. Computed once, and again when the study's files or the choice change."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import streamlit as st

from explorer.behaviors.cards import Card, make_cards
from explorer.behaviors.clusters import Cluster, Clusters, assignment, cluster
from explorer.behaviors.matrix_view import Cells, OrderedMatrix, Window, order_matrix, window_cells
from explorer.behaviors.nearest import similar_to_datapoint, similar_to_prompt, similar_to_text
from explorer.behaviors.projection import DatapointMap, cached_map
from explorer.behaviors.prompts import AnsweredPrompt, PromptKind
from explorer.data.study import Study
from explorer.figures.clusters import cluster_colours
from explorer.ranking.table import texts
from explorer.ui.caching import KEYS, cached
from explorer.ui.corpus import Corpus, corpus_of
from explorer.ui.progress_bar import progress_bar
from explorer.ui.text import one_line
from explorer.vectors.index import Index

_KEYS: dict[Any, Any] = KEYS | {Clusters: lambda clusters: clusters.digest}


@dataclass(frozen=True, eq=False)
class ClusteredStudy:
    """A study, its clusters, and the cut on screen with its cards."""

    corpus: Corpus
    clusters: Clusters
    cut: list[Cluster]
    cards: list[Card]

    @property
    def study(self) -> Study:
        """The study on screen."""
        return self.corpus.study

    @property
    def prompts(self) -> tuple[AnsweredPrompt, ...]:
        """The rows of the matrix."""
        return self.clusters.matrix.rows

    @cached_property
    def colours(self) -> list[str]:
        """By cluster number, 0 for none."""
        return cluster_colours(len(self.cut))

    @cached_property
    def prompt_clusters(self) -> np.ndarray:
        """(m,) number of each prompt's cluster."""
        numbers = np.zeros(len(self.prompts), dtype=int)
        for one in self.cut:
            numbers[one.prompts] = one.id
        return numbers

    @cached_property
    def datapoint_clusters(self) -> np.ndarray:
        """(n,) number of each datapoint's cluster, 0 for none."""
        return assignment(self.cut, self.corpus.table.num_rows)

    @cached_property
    def prompt_rows(self) -> dict[str, int]:
        """The row of each prompt by its id."""
        return {prompt.id: row for row, prompt in enumerate(self.prompts)}

    def datapoint_id(self, row: int) -> str:
        """The id of a datapoint."""
        return str(self.corpus.table["id"][row].as_py())

    def answer_heads(self, prompt: AnsweredPrompt, short: bool = False) -> list[str]:
        """Headings of a prompt's two answers: the models that gave them, or bad and good for a known behavior."""
        models = self.clusters.matrix.prompts.models
        if prompt.name or not models:
            return ["bad", "good"] if short else ["bad answer", "good answer"]
        return ["after", "before"] if short else [f"{models[0]}, after training", f"{models[1]}, before"]


@cached()
def study_clusters(study: Study, index: Index, prompts: PromptKind, method: str, layer: int | None) -> Clusters:
    """Cluster, with a progress bar; what was answered before Streamlit's stop is kept."""
    with progress_bar() as progress:
        return cluster(study, index=index, prompts=prompts, method=method, layer=layer, progress=progress)


@cached(keys=_KEYS)
def clustered_study(study: Study, clusters: Clusters, count: int) -> ClusteredStudy:
    """A cut with its cards. Raises ExplorerError where there is no such cut."""
    corpus, cut = corpus_of(study), clusters.cut(count)
    return ClusteredStudy(corpus, clusters, cut, make_cards(clusters, cut, corpus.table))


@cached("Ordering the datapoints", keys=_KEYS)
def ordered(clusters: Clusters) -> OrderedMatrix:
    """The matrix in the order of its trees, whatever the number of clusters."""
    return order_matrix(clusters)


@cached(keys=_KEYS)
def cells(clusters: Clusters, window: Window) -> Cells:
    """The cells of a window."""
    return window_cells(ordered(clusters), window)


@cached()
def datapoint_lines(study: Study) -> list[str]:
    """Each datapoint on one line."""
    return [one_line(text, 110) for text in texts(corpus_of(study).table)]


@st.cache_resource(show_spinner=False)
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="map")


@cached(keys=_KEYS)
def datapoint_map(clusters: Clusters) -> "Future[DatapointMap]":
    """The map of the datapoints, computed in a thread: it takes seconds, and nothing else waits for it."""
    return _workers().submit(cached_map, clusters)


_compared = cached("Comparing", keys=_KEYS)
by_prompt, by_datapoint = _compared(similar_to_prompt), _compared(similar_to_datapoint)
by_text = _compared(similar_to_text)
