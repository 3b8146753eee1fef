"""Two clusters against each other."""

from math import isnan

import streamlit as st

from explorer.behaviors.cards import Card
from explorer.behaviors.nearest import Versus, versus
from explorer.ui.behaviors.state import Scene
from explorer.ui.link_old import linked_select
from explorer.ui.session import plain


def compare_box(shown: Scene, card: Card, names: dict[str, str]) -> None:
    """Choose the other cluster; words, datapoints and similarities of both. ``names``: of the clusters by key."""
    others = {
        key: f"{shown.card(key).cluster.id}: {name}"  # pyright: ignore[reportOptionalMemberAccess]
        for key, name in names.items()
        if key != card.cluster.key
    }
    with_key = linked_select("Compare with", "versus", others, next(iter(others)))
    other = shown.card(with_key)
    assert other is not None
    said = _compared(shown, card, other)
    st.markdown("\n".join(f"- {line}" for line in lines_of(said, card, other)))


def _compared(shown: Scene, card: Card, other: Card) -> Versus:
    return versus(shown.found, card, other)


def lines_of(said: Versus, card: Card, other: Card) -> list[str]:
    """The comparison in sentences."""
    one, two = card.cluster.id, other.cluster.id
    words = [
        ("Words of both", said.shared),
        (f"Words of {one} alone", said.one),
        (f"Words of {two} alone", said.other),
    ]
    found = [f"{title}: {plain(', '.join(own)) or 'none'}" for title, own in words]
    found.append(
        f"Of the {said.of:,} datapoints most similar to each, {said.same:,} are the same "
        f"({said.same / said.of:.0%}). A datapoint belongs to one cluster alone."
    )
    crossed = zip(((one, two), (two, one)), said.cross, strict=True)
    means = [f"{a}'s prompts with {b}'s datapoints {v:+.2f}" for (a, b), v in crossed if not isnan(v)]
    own = [f"{c.id}'s with its own {c.mean_similarity:+.2f}" for c in (card.cluster, other.cluster)]
    found.append(f"Mean similarity: {'; '.join([*means, *own])}".replace("+", "\\+").replace("-", "\\-"))
    found.append(
        f"Over all datapoints their similarities correlate with r = {said.correlation:.2f}".replace("-", "\\-")
    )
    return found
