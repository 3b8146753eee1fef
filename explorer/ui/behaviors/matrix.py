"""The left of the Behaviors page: the similarity matrix between its trees, and the map of the datapoints under it."""

import base64
from typing import Any

import numpy as np
import streamlit as st

from explorer.behaviors.cards import Card
from explorer.behaviors.clusters import assignment
from explorer.behaviors.matrix_view import Ordered, Window, around, first_window, most_common, strongest_within
from explorer.ranking.table import row_number
from explorer.ui.behaviors.links import open_datapoint, trace
from explorer.ui.behaviors.state import Scene, cells, lines, map_of, ordering
from explorer.ui.components import datapoint_map, similarity
from explorer.ui.session import plain, put_query

CUT = 90
"""Characters of a prompt or an answer under the pointer."""


MATRIX_HELP = (
    "Cosine of every prompt (row) with every training example (column). Rows and columns stand in the order of their "
    "Ward trees; the strips give the clusters. Colours saturate at the 98th percentile of the sizes."
)


def show_matrix(shown: Scene, selected: Card | None) -> None:
    """The matrix; a click on a cell selects its prompt, its datapoint and its cluster, a dragged box zooms."""
    of = ordering(shown)
    window = window_of(of, selected)
    drawn = cells(shown, window)
    subjects, texts = shown.found.clustering.matrix.subjects, lines(shown.of.version, shown.of)
    rows, columns = drawn.row_edges, drawn.column_edges
    of_row, of_column = clusters_of(shown)
    scaled = np.clip(drawn.values / (of.scale or 1) * 127, -127, 127).round().astype(np.int8)
    first = [subjects[i] for i in of.rows[rows[:-1]]]
    similarity(
        key="similarity",
        data={
            "cells": base64.b64encode(scaled.tobytes()).decode(),
            "scale": of.scale,
            "rows": rows.tolist(),
            "columns": columns.tolist(),
            "total": list(of.values.shape),
            "order": of.columns[columns[0] : columns[-1]].tolist(),
            "rowClusters": most_common(of_row[of.rows], rows).tolist(),
            "columnClusters": most_common(of_column[of.columns], columns).tolist(),
            "rowTexts": [[_short(s.prompt), _short(s.answer)] for s in first],
            "columnTexts": [texts[i] for i in of.columns[columns[:-1]]],
            "rowLinks": np.round(drawn.row_links, 3).tolist(),
            "columnLinks": np.round(drawn.column_links, 3).tolist(),
            "colours": shown.colours,
            "selected": selected.cluster.id if selected else 0,
            "mark": _marks(shown, of),
        },
        on_picked_change=lambda: _pick(shown),
        on_window_change=lambda: _zoom(of),
        on_own_change=lambda: _zoom_to(of, selected),
        on_cluster_change=lambda: _select(shown, st.session_state["similarity"].get("cluster")),
    )
    st.caption(_about(of, drawn.values.shape, window), help=f"{MATRIX_HELP} {of.reduction}")


def _about(of: Ordered, drawn: tuple[int, ...], window: Window) -> str:
    (top, bottom), (left, right) = window.rows, window.columns
    m, n = of.values.shape
    rows, columns = (
        f"{shown:,}{f' of {every:,}' if shown < every else ''}"
        for shown, every in ((bottom - top, m), (right - left, n))
    )
    said = f"{rows} prompts × {columns} datapoints"
    if (bottom - top, right - left) != tuple(drawn):
        said += f", {drawn[0]:,} × {drawn[1]:,} means of neighbours"
    return f"{said}. Drag to zoom; click a cell."


def clusters_of(shown: Scene) -> tuple[np.ndarray, np.ndarray]:
    """(m,) and (n,): the number of each prompt's and each datapoint's cluster, 0 for none."""
    matrix = shown.found.clustering.matrix
    rows = np.zeros(len(matrix.subjects), dtype=int)
    for cluster in shown.clusters:
        rows[cluster.subjects] = cluster.id
    return rows, assignment(shown.clusters, matrix.values.shape[1])


def window_of(of: Ordered, selected: Card | None) -> Window:
    """The link's window where it is one, else where the drawing opens."""
    said = st.query_params.get("window", "")
    parts = [int(part) if part.isdecimal() and len(part) < 10 else -1 for part in said.split("-")]
    m, n = of.values.shape
    if len(parts) == 4 and 0 <= parts[0] < parts[1] <= m and 0 <= parts[2] < parts[3] <= n:
        return Window((parts[0], parts[1]), (parts[2], parts[3]))
    if said == "all":
        return of.whole
    return first_window(of, selected.cluster if selected else None)


def _write(of: Ordered, window: Window) -> None:
    whole = window == of.whole
    put_query(window="all" if whole else "-".join(map(str, (*window.rows, *window.columns))))


def _zoom(of: Ordered) -> None:
    if asked := st.session_state["similarity"].get("window"):
        top, bottom, left, right = (int(x) for x in asked)
        m, n = of.values.shape
        top, left = min(max(top, 0), m - 1), min(max(left, 0), n - 1)
        _write(of, Window((top, min(max(bottom, top + 1), m)), (left, min(max(right, left + 1), n))))


def _zoom_to(of: Ordered, selected: Card | None) -> None:
    if selected and st.session_state["similarity"].get("own"):
        _write(of, around(of, selected.cluster))


def _pick(shown: Scene) -> None:
    if asked := st.session_state["similarity"].get("picked"):
        top, bottom, left, right = (int(x) for x in asked)
        subject, datapoint = strongest_within(ordering(shown), (top, bottom), (left, right))
        name = shown.found.clustering.matrix.subjects[subject].id
        put_query(prompt=name, datapoint=_id(shown, datapoint))
        _select(shown, int(clusters_of(shown)[0][subject]))


def _select(shown: Scene, number: int | None) -> None:
    if number:
        put_query(cluster=shown.clusters[number - 1].key, view=None)


def _id(shown: Scene, row: int) -> str:
    return str(shown.of.table["id"][row].as_py())


def picked(shown: Scene) -> tuple[int | None, int | None]:
    """(prompt's row of the matrix, datapoint's row of the study) that the link names."""
    subjects, name = shown.found.clustering.matrix.subjects, st.query_params.get("prompt")
    row = next((i for i, s in enumerate(subjects) if s.id == name), None) if name else None
    named = st.query_params.get("datapoint")
    return row, row_number(shown.of.table, named) if named else None


def _marks(shown: Scene, of: Ordered) -> list[int | None]:
    def place(order: np.ndarray, number: int | None) -> int | None:
        there = np.flatnonzero(order == number) if number is not None else []
        return int(there[0]) if len(there) else None

    row, column = picked(shown)
    return [place(of.rows, row), place(of.columns, column)]


def show_picked(shown: Scene) -> None:
    """What was clicked: the prompt, the datapoint, how alike they are, and where to go from there."""
    row, column = picked(shown)
    if row is None and column is None:
        return
    matrix, said = shown.found.clustering.matrix, []
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="xsmall", key="picked"):
        if row is not None:
            prompt, answer = (plain(_short(t, 60)) for t in (matrix.subjects[row].prompt, matrix.subjects[row].answer))
            said.append(f"**{prompt}** → {answer}")
        if column is not None:
            said.append(f"datapoint *{plain(_short(lines(shown.of.version, shown.of)[column], 60))}*")
        if row is not None and column is not None and not np.isnan(matrix.values[row, column]):
            said.append(f"similarity {matrix.values[row, column]:+.2f}")
        st.caption(" · ".join(said), width="stretch")
        if row is not None and matrix.subjects[row].other is not None:
            st.button("", icon=":material/ink_highlighter:", help="Trace this prompt", key="trace-picked",
                      on_click=lambda: trace(shown.of.study, matrix.subjects[row]))  # fmt: skip
        if column is not None:
            name = _id(shown, column)
            st.button("", icon=":material/dataset:", help="Open this training example", key="open-picked",
                      on_click=lambda: open_datapoint(name))  # fmt: skip
        st.button("", icon=":material/close:", help="Unmark", key="unmark",
                  on_click=lambda: put_query(prompt=None, datapoint=None))  # fmt: skip


def show_map(shown: Scene, selected: Card | None) -> None:
    """The map where it is made; until then a line that says so, looked at again every second."""
    if map_of(shown).done():
        _draw_map(shown, selected)
    else:
        _wait(shown)


@st.fragment(run_every=1.0)
def _wait(shown: Scene) -> None:
    if map_of(shown).done():
        st.rerun()
    st.caption(":material/hourglass_top: Placing the datapoints on a map")


def _draw_map(shown: Scene, selected: Card | None) -> None:
    made = map_of(shown).result()
    texts, of = lines(shown.of.version, shown.of), clusters_of(shown)[1]
    data: dict[str, Any] = {
        "points": base64.b64encode((made.points * 32767).round().astype("<i2").tobytes()).decode(),
        "rows": made.rows.tolist(),
        "clusters": of[made.rows].tolist(),
        "texts": [texts[i] for i in made.rows],
        "colours": shown.colours,
        "selected": selected.cluster.id if selected else 0,
        "mark": picked(shown)[1],
        "scene": str(hash(shown.key[:-1])),
    }
    datapoint_map(key="datapoint-map", data=data, on_picked_change=lambda: _pick_point(shown))
    st.caption(f"Each point is a datapoint in its cluster's colour, grey ones belong to none. {made.note}")


def _pick_point(shown: Scene) -> None:
    row = st.session_state["datapoint-map"].get("picked")
    if row is not None:
        put_query(datapoint=_id(shown, int(row)), prompt=None)
        _select(shown, int(clusters_of(shown)[1][int(row)]))


def _short(text: str, most: int = CUT) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
