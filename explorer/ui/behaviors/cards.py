"""The right of the Behaviors page: the clusters as cards, and one of them opened."""

from collections import defaultdict
from math import isnan
from typing import Any

import streamlit as st

from explorer.behaviors.cards import Card
from explorer.behaviors.nearest import compare_clusters
from explorer.behaviors.notes import Note, read_notes, write_note
from explorer.errors import ExplorerError, count
from explorer.ranking.metrics import Enrichment
from explorer.ui import link
from explorer.ui.basket import add_all, basket
from explorer.ui.behaviors.lists import datapoint_section, icon_button, prompt_section, show_lists
from explorer.ui.behaviors.state import ClusteredStudy
from explorer.ui.components import cluster_list, sources
from explorer.ui.text import plain, show_error
from explorer.ui.training_data.charts import chance

PROMPTS = 150
"""Prompts of a cluster that are listed at most."""
BASKET_HELP = "All datapoints of this cluster; a repair drops or swaps what is in the basket."


def _study_notes(clustered: ClusteredStudy) -> tuple[dict[str, Note], str]:
    """Names and notes by ``Cluster.key``, empty ones too, and what is wrong with their file, if anything."""
    try:
        return defaultdict(Note, read_notes(clustered.study.folder)), ""
    except ExplorerError as error:
        return defaultdict(Note), str(error)


def _name(card: Card, notes: dict[str, Note]) -> str:
    """The name that a person gave to a cluster, else its number."""
    return notes[card.cluster.key].name or f"Cluster {card.cluster.id}"


def show_list(clustered: ClusteredStudy) -> None:
    """Draw all clusters, the one that beats chance most first."""
    notes, damaged = _study_notes(clustered)
    if damaged:
        show_error(damaged)
    cards = [_collapsed(clustered, card) | {"name": notes[card.cluster.key].name} for card in clustered.cards]
    cluster_list(
        key="cluster-list",
        data={"cards": cards, "open": None, "empty": "No cluster."},
        on_open_change=lambda: _open(st.session_state["cluster-list"].get("open")),
    )


def _collapsed(clustered: ClusteredStudy, card: Card) -> dict[str, Any]:
    c, first = card.cluster, card.prompts[0]
    return {
        "key": c.key,
        "number": c.id,
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
    c, (notes, damaged) = card.cluster, _study_notes(clustered)
    _head(clustered, card, notes)
    _tools(clustered, card, notes, damaged)
    null_p, stability = ("–" if isnan(value) else f"{value:.2g}" for value in (c.null_p, c.stability))
    numbers = f"null p {null_p} · stability {stability} · {c.excess:.1f} sd above null clusters"
    first = f" (the first {PROMPTS})" if len(card.prompts) > PROMPTS else ""
    prompts = f"{count(len(card.prompts), 'prompt')}{first}: click one to trace it"
    strongest = f"Strongest of {count(len(card.ids), 'datapoint')}, by mean similarity"
    sections = [
        prompt_section(clustered, prompts, card.prompts[:PROMPTS]),
        datapoint_section(clustered, strongest, card.strongest, [row["similarity"] for row in card.strongest]),
    ]
    text = {"verdict": card.verdict, "figures": f"mean similarity {c.mean_similarity:.2f} · {numbers}"}
    show_lists(clustered, "card-rows", sections=sections, words=list(card.words), **text)
    for title, enriched in (("source", card.sources), ("label", card.labels)):
        if enriched:
            rows = [_enriched(e) for e in enriched[:8]]
            sources(key=f"card-{title}s", data={"head": [title, "in it", "lift", "p"], "rows": rows})


def _enriched(e: Enrichment) -> dict[str, Any]:
    cells = [f"{e.hits} / {e.total}", f"{e.lift:.1f}×", chance(e.p)]
    return {"name": e.source, "cells": cells, "sure": e.p < 0.01 and e.lift > 1, "chosen": False}


def _head(clustered: ClusteredStudy, card: Card, notes: dict[str, Note]) -> None:
    keys = ["", *(other.cluster.key for other in clustered.cards), ""]
    place = keys.index(card.cluster.key)
    before, after = keys[place - 1], keys[place + 1]
    name, number = _name(card, notes), f"Cluster {card.cluster.id}"
    also = f" &nbsp;`{number.lower()}`" if name != number else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        icon_button("arrow_back", "All clusters", "all-clusters", _open, "")
        st.markdown(f"**{plain(name)}**{also}", width="stretch")
        icon_button("chevron_left", "Previous cluster", "card-before", _open, before, disabled=not before)
        icon_button("chevron_right", "Next cluster", "card-after", _open, after, disabled=not after)


def _tools(clustered: ClusteredStudy, card: Card, notes: dict[str, Note], damaged: str) -> None:
    study, note = clustered.study.folder, notes[card.cluster.key]
    new = len(set(card.ids) - set(basket(study)))
    label = f"Add {new:,} to the basket" if new or not card.ids else "All in the basket"
    add = {"on_click": add_all, "args": (study, card.ids), "disabled": not new, "help": BASKET_HELP}
    with st.container(horizontal=True, gap="xsmall"):
        st.button(label, icon=":material/add_shopping_cart:", key="basket-cluster", **add)
        with st.popover("Name", icon=":material/edit:", key="naming"):
            _naming(clustered, card.cluster.key, note, damaged)
        if len(clustered.cards) > 1:
            with st.popover("Compare", icon=":material/compare_arrows:", key="comparing", width=120):
                _compare_box(clustered, card, notes)
    if note.note:
        st.markdown(f":material/sticky_note_2: {plain(note.note)}")


def _naming(clustered: ClusteredStudy, key: str, note: Note, damaged: str) -> None:
    name_key, note_key, disabled = f"name-{key}", f"note-{key}", bool(damaged)
    st.text_input("Name", note.name, key=name_key, max_chars=80, disabled=disabled)
    st.text_area("Note", note.note, key=note_key, max_chars=4000, disabled=disabled)

    def save() -> None:
        try:
            new = Note(st.session_state[name_key].strip(), st.session_state[note_key].strip())
            write_note(clustered.study.folder, key, new)
        except ExplorerError as error:
            st.session_state["note-refused"] = str(error)

    st.button("Save", type="primary", key="save-note", on_click=save, disabled=disabled)
    if refused := damaged or st.session_state.pop("note-refused", ""):
        show_error(refused)
    st.caption("Kept in the study folder, in cluster-notes.json, for this group of prompts.")


def _compare_box(clustered: ClusteredStudy, card: Card, notes: dict[str, Note]) -> None:
    """Choose another cluster, and compare words, datapoints and similarities."""
    others = {other.cluster.key: other for other in clustered.cards if other is not card}
    options = {key: f"{other.cluster.id}: {_name(other, notes)}" for key, other in others.items()}
    other = others[link.select("Compare with", "versus", options, next(iter(options)))]
    c, one, two = compare_clusters(clustered.clusters, card, other), card.cluster, other.cluster
    words = {"both": c.shared_words, f"{one.id} alone": c.words[0], f"{two.id} alone": c.words[1]}
    crossed = zip(((one.id, two.id), (two.id, one.id)), c.cross, strict=True)
    means = [f"{a}'s prompts with {b}'s datapoints {mean:+.2f}" for (a, b), mean in crossed if not isnan(mean)]
    means += [f"{cluster.id}'s with its own {cluster.mean_similarity:+.2f}" for cluster in (one, two)]
    sentences = [
        *(f"Words of {which}: {', '.join(group) or 'none'}" for which, group in words.items()),
        f"Of the {c.top:,} datapoints most similar to each, {c.overlap:,} are the same ({c.overlap / c.top:.0%}). "
        "A datapoint belongs to one cluster alone.",
        f"Mean similarity: {'; '.join(means)}",
        f"Over all datapoints their similarities correlate with r = {c.correlation:.2f}",
    ]
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in sentences))
