"""What the Behaviors page works with: clusters, cards, drawings. Made once, kept while their files stay as they are."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import streamlit as st

from explorer.behaviors.cards import Card, cards
from explorer.behaviors.clusters import Cluster
from explorer.behaviors.matrix_view import Ordered, View, Window, ordered, view
from explorer.behaviors.nearest import Alike, like_datapoint, like_subject, like_text
from explorer.behaviors.pipeline import Found, discover
from explorer.behaviors.projection import Map, kept_map
from explorer.behaviors.prompts import DISCOVERY, Subject, Which
from explorer.model.prompts import Prompt
from explorer.ranking.rank import Choice
from explorer.ranking.table import texts
from explorer.ui.corpus import Corpus
from explorer.ui.training_data.charts import PALETTE
from explorer.vectors.index import Index
from explorer.vectors.items import Item

NONE = "#a9a9b4"
"""The colour of datapoints of no cluster."""


@dataclass(frozen=True)
class Asked:
    """What the bar says: which prompts, and what makes two things alike."""

    which: Which
    index: Index
    choice: Choice


@dataclass(frozen=True)
class Scene:
    """The clusters on screen. ``key`` changes with the study's files, the choice and the number of clusters."""

    of: Corpus
    asked: Asked
    found: Found
    clusters: list[Cluster]
    cards: list[Card]
    key: tuple[Any, ...]

    def colour(self, number: int) -> str:
        """The colour of a cluster; of no cluster for 0."""
        return PALETTE[(number - 1) % len(PALETTE)] if number else NONE

    @property
    def colours(self) -> list[str]:
        """By cluster number, 0 for none."""
        return [self.colour(number) for number in range(len(self.clusters) + 1)]

    def card(self, key: str | None) -> Card | None:
        """The card of a cluster by its key."""
        return next((card for card in self.cards if card.cluster.key == key), None)

    def heads(self, subject: Subject, short: bool = False) -> list[str]:
        """Whose the two answers of a prompt are: the two models', or for a known behavior the study's own."""
        if subject.name or not self.found.subjects.models:
            return ["bad", "good"] if short else ["bad answer", "good answer"]
        after, before = self.found.subjects.models
        return ["after", "before"] if short else [f"{after}, after training", f"{before}, before"]


def found_key(of: Corpus, asked: Asked) -> tuple[Any, ...]:
    """What tells one clustering from another, but for the number of clusters."""
    path = of.study.folder / DISCOVERY
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    return (of.version, changed, str(asked.index.folder), asked.index.manifest.fingerprint, asked.which, asked.choice)


@st.cache_resource(max_entries=4, show_spinner=False)
def found_clusters(key: tuple[Any, ...], _of: Corpus, _asked: Asked) -> Found:
    """Cluster, with a progress bar; Streamlit's stop ends it, and what was answered until then is kept."""
    bar, began = st.progress(0.0, "Reading prompts and vectors"), [time.monotonic(), ""]

    def show(what: str, done: int, steps: int) -> None:
        if began[1] != what:
            began[:] = [time.monotonic(), what]
        seconds = (time.monotonic() - float(began[0])) / max(done, 1) * (steps - done)
        left = f" · about {int(seconds) // 60}:{int(seconds) % 60:02d} left" if done > 1 and seconds > 1 else ""
        bar.progress(done / max(steps, 1), f"{what}: {done:,} of {steps:,}{left}")

    try:
        return discover(_of.study, _asked.index, _asked.choice, _asked.which, progress=show)
    finally:
        bar.empty()


def scene(of: Corpus, asked: Asked, found: Found, count: int) -> Scene:
    """A cut with its cards. Raises ExplorerError where there is no such cut."""
    key = (*found_key(of, asked), count)
    clusters, made = _cut(key, found, of)
    return Scene(of, asked, found, clusters, made, key)


@st.cache_resource(max_entries=24, show_spinner=False)
def _cut(key: tuple[Any, ...], _found: Found, _of: Corpus) -> tuple[list[Cluster], list[Card]]:
    clusters = _found.clustering.cut(key[-1])
    return clusters, cards(_found.clustering, clusters, _of.table)


def ordering(shown: Scene) -> Ordered:
    """The matrix in the order of its trees, whatever the number of clusters."""
    return _ordering(shown.key[:-1], shown.found)


@st.cache_resource(max_entries=4, show_spinner="Ordering the datapoints")
def _ordering(key: tuple[Any, ...], _found: Found) -> Ordered:
    return ordered(_found.clustering)


def cells(shown: Scene, window: Window) -> View:
    """What is drawn of a window."""
    return _cells((*shown.key[:-1], window), ordering(shown))


@st.cache_resource(max_entries=12, show_spinner=False)
def _cells(key: tuple[Any, ...], _of: Ordered) -> View:
    return view(_of, key[-1])


@st.cache_resource(max_entries=3, show_spinner=False)
def lines(version: tuple[Any, ...], _of: Corpus) -> list[str]:
    """Each datapoint in one line."""
    return [" ".join(text.split())[:110] for text in texts(_of.table)]


@st.cache_resource(show_spinner=False)
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="map")


def map_of(shown: Scene) -> "Future[Map]":
    """The map of the datapoints, made behind the page: it takes seconds, and nothing else has to wait for it."""
    return _map(shown.key[:-1], shown.found, shown.asked.index)


@st.cache_resource(max_entries=4, show_spinner=False)
def _map(key: tuple[Any, ...], _found: Found, _index: Index) -> "Future[Map]":
    return _workers().submit(kept_map, _index.folder, _found.clustering.matrix)


def alike(shown: Scene, kind: str, what: Sequence[Any]) -> Alike:
    """What a prompt (row number), a datapoint (row number) or a text (prompt, answer, other) is like."""
    return _alike((*shown.key[:-1], kind, tuple(what)), shown)


@st.cache_resource(max_entries=32, show_spinner="Comparing")
def _alike(key: tuple[Any, ...], _shown: Scene) -> Alike:
    kind, what = key[-2:]
    if kind == "prompt":
        return like_subject(_shown.found, what[0])
    if kind == "datapoint":
        return like_datapoint(_shown.found, _shown.asked.index, what[0])
    prompt, answer, other = what
    item = Item(Prompt(prompt, raw=_shown.of.study.template == "raw"), answer, other or None)
    return like_text(_shown.found, _shown.of.study, _shown.asked.index, item)
