"""Downloads of the Behaviors page: cards, assignment, matrix and map as they are on screen, made when clicked."""

import json

import numpy as np
import streamlit as st
from matplotlib.figure import Figure

from explorer.behaviors.cards import Card
from explorer.behaviors.matrix_view import most_common
from explorer.behaviors.report import assignment_csv, heading, summary, to_json
from explorer.figures.caption import Caption, save_captioned
from explorer.figures.cards_page import cards_html
from explorer.figures.clusters import MatrixMarks, cluster_legend, map_figure, matrix_figure
from explorer.ui.behaviors.state import datapoint_map
from explorer.ui.behaviors.view import OnScreen
from explorer.ui.downloads import format_buttons
from explorer.ui.icons import icon_alone
from explorer.ui.link_names import shared_address


def downloads(screen: OnScreen) -> None:
    """Draw a popover with all files."""
    address = shared_address()
    files = {
        "clusters.html": ("Cards (HTML)", "text/html", lambda: _html(screen, address)),
        "clusters.csv": ("Datapoints (CSV)", "text/csv", lambda: _csv(screen)),
        "clusters.json": ("Clusters (JSON)", "application/json", lambda: _json(screen)),
    }
    about, key = "Download what is on screen", "behaviors-files"
    with icon_alone(key).popover(about, icon=":material/download:", help=about, key=key):
        st.caption(f"As on screen: {_extent(screen)}")
        with st.container(horizontal=True, gap="small"):
            for file, (label, mime, make) in files.items():
                st.download_button(label, make, file, mime, on_click="ignore", key=file, help=f"Save {file}")
        st.caption("The matrix")
        format_buttons(lambda kind: _matrix(screen, kind, address), "clusters-matrix", "matrix")
        if datapoint_map(screen.clustered.clusters).done():
            st.caption("The map of the datapoints")
            format_buttons(lambda kind: _map(screen, kind, address), "clusters-map", "map")


def _cards(screen: OnScreen) -> list[Card]:
    """The open card, else those of the list."""
    return [screen.opened] if screen.opened else screen.cards


def _extent(screen: OnScreen) -> str:
    which = f"cluster {screen.opened_number}" if screen.opened else f"{len(screen.cards)} clusters"
    selected = f", {screen.selection.describe()}" if screen.selection else ""
    return f"{which} of {len(screen.all_cards)}{selected}"


def _title(screen: OnScreen) -> str:
    return heading(screen.clustered.study.name, screen.clustered.clusters)


def _summary(screen: OnScreen) -> str:
    return summary(screen.clustered.clusters, screen.clustered.cut, screen.selection)


def _captioned(screen: OnScreen, figure: Figure, kind: str, address: str, more: str = "") -> bytes:
    """A figure under its title, what was compared, and the address of the page."""
    caption = Caption(_title(screen), legend=f"{_summary(screen)} {more}", link=address)
    return save_captioned(figure, caption, kind)


def _html(screen: OnScreen, address: str) -> str:
    models = screen.clustered.clusters.matrix.prompts.models
    return cards_html(_title(screen), _summary(screen), _cards(screen), models, address)


def _json(screen: OnScreen) -> str:
    clustered = screen.clustered
    values = to_json(clustered.clusters, clustered.cut, _cards(screen), selection=screen.selection)
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"


def _csv(screen: OnScreen) -> str:
    table = screen.clustered.corpus.table
    rows = np.ones(table.num_rows, dtype=bool) if screen.inside is None else screen.inside
    if screen.opened:
        rows = rows & (screen.clustered.datapoint_clusters == screen.opened_number)
    return assignment_csv(screen.all_cards, table, rows)


def _matrix(screen: OnScreen, kind: str, address: str) -> bytes:
    return _captioned(screen, matrix_of(screen), kind, address)


def matrix_of(screen: OnScreen) -> Figure:
    """Return the matrix as it is on screen."""
    matrix, drawn, clustered = screen.matrix, screen.cells, screen.clustered
    rows = most_common(clustered.prompt_clusters[matrix.rows], drawn.row_edges)
    columns = most_common(clustered.datapoint_clusters[matrix.columns], drawn.column_edges)
    legend = cluster_legend(screen.all_cards, screen.opened_number)
    marks = MatrixMarks(*screen.mark_places, screen.brushed_cells)
    return matrix_figure(drawn, rows, columns, legend, matrix.scale, marks)


def _map(screen: OnScreen, kind: str, address: str) -> bytes:
    clustered = screen.clustered
    points = datapoint_map(clustered.clusters).result()
    outline = screen.brush.outline if screen.brush else None
    figure = map_figure(
        points,
        clustered.datapoint_clusters,
        cluster_legend(screen.all_cards, screen.opened_number),
        screen.zoomed,
        outline,
        screen.inside,
        screen.marked[1],
    )
    return _captioned(screen, figure, kind, address, points.note)
