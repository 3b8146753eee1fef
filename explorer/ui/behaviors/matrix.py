"""The left of the Behaviors page: the similarity matrix between its trees, and the map of the datapoints under it."""

import base64
from typing import Any

import numpy as np
import streamlit as st

from explorer.behaviors.matrix_view import Window, most_common, strongest_within, window_around
from explorer.behaviors.projection import MAX_ZOOM, MapView
from explorer.behaviors.selection import Brush
from explorer.limits import BRUSH_POINTS
from explorer.ui import components, link
from explorer.ui.behaviors.lists import icon_button, open_datapoint, trace
from explorer.ui.behaviors.state import ClusteredStudy, datapoint_lines, datapoint_map
from explorer.ui.behaviors.view import OnScreen
from explorer.ui.picture_table import as_table
from explorer.ui.text import one_line, plain

MATRIX_HELP = (
    "Cosine of every prompt (row) with every training example (column). Rows and columns stand in the order of their "
    "Ward trees; the strips give the clusters. Colours saturate at the 98th percentile of the sizes. A dragged box "
    "zooms and selects what is in it. Keys: arrows walk the cells, Page up and down the clusters, Enter clicks."
)
MAP_HELP = (
    "Drag to select, with a rectangle, or with the lasso after a click on its button; the hand moves the map. A click "
    "on an empty place lets go. Keys: arrows walk the points, with Shift they draw a rectangle, Enter selects or opens."
)


def show_matrix(screen: OnScreen) -> None:
    """Draw the matrix; a click on a cell selects its prompt, its datapoint and its cluster, a dragged box zooms."""
    clustered, opened = screen.clustered, screen.opened
    components.similarity(
        key="similarity",
        data=_matrix_data(screen),
        on_picked_change=lambda: _pick_cell(screen),
        on_window_change=lambda: _zoom(screen, _box("window")),
        on_own_change=lambda: _zoom(screen, window_around(screen.matrix, opened.cluster) if opened else None),
        on_cluster_change=lambda: _select(clustered, st.session_state["similarity"].get("cluster")),
    )
    st.caption(_size(screen), help=f"{MATRIX_HELP} {screen.matrix.reduction}")
    _show_table(screen, "matrix", "mean similarity", _matrix_rows(screen))


def _matrix_data(screen: OnScreen) -> dict[str, Any]:
    clustered, matrix, drawn = screen.clustered, screen.matrix, screen.cells
    rows, columns = drawn.row_edges, drawn.column_edges
    lines = datapoint_lines(clustered.study)
    prompts = [clustered.prompts[i] for i in matrix.rows[rows[:-1]]]
    scaled = np.clip(drawn.values / (matrix.scale or 1) * 127, -127, 127).round().astype(np.int8)
    brushed = screen.brushed_cells
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
        "titles": _titles(screen),
        "mark": list(screen.mark_places),
        "brushed": None if brushed is None else brushed.tolist(),
        "selected": screen.opened_number,
    }


def _titles(screen: OnScreen) -> list[str]:
    """What each cluster is called, by number; 0 is no cluster."""
    return ["no cluster", *(card.title for card in screen.all_cards)]


def _matrix_rows(screen: OnScreen) -> list[list[str]]:
    """For each cluster: prompts and datapoints in the window, and the mean similarity of those."""
    matrix, clustered, window, rows = screen.matrix, screen.clustered, screen.window, []
    values = matrix.values[slice(*window.rows), slice(*window.columns)]
    prompts = clustered.prompt_clusters[matrix.rows[slice(*window.rows)]]
    datapoints = clustered.datapoint_clusters[matrix.columns[slice(*window.columns)]]
    for number, title in enumerate(_titles(screen)):
        inside = prompts == number, datapoints == number
        counts = [int(part.sum()) for part in inside]
        mean = f"{values[np.ix_(*inside)].mean():+.2f}" if all(counts) else "–"
        if number and any(counts):
            rows.append([str(number), title, *(f"{n:,}" for n in counts), mean])
    return rows


def _show_table(screen: OnScreen, key: str, last: str, rows: list[list[str]]) -> None:
    """A picture's figures as a table that opens under it."""
    as_table(key, ["cluster", "name", "prompts", "datapoints", last], rows)


def _size(screen: OnScreen) -> str:
    matrix, window, drawn = screen.matrix, screen.window, screen.cells
    sizes = [last - first for first, last in (window.rows, window.columns)]
    shares = zip(sizes, matrix.values.shape, ("prompts", "datapoints"), strict=True)
    parts = [f"{size:,}{f' of {total:,}' if size < total else ''} {what}" for size, total, what in shares]
    r, c = drawn.values.shape
    means = f", {r:,} × {c:,} means of neighbours" if sizes != [r, c] else ""
    return f"{' × '.join(parts)}{means}. Drag to zoom; click a cell."


def _zoom(screen: OnScreen, window: Window | None) -> None:
    if window:
        places = map(str, (*window.rows, *window.columns))
        link.put(window="all" if window == screen.matrix.whole else "-".join(places))


def _box(event: str) -> Window | None:
    """Where the drawing was clicked or dragged."""
    if box := st.session_state["similarity"].get(event):
        top, bottom, left, right = map(int, box)
        return Window((top, max(bottom, top + 1)), (left, max(right, left + 1)))
    return None


def _pick_cell(screen: OnScreen) -> None:
    if box := _box("picked"):
        clustered = screen.clustered
        prompt, datapoint = strongest_within(screen.matrix, box)
        link.put(prompt=clustered.prompts[prompt].id, datapoint=clustered.datapoint_id(datapoint))
        _select(clustered, int(clustered.prompt_clusters[prompt]))


def _select(clustered: ClusteredStudy, number: int | None) -> None:
    if number:
        link.put(cluster=clustered.cut[number - 1].key, view=None)


def show_picked(screen: OnScreen) -> None:
    """Draw what was clicked: the prompt, the datapoint, how similar they are, and buttons to trace and open them."""
    clustered, (row, column) = screen.clustered, screen.marked
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


def show_map(screen: OnScreen) -> None:
    """Draw the map where it is ready; until then a line that says so, checked again every second."""
    if datapoint_map(screen.clustered.clusters).done():
        _draw_map(screen)
    else:
        _wait_for_map(screen.clustered)


@st.fragment(run_every=1.0)
def _wait_for_map(clustered: ClusteredStudy) -> None:
    if datapoint_map(clustered.clusters).done():
        st.rerun()
    st.caption(":material/hourglass_top: Placing the datapoints on a map")


def _draw_map(screen: OnScreen) -> None:
    clustered = screen.clustered
    points, lines = datapoint_map(clustered.clusters).result(), datapoint_lines(clustered.study)
    inside = None if screen.inside is None else screen.inside[points.rows].tolist()
    data = {
        "points": base64.b64encode((points.points * 32767).round().astype("<i2").tobytes()).decode(),
        "rows": points.rows.tolist(),
        "clusters": clustered.datapoint_clusters[points.rows].tolist(),
        "texts": [lines[i] for i in points.rows],
        "colours": clustered.colours,
        "titles": _titles(screen),
        "selected": screen.opened_number,
        "mark": screen.marked[1],
        "scene": clustered.clusters.digest,
        "view": [screen.zoomed.zoom, screen.zoomed.x, screen.zoomed.y],
        "brush": (screen.brush.outline * 1000).round().tolist() if screen.brush else None,
        "inside": inside,
        "limits": {"corners": BRUSH_POINTS, "zoom": MAX_ZOOM},
    }
    components.datapoint_map(
        key="datapoint-map",
        data=data,
        on_picked_change=lambda: _pick_point(clustered),
        on_brush_change=_brush,
        on_view_change=_move_map,
    )
    about = f"Each point is a datapoint in its cluster's colour, grey ones belong to none. {points.note}"
    st.caption("Drag to select datapoints; click a point.", help=f"{about} {MAP_HELP}")
    _show_table(screen, "map", "selected on the map", _map_rows(screen, points.rows))


def _map_rows(screen: OnScreen, drawn: np.ndarray) -> list[list[str]]:
    """For each cluster: its prompts, its datapoints, and those of them on the map that are selected."""
    clustered, rows = screen.clustered, []
    inside = np.ones(len(drawn), dtype=bool) if screen.inside is None else screen.inside[drawn]
    numbers = clustered.datapoint_clusters[drawn]
    for number, title in enumerate(_titles(screen)):
        counts = (clustered.prompt_clusters, clustered.datapoint_clusters, numbers[inside])
        rows.append([str(number or "–"), title, *(f"{(values == number).sum():,}" for values in counts)])
    return rows


def _pick_point(clustered: ClusteredStudy) -> None:
    row = st.session_state["datapoint-map"].get("picked")
    if row is not None:
        link.put(datapoint=clustered.datapoint_id(int(row)), prompt=None)
        _select(clustered, int(clustered.datapoint_clusters[int(row)]))


def _brush() -> None:
    text = st.session_state["datapoint-map"].get("brush")
    if text is not None:
        brush = Brush.parse(text)
        link.put(brush=str(brush) if brush else None)


def _move_map() -> None:
    text = st.session_state["datapoint-map"].get("view")
    if text is not None:
        zoomed = MapView.parse(text)
        link.put(map=str(zoomed) if zoomed.zoom > 1000 else None)
