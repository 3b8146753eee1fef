"""The right of the Behaviors page: the clusters as cards, and one of them opened."""

from math import isnan
from typing import Any

import numpy as np
import streamlit as st

from explorer.behaviors.cards import Card
from explorer.behaviors.nearest import compare_clusters
from explorer.behaviors.notes import Note, write_note
from explorer.errors import ExplorerError, count
from explorer.ranking.metrics import Enrichment
from explorer.ui import link
from explorer.ui.basket import add_all, basket
from explorer.ui.behaviors.lists import datapoint_section, icon_button, prompt_section, show_lists
from explorer.ui.behaviors.view import OnScreen
from explorer.ui.components import cluster_list, sources
from explorer.ui.text import plain, show_error
from explorer.ui.training_data.charts import chance

PROMPTS, SELECTED = 150, 150
"""Prompts of a cluster, and selected datapoints, that are listed at most."""
TAGS = {"bad": "Bad", "wanted": "Wanted", "unknown": "Unknown"}
TAG_HELP = "What you think of it after reading its answers. No figure says so."
COMPARE_HELP = "What it shares with another cluster"
BASKET_HELP = "All datapoints listed for this cluster; a repair drops or swaps what is in the basket."


def show_list(screen: OnScreen) -> None:
    """Draw the clusters that the selection holds, the one that beats chance most first, and what is selected."""
    if screen.damaged:
        show_error(screen.damaged)
    empty = "No cluster has both prompts and datapoints in the selection." if screen.selection else "No cluster."
    cluster_list(
        key="cluster-list",
        data={"cards": [_collapsed(screen, card) for card in screen.cards], "open": None, "empty": empty},
        on_open_change=lambda: _open(st.session_state["cluster-list"].get("open")),
    )
    if screen.selection:
        _show_selected(screen)


def _collapsed(screen: OnScreen, card: Card) -> dict[str, Any]:
    c, first = card.cluster, card.prompts[0]
    return {
        "key": c.key,
        "number": c.id,
        "name": card.note.name,
        "tag": card.note.tag,
        "chip": card.chip,
        "state": "yes" if c.emergent else "no",
        "verdict": card.verdict,
        "figures": card.sizes.replace("datapoints", "data"),
        "summary": list(card.summary),
        "prompt": first.prompt[:200],
        "heads": screen.clustered.answer_heads(first, short=True),
        "now": first.answer[:240],
        "then": (first.other or "–")[:240],
        "colour": screen.clustered.colours[c.id],
    }


def _show_selected(screen: OnScreen) -> None:
    """Draw the selected datapoints of all clusters and of none, those most similar to their clusters first."""
    clustered, selection = screen.clustered, screen.selection
    assert selection is not None
    scores = np.full(len(selection.datapoints), -np.inf)
    for cluster in clustered.cut:
        scores[cluster.datapoints] = cluster.similarities
    rows = np.flatnonzero(selection.datapoints)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    first = f", the first {SELECTED}" if len(rows) > SELECTED else ""
    title = f"{count(len(rows), 'selected datapoint')}{first}, by similarity to their cluster"
    listed = rows[:SELECTED].tolist()
    values = [float(scores[row]) if np.isfinite(scores[row]) else None for row in listed]
    section = datapoint_section(clustered, title, [clustered.corpus.row(row) for row in listed], values)
    show_lists(clustered, "selected-rows", sections=[section])


def _open(key: str | None) -> None:
    if key is not None:
        link.put(cluster=key or None, prompt=None, datapoint=None)


def show_card(screen: OnScreen, card: Card) -> None:
    """Draw one cluster in full."""
    clustered, c = screen.clustered, card.cluster
    _head(screen, card)
    _tools(screen, card)
    null_p, stability = ("–" if isnan(value) else f"{value:.2g}" for value in (c.null_p, c.stability))
    numbers = f"null p {null_p} · stability {stability} · {c.excess:.1f} sd above null clusters"
    first = f" (the first {PROMPTS})" if len(card.prompts) > PROMPTS else ""
    prompts = f"{count(len(card.prompts), 'prompt')}{first}: click one to trace it"
    strongest = f"Strongest of {count(len(card.ids), 'datapoint')}, by mean similarity"
    if screen.selection:
        prompts, strongest = f"Selected: {prompts}", f"Selected: {strongest[0].lower()}{strongest[1:]}"
    sections = [
        prompt_section(clustered, prompts, card.prompts[:PROMPTS]),
        datapoint_section(clustered, strongest, card.strongest, [row["similarity"] for row in card.strongest]),
    ]
    text = {"verdict": card.verdict, "figures": f"mean similarity {c.mean_similarity:.2f} · {numbers}"}
    lines = {"summary": list(card.summary), "words": list(card.words)}
    show_lists(clustered, "card-rows", sections=sections, **text, **lines)
    for title, enriched in (("source", card.sources), ("label", card.labels)):
        if enriched:
            rows = [_enriched(e) for e in enriched[:8]]
            sources(key=f"card-{title}s", data={"head": [title, "in it", "lift", "p"], "rows": rows})


def _enriched(e: Enrichment) -> dict[str, Any]:
    cells = [f"{e.hits} / {e.total}", f"{e.lift:.1f}×", chance(e.p)]
    return {"name": e.source, "cells": cells, "sure": e.p < 0.01 and e.lift > 1, "chosen": False}


def _head(screen: OnScreen, card: Card) -> None:
    keys = ["", *(other.cluster.key for other in screen.cards), ""]
    place = keys.index(card.cluster.key) if card.cluster.key in keys else 0
    before, after = keys[max(place - 1, 0)], keys[min(place + 1, len(keys) - 1)]
    number = f"Cluster {card.cluster.id}"
    also = f" &nbsp;`{number.lower()}`" if card.title != number else ""
    tag = f" &nbsp;:gray-badge[{TAGS[card.note.tag]}]" if card.note.tag else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        icon_button("arrow_back", "All clusters", "all-clusters", _open, "")
        st.markdown(f"**{plain(card.title)}**{also}{tag}", width="stretch")
        icon_button("chevron_left", "Previous cluster", "card-before", _open, before, disabled=not before)
        icon_button("chevron_right", "Next cluster", "card-after", _open, after, disabled=not after)


def _tools(screen: OnScreen, card: Card) -> None:
    study = screen.clustered.study.folder
    new = len(set(card.ids) - set(basket(study)))
    label = f"Add {new:,} to the basket" if new or not card.ids else "All in the basket"
    add = {"on_click": add_all, "args": (study, card.ids), "disabled": not new, "help": BASKET_HELP}
    with st.container(horizontal=True, gap="xsmall"):
        st.button(label, icon=":material/add_shopping_cart:", key="basket-cluster", **add)
        with st.popover("Name", icon=":material/edit:", key="naming", help="Give it a name, a tag and a note"):
            _naming(screen, card)
        if len(screen.all_cards) > 1:
            with st.popover("Compare", icon=":material/compare_arrows:", key="comparing", width=120, help=COMPARE_HELP):
                _compare_box(screen, card)
    if card.note.note:
        st.markdown(f":material/sticky_note_2: {plain(card.note.note)}")


def _naming(screen: OnScreen, card: Card) -> None:
    key, note, disabled = card.cluster.key, card.note, bool(screen.damaged)
    name_key, note_key, tag_key = f"name-{key}", f"note-{key}", f"tag-{key}"
    st.text_input("Name", note.name, key=name_key, max_chars=80, disabled=disabled, help="Stands on card and exports")
    tags: dict[str, Any] = {"format_func": TAGS.get, "help": TAG_HELP, "disabled": disabled}
    st.segmented_control("Tag", list(TAGS), default=note.tag or None, key=tag_key, **tags)
    st.text_area(
        "Note", note.note, key=note_key, max_chars=4000, disabled=disabled, help="For those who come after you"
    )

    def save() -> None:
        state = st.session_state
        try:
            new = Note(state[name_key].strip(), state[note_key].strip(), state[tag_key] or "")
            write_note(screen.clustered.study.folder, key, new)
        except ExplorerError as error:
            state["note-refused"] = str(error)

    st.button("Save", type="primary", key="save-note", on_click=save, disabled=disabled, help="Into the study folder")
    if refused := screen.damaged or st.session_state.pop("note-refused", ""):
        show_error(refused)
    st.caption("Kept in the study folder, in cluster-notes.json, for this group of prompts, and in every download.")


def _compare_box(screen: OnScreen, card: Card) -> None:
    """Choose another cluster, and compare words, datapoints and similarities."""
    others = {other.cluster.key: other for other in screen.all_cards if other.cluster is not card.cluster}
    options = {key: f"{other.cluster.id}: {other.title}" for key, other in others.items()}
    other = others[
        link.select("Compare with", "versus", options, next(iter(options)), help="Words, datapoints, similarities")
    ]
    c, one, two = compare_clusters(screen.clustered.clusters, card, other), card.cluster, other.cluster
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
