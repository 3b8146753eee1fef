"""The left of the Behaviors page: the similarity matrix between its trees, and the map of the datapoints under it."""

import base64
import re
from typing import Any

import numpy as np
import streamlit as st

from explorer.behaviors.cards import Card
from explorer.behaviors.matrix_view import (
    Cells,
    OrderedMatrix,
    Window,
    first_window,
    most_common,
    strongest_within,
    window_around,
)
from explorer.ranking.table import row_number
from explorer.ui import components, link
from explorer.ui.behaviors.lists import icon_button, open_datapoint, trace
from explorer.ui.behaviors.state import ClusteredStudy, cells, datapoint_lines, datapoint_map, ordered
from explorer.ui.text import one_line, plain

MATRIX_HELP = (
    "Cosine of every prompt (row) with every training example (column). Rows and columns stand in the order of their "
    "Ward trees; the strips give the clusters. Colours saturate at the 98th percentile of the sizes."
)


def show_matrix(clustered: ClusteredStudy, selected: Card | None) -> None:
    """Draw the matrix; a click on a cell selects its prompt, its datapoint and its cluster, a dragged box zooms."""
    matrix = ordered(clustered.clusters)
    window = current_window(matrix, selected)
    drawn = cells(clustered.clusters, window)
    components.similarity(
        key="similarity",
        data=_matrix_data(clustered, matrix, drawn) | {"selected": selected.cluster.id if selected else 0},
        on_picked_change=lambda: _pick_cell(clustered, matrix),
        on_window_change=lambda: _zoom(matrix, _box("window")),
        on_own_change=lambda: _zoom(matrix, window_around(matrix, selected.cluster) if selected else None),
        on_cluster_change=lambda: _select(clustered, st.session_state["similarity"].get("cluster")),
    )
    st.caption(_size(matrix, drawn, window), help=f"{MATRIX_HELP} {matrix.reduction}")


def _matrix_data(clustered: ClusteredStudy, matrix: OrderedMatrix, drawn: Cells) -> dict[str, Any]:
    rows, columns = drawn.row_edges, drawn.column_edges
    lines = datapoint_lines(clustered.study)
    prompts = [clustered.prompts[i] for i in matrix.rows[rows[:-1]]]
    scaled = np.clip(drawn.values / (matrix.scale or 1) * 127, -127, 127).round().astype(np.int8)
    row, column = picked(clustered)
    return {
        "cells": base64.b64encode(scaled.tobytes()).decode(),
        "scale": matrix.scale,
        "rows": rows.tolist(),
        "columns": columns.tolist(),
        "total": list(matrix.values.shape),
        "order": matrix.columns[columns[0] : columns[-1]].tolist(),
        "rowClusters": most_common(clustered.prompt_clusters[matrix.rows], rows).tolist(),
        "columnClusters": most_common(clustered.datapoint_clusters[matrix.columns], columns).tolist(),
        "rowTexts": [[one_line(p.prompt), one_line(p.answer)] for p in prompts],
        "columnTexts": [lines[i] for i in matrix.columns[columns[:-1]]],
        "rowLinks": np.round(drawn.row_links, 3).tolist(),
        "columnLinks": np.round(drawn.column_links, 3).tolist(),
        "colours": clustered.colours,
        "mark": [_place(matrix.rows, row), _place(matrix.columns, column)],
    }


def _place(order: np.ndarray, number: int | None) -> int | None:
    return next(iter(np.flatnonzero(order == number).tolist()), None)


def _size(matrix: OrderedMatrix, drawn: Cells, window: Window) -> str:
    sizes = [last - first for first, last in (window.rows, window.columns)]
    shares = zip(sizes, matrix.values.shape, ("prompts", "datapoints"), strict=True)
    parts = [f"{size:,}{f' of {total:,}' if size < total else ''} {what}" for size, total, what in shares]
    r, c = drawn.values.shape
    means = f", {r:,} × {c:,} means of neighbours" if sizes != [r, c] else ""
    return f"{' × '.join(parts)}{means}. Drag to zoom; click a cell."


def current_window(matrix: OrderedMatrix, selected: Card | None) -> Window:
    """The link's window where it is one, else the one that the drawing opens on."""
    if link.get("window") == "all":
        return matrix.whole
    m, n = matrix.values.shape
    if places := re.fullmatch(r"(\d{1,9})-(\d{1,9})-(\d{1,9})-(\d{1,9})", link.get("window")):
        top, bottom, left, right = map(int, places.groups())
        if top < bottom <= m and left < right <= n:
            return Window((top, bottom), (left, right))
    return first_window(matrix, selected.cluster if selected else None)


def _zoom(matrix: OrderedMatrix, window: Window | None) -> None:
    if window:
        places = map(str, (*window.rows, *window.columns))
        link.put(window="all" if window == matrix.whole else "-".join(places))


def _box(event: str) -> Window | None:
    """Where the drawing was clicked or dragged."""
    if box := st.session_state["similarity"].get(event):
        top, bottom, left, right = map(int, box)
        return Window((top, max(bottom, top + 1)), (left, max(right, left + 1)))
    return None


def _pick_cell(clustered: ClusteredStudy, matrix: OrderedMatrix) -> None:
    if box := _box("picked"):
        prompt, datapoint = strongest_within(matrix, box)
        link.put(prompt=clustered.prompts[prompt].id, datapoint=clustered.datapoint_id(datapoint))
        _select(clustered, int(clustered.prompt_clusters[prompt]))


def _select(clustered: ClusteredStudy, number: int | None) -> None:
    if number:
        link.put(cluster=clustered.cut[number - 1].key, view=None)


def picked(clustered: ClusteredStudy) -> tuple[int | None, int | None]:
    """(row of the prompt in the matrix, row of the datapoint in the study) that the link names."""
    datapoint = link.get("datapoint")
    row = row_number(clustered.corpus.table, datapoint) if datapoint else None
    return clustered.prompt_rows.get(link.get("prompt")), row


def show_picked(clustered: ClusteredStudy) -> None:
    """Draw what was clicked: the prompt, the datapoint, how similar they are, and buttons to trace and open them."""
    row, column = picked(clustered)
    if row is None and column is None:
        return
    prompt, values, facts = clustered.prompts[row] if row is not None else None, clustered.clusters.matrix.values, []
    if prompt:
        facts.append(f"**{plain(one_line(prompt.prompt, 60))}** → {plain(one_line(prompt.answer, 60))}")
    if column is not None:
        facts.append(f"datapoint *{plain(one_line(datapoint_lines(clustered.study)[column], 60))}*")
    if row is not None and column is not None and not np.isnan(values[row, column]):
        facts.append(f"similarity {values[row, column]:+.2f}")
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="xsmall", key="picked"):
        st.caption(" · ".join(facts), width="stretch")
        if prompt and prompt.other is not None:
            icon_button("ink_highlighter", "Trace this prompt", "trace-picked", trace, clustered.study, prompt)
        if column is not None:
            name = clustered.datapoint_id(column)
            icon_button("dataset", "Open this training example", "open-picked", open_datapoint, name)
        icon_button("close", "Unmark", "unmark", link.put, {"prompt": None, "datapoint": None})


def show_map(clustered: ClusteredStudy, selected: Card | None) -> None:
    """Draw the map where it is ready; until then a line that says so, checked again every second."""
    if datapoint_map(clustered.clusters).done():
        _draw_map(clustered, selected)
    else:
        _wait_for_map(clustered)


@st.fragment(run_every=1.0)
def _wait_for_map(clustered: ClusteredStudy) -> None:
    if datapoint_map(clustered.clusters).done():
        st.rerun()
    st.caption(":material/hourglass_top: Placing the datapoints on a map")


def _draw_map(clustered: ClusteredStudy, selected: Card | None) -> None:
    points, lines = datapoint_map(clustered.clusters).result(), datapoint_lines(clustered.study)
    data = {
        "points": base64.b64encode((points.points * 32767).round().astype("<i2").tobytes()).decode(),
        "rows": points.rows.tolist(),
        "clusters": clustered.datapoint_clusters[points.rows].tolist(),
        "texts": [lines[i] for i in points.rows],
        "colours": clustered.colours,
        "selected": selected.cluster.id if selected else 0,
        "mark": picked(clustered)[1],
        "scene": clustered.clusters.digest,
    }
    components.datapoint_map(key="datapoint-map", data=data, on_picked_change=lambda: _pick_point(clustered))
    st.caption(f"Each point is a datapoint in its cluster's colour, grey ones belong to none. {points.note}")


def _pick_point(clustered: ClusteredStudy) -> None:
    row = st.session_state["datapoint-map"].get("picked")
    if row is not None:
        link.put(datapoint=clustered.datapoint_id(int(row)), prompt=None)
        _select(clustered, int(clustered.datapoint_clusters[int(row)]))
