"""The right of the Behaviors page: the clusters as cards, and one of them opened."""

from math import isnan
from typing import Any

import streamlit as st

from explorer.behaviors.cards import Card
from explorer.behaviors.notes import Note, read_notes, write_note
from explorer.behaviors.prompts import Subject
from explorer.behaviors.significance import P_MOST
from explorer.errors import ExplorerError
from explorer.ranking.metrics import Enrichment
from explorer.ui.basket import add_all, basket
from explorer.ui.behaviors.compare import compare_box
from explorer.ui.behaviors.links import take_rows
from explorer.ui.behaviors.state import Scene
from explorer.ui.components import cluster_list, cluster_rows, sources
from explorer.ui.session import plain, put_query
from explorer.ui.training_data.charts import chance

PROMPTS, CUT = 150, 700
"""Prompts of a cluster that are listed at most; characters of an answer."""


def notes_of(shown: Scene) -> tuple[dict[str, Note], str]:
    """Names and notes of clusters, and what is wrong with their file, if anything."""
    try:
        return read_notes(shown.of.study.folder), ""
    except ExplorerError as error:
        return {}, str(error)


def named(card: Card, notes: dict[str, Note]) -> str:
    """What a cluster is called: its name, else its number."""
    return notes.get(card.cluster.key, Note()).name or f"Cluster {card.cluster.id}"


def chip(card: Card) -> tuple[str, str]:
    """The verdict in a word or two, and whether it is a yes."""
    c = card.cluster
    if c.emergent:
        return "emergent", "yes"
    if isnan(c.null_p):
        return "too few prompts to test", "no"
    if not len(c.datapoints):
        return "no datapoints", "no"
    return ("like chance", "no") if c.null_p > P_MOST else ("beats chance, but unstable", "no")


def show_list(shown: Scene) -> None:
    """All clusters, the one that beats chance most first."""
    notes, damaged = notes_of(shown)
    if damaged:
        st.error(plain(damaged), icon=":material/error:")
    cluster_list(
        key="cluster-list",
        data={
            "cards": [_collapsed(shown, card, notes) for card in shown.cards],
            "open": None,
            "empty": "No cluster.",
        },
        on_open_change=lambda: _open(st.session_state["cluster-list"].get("open")),
    )


def _collapsed(shown: Scene, card: Card, notes: dict[str, Note]) -> dict[str, Any]:
    c, first = card.cluster, card.subjects[0]
    word, state = chip(card)
    return {
        "key": c.key,
        "number": c.id,
        "name": notes.get(c.key, Note()).name,
        "chip": word,
        "state": state,
        "verdict": card.verdict,
        "figures": f"{_count(len(card.subjects), 'prompt')} · {len(c.datapoints):,} data",
        "words": list(card.words[:9]),
        "prompt": first.prompt[:200],
        "heads": shown.heads(first, short=True),
        "now": first.answer[:240],
        "then": (first.other or "–")[:240],
        "colour": shown.colour(c.id),
    }


def _open(key: str | None) -> None:
    if key is not None:
        put_query(cluster=key or None, prompt=None, datapoint=None)


def show_card(shown: Scene, card: Card) -> None:
    """One cluster in full."""
    c = card.cluster
    notes, damaged = notes_of(shown)
    _head(shown, card, notes)
    _tools(shown, card, notes, damaged)
    figures = (
        f"mean similarity {c.mean_similarity:.2f} · null p {_figure(c.null_p)} · stability {_figure(c.stability)} · "
        f"{c.excess:.1f} sd above null clusters"
    )
    cluster_rows(
        key="card-rows",
        data={
            "verdict": card.verdict,
            "figures": figures,
            "words": list(card.words),
            "sections": [_prompts(shown, card), _datapoints(shown, card)],
        },
        on_trace_change=lambda: take_rows(shown, "card-rows"),
        on_row_change=lambda: take_rows(shown, "card-rows"),
        on_tick_change=lambda: take_rows(shown, "card-rows"),
        on_hand_change=lambda: take_rows(shown, "card-rows"),
        on_like_change=lambda: take_rows(shown, "card-rows"),
    )
    for title, found in (("source", card.sources), ("label", card.labels)):
        if found:
            _enriched(title, found)


def _head(shown: Scene, card: Card, notes: dict[str, Note]) -> None:
    at, every = shown.cards.index(card), shown.cards
    before = every[at - 1].cluster.key if at else None
    after = every[at + 1].cluster.key if at + 1 < len(every) else None
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.button("", icon=":material/arrow_back:", help="All clusters", key="all-clusters", on_click=_open, args=("",))
        name = named(card, notes)
        extra = f" &nbsp;`cluster {card.cluster.id}`" if name != f"Cluster {card.cluster.id}" else ""
        st.markdown(f"**{plain(name)}**{extra}", width="stretch")
        st.button("", icon=":material/chevron_left:", key="card-before", disabled=not before, help="Previous cluster",
                  on_click=_open, args=(before,))  # fmt: skip
        st.button("", icon=":material/chevron_right:", key="card-after", disabled=not after, help="Next cluster",
                  on_click=_open, args=(after,))  # fmt: skip


def _tools(shown: Scene, card: Card, notes: dict[str, Note], damaged: str) -> None:
    study, ticked = shown.of.study.folder, set(basket(shown.of.study.folder))
    new = [name for name in card.ids if name not in ticked]
    with st.container(horizontal=True, gap="xsmall"):
        st.button(
            f"Add {len(new):,} to the basket" if new or not card.ids else "All in the basket",
            icon=":material/add_shopping_cart:", key="basket-cluster", disabled=not new,
            help="All datapoints of this cluster; a repair drops or swaps what is in the basket.",
            on_click=lambda: add_all(study, card.ids),
        )  # fmt: skip
        with st.popover("Name", icon=":material/edit:", key="naming"):
            _naming(shown, card, notes.get(card.cluster.key, Note()), damaged)
        if len(shown.cards) > 1:
            with st.popover("Compare", icon=":material/compare_arrows:", key="comparing", width=120):
                compare_box(shown, card, {other.cluster.key: named(other, notes) for other in shown.cards})
    if note := notes.get(card.cluster.key, Note()).note:
        st.markdown(f":material/sticky_note_2: {plain(note)}")


def _naming(shown: Scene, card: Card, now: Note, damaged: str) -> None:
    key = card.cluster.key
    name_key, note_key = f"name-{key}", f"note-{key}"
    st.text_input("Name", now.name, key=name_key, max_chars=80, disabled=bool(damaged))
    st.text_area("Note", now.note, key=note_key, max_chars=4000, disabled=bool(damaged))

    def save() -> None:
        said = Note(st.session_state[name_key].strip(), st.session_state[note_key].strip())
        try:
            write_note(shown.of.study.folder, key, said)
        except ExplorerError as error:
            st.session_state["note-refused"] = str(error)

    st.button("Save", type="primary", key="save-note", on_click=save, disabled=bool(damaged))
    refused = damaged or st.session_state.pop("note-refused", "")
    if refused:
        st.error(plain(refused), icon=":material/error:")
    st.caption("Kept in the study folder, in cluster-notes.json, for this group of prompts.")


def prompt_row(shown: Scene, subject: Subject, score: float | None = None) -> dict[str, Any]:
    """A prompt as the component lists it."""
    return {
        "id": subject.id,
        "prompt": subject.prompt[:CUT],
        "heads": shown.heads(subject),
        "now": subject.answer[:CUT],
        "then": (subject.other if subject.other is not None else "–")[:CUT],
        "score": "" if score is None else f"{score:+.2f}",
    }


def data_row(row: dict[str, Any], score: float, ticked: set[str]) -> dict[str, Any]:
    """A datapoint as the component lists it."""
    answer = row.get("response") if row.get("response") is not None else row.get("chosen")
    return {
        "id": str(row["id"]),
        "prompt": str(row.get("prompt") or "")[:300],
        "answer": str(answer or "")[:300],
        "score": f"{score:+.2f}",
        "chips": [str(row[name])[:60] for name in ("source", "label") if row.get(name)],
        "ticked": str(row["id"]) in ticked,
    }


def _prompts(shown: Scene, card: Card) -> dict[str, Any]:
    rows = [prompt_row(shown, subject) for subject in card.subjects[:PROMPTS]]
    more = f" (the first {PROMPTS})" if len(card.subjects) > PROMPTS else ""
    title = f"{_count(len(card.subjects), 'prompt')}{more}: click one to trace it"
    return {"kind": "prompts", "title": title, "rows": rows, "empty": ""}


def _datapoints(shown: Scene, card: Card) -> dict[str, Any]:
    ticked = set(basket(shown.of.study.folder))
    rows = [data_row(row, row["similarity"], ticked) for row in card.strongest]
    title = f"Strongest of {_count(len(card.ids), 'datapoint')}, by mean similarity"
    return {"kind": "datapoints", "title": title, "rows": rows, "empty": "No datapoint belongs to this cluster."}


def _enriched(title: str, found: tuple[Enrichment, ...]) -> None:
    rows = [
        {
            "name": e.source,
            "cells": [f"{e.hits} / {e.total}", f"{e.lift:.1f}×", chance(e.p)],
            "sure": e.p < 0.01 and e.lift > 1,
            "chosen": False,
        }
        for e in found[:8]
    ]
    sources(key=f"card-{title}s", data={"head": [title, "in it", "lift", "p"], "rows": rows})


def _figure(value: float) -> str:
    return "–" if isnan(value) else f"{value:.2g}"


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}{'' if n == 1 else 's'}"
