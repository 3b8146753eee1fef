"""Charts of the Training data page: score distribution, two methods against each other, layer curves."""

import html
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from explorer.figures.style import ACCENT, FAINT, GREY, PALETTE
from explorer.ranking.null import Null
from explorer.ui.picture_table import as_table

BINS = 48
UNDER_ONE = 0.6
"""Where the marks of the rows on screen stand on the logarithmic axis of the histogram: below one row."""
NULL_BAND = "rgba(124, 92, 224, .16)"
"""The accent, faint: where the scores of unrelated questions lie."""
DASHES = ("dot", "dash", "longdash", "dashdot", "longdashdot")
WEBGL_FROM = 5000
MOST_LABELS = 10
"""Labels with a colour of their own in the scatter plot, the most frequent ones."""
CONFIG = {"displayModeBar": False}


def safe(text: str, most: int = 40) -> str:
    """Escape a text for a chart, which would read it as HTML, and cut it."""
    return html.escape(text if len(text) <= most else text[: most - 1] + "…")


def show_distribution(scores: np.ndarray, keep: np.ndarray, on_page: Sequence[int], null: Null | None = None) -> None:
    """Draw a histogram of all scores, of those that the filter keeps, and marks for the rows on screen.

    ``null``: drawn as a band, where the scores of unrelated questions lie, and a line at what few of them exceed.
    """
    ranked = scores[~np.isnan(scores)]
    if not len(ranked):
        st.caption("No datapoint can be ranked.")
        return
    span = ranked if null is None else np.append(ranked, null.edges[[0, -1]])
    edges = np.histogram_bin_edges(span, BINS)
    most = np.histogram(ranked, edges)[0].max()
    figure = go.Figure()
    for values, colour, name in ((ranked, FAINT, "in all"), (scores[keep], GREY, "listed")):
        figure.add_bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=np.histogram(values, edges)[0],
            width=np.diff(edges),
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate="%{y} " + name + ", score %{x:.2f}<extra></extra>",
        )
    if null is not None:
        _add_null(figure, null, edges)
    figure.add_scatter(
        x=scores[on_page],
        y=np.full(len(on_page), UNDER_ONE),
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 9, "color": ACCENT, "line": {"width": 1.5}},
        hovertemplate="on screen: %{x:.3f}<extra></extra>",
        cliponaxis=False,
    )
    _lay_out(figure, 140)
    figure.update_layout(barmode="overlay", showlegend=False)
    figure.update_yaxes(type="log", visible=False, range=np.log10([UNDER_ONE * 0.8, most * 1.15]).tolist())
    figure.update_xaxes(nticks=5, zeroline=False)
    st.plotly_chart(figure, key="distribution", config=CONFIG, alt="Distribution of the scores")
    _distribution_table(edges, ranked, scores[keep], null)


def _distribution_table(edges: np.ndarray, ranked: np.ndarray, listed: np.ndarray, null: Null | None) -> None:
    """Draw the histogram's table: rows of each bin, and the median of unrelated questions where there is a null."""
    counts = [np.histogram(values, edges)[0] for values in (ranked, listed)]
    head = ["score from", "to", "in all", "listed"]
    bins = [[f"{low:.3f}", f"{high:.3f}"] for low, high in pairwise(edges)]
    rows = [[*ends, *(f"{n:,}" for n in cells)] for ends, *cells in zip(bins, *counts, strict=True)]
    if null is not None:
        head.append("unrelated questions")
        rows = [[*row, f"{usual:.1f}"] for row, usual in zip(rows, null.band(edges)[1], strict=True)]
    as_table("distribution", head, rows)


def _add_null(figure: go.Figure, null: Null, edges: np.ndarray) -> None:
    """Draw the band of the null's histograms, 5th to 95th percentile of questions, and its line."""
    middles, (low, usual, high) = (edges[1:] + edges[:-1]) / 2, null.band(edges).clip(UNDER_ONE * 0.8)
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_scatter(x=middles, y=low, **band)
    figure.add_scatter(x=middles, y=high, fill="tonexty", fillcolor=NULL_BAND, **band)
    hover = "unrelated questions: %{y:.1f}, score %{x:.2f}<extra></extra>"
    line = {"color": ACCENT, "width": 1, "dash": "dot"}
    figure.add_scatter(x=middles, y=usual, mode="lines", line=line, hovertemplate=hover)
    figure.add_vline(null.unusual, line={"color": ACCENT, "width": 1.2, "dash": "dash"})


def chance(p: float) -> str:
    """Write a p-value in two digits; a dash for none."""
    if np.isnan(p):
        return "–"
    if p >= 0.001:
        return f"{p:.2g}" if p >= 0.01 else f"{p:.1g}"
    return "<1e-300" if p < 1e-300 else f"{p:.0e}".replace("e-0", "e-")


def show_scatter(one: np.ndarray, other: np.ndarray, names: tuple[str, str], labels: np.ndarray) -> None:
    """Draw every datapoint by its two scores, coloured by label."""
    both = ~(np.isnan(one) | np.isnan(other))
    kind = go.Scattergl if both.sum() > WEBGL_FROM else go.Scatter
    figure = go.Figure()
    counts = Counter(labels[both].tolist())
    common = [name for name, _ in counts.most_common(MOST_LABELS)]
    usual = next((name for name in ("clean", "") if name in counts), None)
    groups = {name: labels == name for name in sorted(common, key=lambda name: name != usual)}
    if len(counts) > MOST_LABELS:
        groups["other labels"] = ~np.isin(labels, common)
    for number, (name, labelled) in enumerate(groups.items()):
        rows = labelled & both
        colour = FAINT if name == usual else PALETTE[number % len(PALETTE)]
        marker = {"size": 5, "color": colour, "opacity": 0.85}
        hover = "%{x:.3f}, %{y:.3f}<extra>" + safe(name or "no label") + "</extra>"
        legend = safe(name or "no label", 24)
        figure.add_trace(
            kind(x=one[rows], y=other[rows], mode="markers", name=legend, marker=marker, hovertemplate=hover)
        )
    _lay_out(figure, 340)
    figure.update_layout(showlegend=len(counts) > 1)
    figure.update_xaxes(title=f"score, {names[0]}")
    figure.update_yaxes(title=f"score, {names[1]}", visible=True)
    st.plotly_chart(figure, key="scatter", config=CONFIG, alt="Scores of two methods")
    middle = lambda values: f"{np.median(values):.3f}" if len(values) else "–"  # noqa: E731
    shown = {name: labelled & both for name, labelled in groups.items()}
    rows = [[name or "no label", f"{at.sum():,}", middle(one[at]), middle(other[at])] for name, at in shown.items()]
    head = ["label", "datapoints", *(f"median score, {name}" for name in names)]
    as_table("scatter", head, rows, "As a table, by label")


def show_layer_curve(curves: dict[str, list[tuple[int, float]]], flat: dict[str, float]) -> None:
    """Draw average precision by layer, a line a method; methods without a layer as level lines, each dashed its way."""
    figure = go.Figure()
    layers = sorted({layer for points in curves.values() for layer, _ in points})
    ends = (layers[0] - 0.5, layers[-1] + 0.5) if layers else (0, 1)
    for number, (name, points) in enumerate(curves.items()):
        xs, ys = zip(*sorted(points), strict=True)
        hover = "layer %{x}: %{y:.3f}<extra>" + safe(name) + "</extra>"
        line = {"color": PALETTE[number % len(PALETTE)]}
        figure.add_scatter(x=xs, y=ys, mode="lines+markers", name=safe(name), line=line, hovertemplate=hover)
    for number, (name, value) in enumerate(flat.items()):
        line = {"color": GREY, "dash": DASHES[number % len(DASHES)], "width": 1.4}
        figure.add_scatter(x=ends, y=[value, value], mode="lines", name=safe(name), line=line, hoverinfo="name+y")
    _lay_out(figure, 320)
    figure.update_layout(showlegend=True)
    figure.update_xaxes(title="layer", tickvals=layers)
    figure.update_yaxes(title="average precision", range=[0, 1.03], visible=True)
    st.plotly_chart(figure, key="layer-curve", config=CONFIG, alt="Average precision by layer")
    rows = [[name, layer, f"{value:.3f}"] for name, points in curves.items() for layer, value in sorted(points)]
    rows += [[name, "none", f"{value:.3f}"] for name, value in flat.items()]
    as_table("layer-curve", ["method", "layer", "average precision"], rows)


def _lay_out(figure: go.Figure, height: int) -> None:
    figure.update_layout(
        height=height,
        margin={"l": 4, "r": 4, "t": 6, "b": 4},
        legend={"orientation": "v", "font": {"size": 11}},
        hoverlabel={"font": {"size": 12}},
    )
    figure.update_xaxes(fixedrange=True, automargin=True)
    figure.update_yaxes(fixedrange=True, automargin=True)
