"""The right of the Behaviors page: the clusters as cards, and one of them opened."""

from math import isnan
from typing import Any

import streamlit as st

from explorer.behaviors.cards import Card
from explorer.behaviors.notes import Note, read_notes, write_note
from explorer.errors import ExplorerError
from explorer.ranking.metrics import Enrichment
from explorer.ui import link
from explorer.ui.basket import add_all, basket
from explorer.ui.behaviors.compare import compare_box
from explorer.ui.behaviors.lists import datapoint_section, prompt_section, show_lists
from explorer.ui.behaviors.state import ClusteredStudy
from explorer.ui.components import cluster_list, sources
from explorer.ui.text import count, plain, show_error
from explorer.ui.training_data.charts import chance

PROMPTS = 150
"""Prompts of a cluster that are listed at most."""


def study_notes(clustered: ClusteredStudy) -> tuple[dict[str, Note], str]:
    """Names and notes of clusters by ``Cluster.key``, and what is wrong with their file, if anything."""
    try:
        return read_notes(clustered.study.folder), ""
    except ExplorerError as error:
        return {}, str(error)


def cluster_name(card: Card, notes: dict[str, Note]) -> str:
    """The name that a person gave to a cluster, else its number."""
    return notes.get(card.cluster.key, Note()).name or f"Cluster {card.cluster.id}"


def show_list(clustered: ClusteredStudy) -> None:
    """Draw all clusters, the one that beats chance most first."""
    notes, damaged = study_notes(clustered)
    if damaged:
        show_error(damaged)
    cards = [_collapsed(clustered, card, notes) for card in clustered.cards]
    opened = lambda: _open(st.session_state["cluster-list"].get("open"))  # noqa: E731
    cluster_list(key="cluster-list", data={"cards": cards, "open": None, "empty": "No cluster."}, on_open_change=opened)


def _collapsed(clustered: ClusteredStudy, card: Card, notes: dict[str, Note]) -> dict[str, Any]:
    c, first = card.cluster, card.prompts[0]
    return {
        "key": c.key,
        "number": c.id,
        "name": notes.get(c.key, Note()).name,
        "chip": card.chip,
        "state": "yes" if c.emergent else "no",
        "verdict": card.verdict,
        "figures": f"{count(len(card.prompts), 'prompt')} · {len(c.datapoints):,} data",
        "words": list(card.words[:9]),
        "prompt": first.prompt[:200],
        "heads": clustered.answer_heads(first, short=True),
        "now": first.answer[:240],
        "then": (first.other or "–")[:240],
        "colour": clustered.colours[c.id],
    }


def _open(key: str | None) -> None:
    if key is not None:
        link.put(cluster=key or None, prompt=None, datapoint=None)


def show_card(clustered: ClusteredStudy, card: Card) -> None:
    """Draw one cluster in full."""
    c = card.cluster
    notes, damaged = study_notes(clustered)
    _head(clustered, card, notes)
    _tools(clustered, card, notes, damaged)
    figures = (
        f"mean similarity {c.mean_similarity:.2f} · null p {_two_digits(c.null_p)} · "
        f"stability {_two_digits(c.stability)} · {c.excess:.1f} sd above null clusters"
    )
    first = f" (the first {PROMPTS})" if len(card.prompts) > PROMPTS else ""
    prompts = f"{count(len(card.prompts), 'prompt')}{first}: click one to trace it"
    strongest = f"Strongest of {count(len(card.ids), 'datapoint')}, by mean similarity"
    sections = [
        prompt_section(clustered, prompts, card.prompts[:PROMPTS]),
        datapoint_section(clustered, strongest, card.strongest, [row["similarity"] for row in card.strongest]),
    ]
    text = {"verdict": card.verdict, "figures": figures, "words": list(card.words)}
    show_lists(clustered, "card-rows", sections=sections, **text)
    for title, enriched in (("source", card.sources), ("label", card.labels)):
        if enriched:
            _enriched(title, enriched)


def _head(clustered: ClusteredStudy, card: Card, notes: dict[str, Note]) -> None:
    place, keys = clustered.cards.index(card), [other.cluster.key for other in clustered.cards]
    arrows = {
        "card-before": (":material/chevron_left:", "Previous cluster", keys[place - 1] if place else None),
        "card-after": (":material/chevron_right:", "Next cluster", keys[place + 1] if keys[place + 1 :] else None),
    }
    name, number = cluster_name(card, notes), f"Cluster {card.cluster.id}"
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.button("", icon=":material/arrow_back:", help="All clusters", key="all-clusters", on_click=_open, args=("",))
        also = f" &nbsp;`{number.lower()}`" if name != number else ""
        st.markdown(f"**{plain(name)}**{also}", width="stretch")
        for key, (icon, about, to) in arrows.items():
            st.button("", icon=icon, key=key, disabled=not to, help=about, on_click=_open, args=(to,))


def _tools(clustered: ClusteredStudy, card: Card, notes: dict[str, Note], damaged: str) -> None:
    study, ticked = clustered.study.folder, set(basket(clustered.study.folder))
    new = sum(name not in ticked for name in card.ids)
    with st.container(horizontal=True, gap="xsmall"):
        st.button(
            f"Add {new:,} to the basket" if new or not card.ids else "All in the basket",
            icon=":material/add_shopping_cart:",
            key="basket-cluster",
            disabled=not new,
            help="All datapoints of this cluster; a repair drops or swaps what is in the basket.",
            on_click=add_all,
            args=(study, card.ids),
        )
        with st.popover("Name", icon=":material/edit:", key="naming"):
            _naming(clustered, card, notes.get(card.cluster.key, Note()), damaged)
        if len(clustered.cards) > 1:
            with st.popover("Compare", icon=":material/compare_arrows:", key="comparing", width=120):
                compare_box(clustered, card, {c.cluster.key: cluster_name(c, notes) for c in clustered.cards})
    if note := notes.get(card.cluster.key, Note()).note:
        st.markdown(f":material/sticky_note_2: {plain(note)}")


def _naming(clustered: ClusteredStudy, card: Card, note: Note, damaged: str) -> None:
    key = card.cluster.key
    name_key, note_key = f"name-{key}", f"note-{key}"
    st.text_input("Name", note.name, key=name_key, max_chars=80, disabled=bool(damaged))
    st.text_area("Note", note.note, key=note_key, max_chars=4000, disabled=bool(damaged))

    def save() -> None:
        written = Note(st.session_state[name_key].strip(), st.session_state[note_key].strip())
        try:
            write_note(clustered.study.folder, key, written)
        except ExplorerError as error:
            st.session_state["note-refused"] = str(error)

    st.button("Save", type="primary", key="save-note", on_click=save, disabled=bool(damaged))
    if refused := damaged or st.session_state.pop("note-refused", ""):
        show_error(refused)
    st.caption("Kept in the study folder, in cluster-notes.json, for this group of prompts.")


def _enriched(title: str, enriched: tuple[Enrichment, ...]) -> None:
    rows = [
        {
            "name": e.source,
            "cells": [f"{e.hits} / {e.total}", f"{e.lift:.1f}×", chance(e.p)],
            "sure": e.p < 0.01 and e.lift > 1,
            "chosen": False,
        }
        for e in enriched[:8]
    ]
    sources(key=f"card-{title}s", data={"head": [title, "in it", "lift", "p"], "rows": rows})


def _two_digits(value: float) -> str:
    return "–" if isnan(value) else f"{value:.2g}"
