"""Downloads of the Behaviors page: cards, assignment, the matrix and the map; made when they are clicked."""

import streamlit as st

from explorer.behaviors.cards import Card, assignment_csv
from explorer.behaviors.matrix_view import most_common
from explorer.figures.cards_page import cards_html
from explorer.figures.clusters import map_file, matrix_file
from explorer.ui.behaviors.matrix import clusters_of, window_of
from explorer.ui.behaviors.state import Scene, cells, map_of, ordering
from explorer.ui.downloads import format_buttons


def downloads(shown: Scene, selected: Card | None) -> None:
    """A popover with all files."""
    note = shown.found.note(shown.clusters)
    with st.popover("", icon=":material/download:", help="Download", key="behaviors-files"):
        with st.container(horizontal=True, gap="small"):
            st.download_button(
                "Cards (HTML)", lambda: _cards(shown, note), "clusters.html", "text/html", on_click="ignore",
                key="cards-html",
            )  # fmt: skip
            st.download_button(
                "Datapoints by cluster (CSV)", lambda: assignment_csv(shown.clusters, shown.of.table).encode(),
                "clusters.csv", "text/csv", on_click="ignore", key="assignment-csv",
            )  # fmt: skip
        st.caption("The matrix as it is on screen")
        format_buttons(lambda kind: _matrix(shown, selected, note, kind), "clusters-matrix", "matrix")
        if map_of(shown).done():
            st.caption("The map of the datapoints")
            format_buttons(lambda kind: _map(shown, note, kind), "clusters-map", "map")


def _cards(shown: Scene, note: str) -> bytes:
    title = f"Behaviors of {shown.of.study.name}"
    return cards_html(title, note, shown.cards, shown.found.subjects.models).encode()


def _matrix(shown: Scene, selected: Card | None, note: str, kind: str) -> bytes:
    of, (rows, columns) = ordering(shown), clusters_of(shown)
    drawn = cells(shown, window_of(of, selected))
    by_row, by_column = (
        most_common(rows[of.rows], drawn.row_edges),
        most_common(columns[of.columns], drawn.column_edges),
    )
    return matrix_file(drawn, by_row.tolist(), by_column.tolist(), shown.colours, of.scale, _first(note), kind)


def _map(shown: Scene, note: str, kind: str) -> bytes:
    return map_file(map_of(shown).result(), clusters_of(shown)[1], shown.colours, _first(note), kind)


def _first(note: str) -> str:
    return note.split(". ", maxsplit=1)[0]
