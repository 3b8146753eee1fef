"""Downloads of the Behaviors page: cards, assignment, matrix and map; made when they are clicked."""

import streamlit as st

from explorer.behaviors.cards import Card
from explorer.behaviors.matrix_view import most_common
from explorer.behaviors.report import assignment_csv, summary
from explorer.figures.cards_page import cards_html
from explorer.figures.clusters import map_figure, matrix_figure
from explorer.figures.save import save_figure
from explorer.ui.behaviors.matrix import current_window
from explorer.ui.behaviors.state import ClusteredStudy, cells, datapoint_map, ordered
from explorer.ui.downloads import format_buttons


def downloads(clustered: ClusteredStudy, selected: Card | None) -> None:
    """Draw a popover with all files."""
    cut, cards, table = clustered.cut, clustered.cards, clustered.corpus.table
    name, note = f"Behaviors of {clustered.study.name}", summary(clustered.clusters, cut)
    title, models = note.split(". ", maxsplit=1)[0], clustered.clusters.matrix.prompts.models
    files = {
        "clusters.html": ("Cards (HTML)", "text/html", lambda: cards_html(name, note, cards, models)),
        "clusters.csv": ("Datapoints by cluster (CSV)", "text/csv", lambda: assignment_csv(cut, table)),
    }
    with st.popover("", icon=":material/download:", help="Download", key="behaviors-files"):
        with st.container(horizontal=True, gap="small"):
            for file, (label, mime, make) in files.items():
                st.download_button(label, make, file, mime, on_click="ignore", key=file)
        st.caption("The matrix as it is on screen")
        format_buttons(lambda kind: _matrix(clustered, selected, title, kind), "clusters-matrix", "matrix")
        if datapoint_map(clustered.clusters).done():
            st.caption("The map of the datapoints")
            format_buttons(lambda kind: _map(clustered, title, kind), "clusters-map", "map")


def _matrix(clustered: ClusteredStudy, selected: Card | None, title: str, kind: str) -> bytes:
    matrix = ordered(clustered.clusters)
    drawn = cells(clustered.clusters, current_window(matrix, selected))
    rows = most_common(clustered.prompt_clusters[matrix.rows], drawn.row_edges)
    columns = most_common(clustered.datapoint_clusters[matrix.columns], drawn.column_edges)
    return save_figure(matrix_figure(drawn, rows, columns, len(clustered.cut), matrix.scale, title), kind, title)


def _map(clustered: ClusteredStudy, title: str, kind: str) -> bytes:
    points = datapoint_map(clustered.clusters).result()
    figure = map_figure(points, clustered.datapoint_clusters, len(clustered.cut), title)
    return save_figure(figure, kind, title, points.note)
