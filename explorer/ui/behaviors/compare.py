"""Two clusters compared."""

from math import isnan

import streamlit as st

from explorer.behaviors.cards import Card
from explorer.behaviors.nearest import ClusterComparison, compare_clusters
from explorer.ui import link
from explorer.ui.behaviors.state import ClusteredStudy
from explorer.ui.text import plain


def compare_box(clustered: ClusteredStudy, card: Card, names: dict[str, str]) -> None:
    """Choose another cluster, and compare words, datapoints and similarities. ``names``: by ``Cluster.key``."""
    others = {other.cluster.key: other for other in clustered.cards if other is not card}
    options = {key: f"{other.cluster.id}: {names[key]}" for key, other in others.items()}
    other = others[link.select("Compare with", "versus", options, next(iter(options)))]
    comparison = compare_clusters(clustered.clusters, card, other)
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in sentences(comparison, card, other)))


def sentences(comparison: ClusterComparison, card: Card, other: Card) -> list[str]:
    """The comparison in sentences."""
    pair, (first, second) = (card.cluster, other.cluster), comparison.words
    one, two = pair[0].id, pair[1].id
    words = [
        ("Words of both", comparison.shared_words),
        (f"Words of {one} alone", first),
        (f"Words of {two} alone", second),
    ]
    crossed = zip(((one, two), (two, one)), comparison.cross, strict=True)
    means = [f"{a}'s prompts with {b}'s datapoints {mean:+.2f}" for (a, b), mean in crossed if not isnan(mean)]
    within = [f"{c.id}'s with its own {c.mean_similarity:+.2f}" for c in pair]
    return [
        *(f"{title}: {', '.join(group) or 'none'}" for title, group in words),
        f"Of the {comparison.top:,} datapoints most similar to each, {comparison.overlap:,} are the same "
        f"({comparison.overlap / comparison.top:.0%}). A datapoint belongs to one cluster alone.",
        f"Mean similarity: {'; '.join([*means, *within])}",
        f"Over all datapoints their similarities correlate with r = {comparison.correlation:.2f}",
    ]
