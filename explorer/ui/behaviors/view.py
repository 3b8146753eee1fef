"""What of the clusters is on screen: which card is open, which part of matrix and map is looked at and selected.

All of it stands in the link, but the names, notes and tags, which are kept in the study.
"""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st

from explorer.behaviors.cards import Card, annotated
from explorer.behaviors.matrix_view import Cells, OrderedMatrix, Window, first_window
from explorer.behaviors.notes import Note, read_notes
from explorer.behaviors.projection import MapView
from explorer.behaviors.selection import Brush, Selection, card_within, cards_within, select
from explorer.errors import ExplorerError
from explorer.ranking.table import row_number
from explorer.ui import link
from explorer.ui.behaviors.state import ClusteredStudy, cells, datapoint_map, ordered

NO_PLACES = {"cluster": None, "prompt": None, "datapoint": None}
NO_SELECTION = {"window": None, "brush": None}
NO_VIEW = NO_PLACES | NO_SELECTION | {"map": None}
"""Keys of the link that name what was clicked, what is selected, and what is looked at altogether."""


@dataclass(frozen=True, eq=False)
class OnScreen:
    """The clusters as they are looked at.

    Attributes:
        all_cards: of the whole cut, with what people wrote on them; ``cards`` are those inside the selection.
        opened: the card that is open, of what is selected of it.
        window: of the matrix; ``brush`` and ``zoomed``: of the map.
        selection: what window and brush select together; None where nothing is left out.
        marked: (row of the prompt, row of the datapoint) that was clicked.
        damaged: what is wrong with the file of notes, if anything.
    """

    clustered: ClusteredStudy
    all_cards: list[Card]
    cards: list[Card]
    opened: Card | None
    window: Window
    brush: Brush | None
    zoomed: MapView
    selection: Selection | None
    marked: tuple[int | None, int | None]
    damaged: str

    @property
    def matrix(self) -> OrderedMatrix:
        """The matrix in the order of its trees."""
        return ordered(self.clustered.clusters)

    @cached_property
    def cells(self) -> Cells:
        """The cells of the window."""
        return cells(self.clustered.clusters, self.window)

    @property
    def opened_number(self) -> int:
        """Number of the open cluster, 0 for none."""
        return self.opened.cluster.id if self.opened else 0

    @property
    def mark_places(self) -> tuple[int | None, int | None]:
        """Where in the drawing of the matrix the marked prompt and datapoint stand."""
        matrix, (row, column) = self.matrix, self.marked
        return _place(matrix.rows, row), _place(matrix.columns, column)

    @property
    def inside(self) -> np.ndarray | None:
        """(n,) bool: the selected datapoints; None where nothing is left out."""
        return self.selection.datapoints if self.selection else None

    @property
    def brushed_cells(self) -> np.ndarray | None:
        """(c,) bool: columns of cells with a datapoint in the brush; None without a brush."""
        if not self.brush or not self.selection:
            return None
        edges, brushed = self.cells.column_edges, self.selection.datapoints[self.matrix.columns]
        return np.add.reduceat(brushed[: edges[-1]], edges[:-1]) > 0


def on_screen(clustered: ClusteredStudy) -> OnScreen:
    """Read the link and the study's notes."""
    try:
        notes, damaged = read_notes(clustered.study.folder), ""
    except ExplorerError as error:
        notes, damaged = dict[str, Note](), str(error)
    matrix, all_cards, table = ordered(clustered.clusters), annotated(clustered.cards, notes), clustered.corpus.table
    opened = next((card for card in all_cards if card.cluster.key == link.get("cluster")), None)
    if opened is None and link.get("cluster"):
        link.tell_absent("cluster", instead="all clusters")
    chosen, brush = _link_window(matrix), Brush.parse(link.get("brush"))
    points = None
    if brush:
        with st.spinner("Placing the datapoints on a map"):
            points = datapoint_map(clustered.clusters).result()
    selection = select(matrix, table.num_rows, chosen, points, brush)
    cards = cards_within(all_cards, selection, clustered.prompts, table)
    window = chosen or first_window(matrix, opened.cluster if opened else None)
    if opened and selection:
        opened = card_within(opened, selection, clustered.prompts, table)
    zoomed, marked = MapView.parse(link.get("map")), _marked(clustered)
    return OnScreen(clustered, all_cards, cards, opened, window, brush, zoomed, selection, marked, damaged)


def _link_window(matrix: OrderedMatrix) -> Window | None:
    """The window that the link names; None where it names none that there is."""
    if link.get("window") == "all":
        return matrix.whole
    m, n = matrix.values.shape
    if places := re.fullmatch(r"(\d{1,9})-(\d{1,9})-(\d{1,9})-(\d{1,9})", link.get("window")):
        top, bottom, left, right = map(int, places.groups())
        if top < bottom <= m and left < right <= n:
            return Window((top, bottom), (left, right))
    return None


def _marked(clustered: ClusteredStudy) -> tuple[int | None, int | None]:
    row, datapoint = (
        clustered.prompt_rows.get(link.get("prompt")),
        row_number(clustered.corpus.table, link.get("datapoint")),
    )
    for name, place in (("prompt", row), ("datapoint", datapoint)):
        if place is None and link.get(name):
            link.tell_absent(name)
    return row, datapoint


def _place(order: np.ndarray, number: int | None) -> int | None:
    return next(iter(np.flatnonzero(order == number).tolist()), None)


def show_selection(screen: OnScreen) -> None:
    """Draw what is selected, as a button that lets go of it."""
    if screen.selection:
        label = f"{screen.selection.describe()} selected · clear"
        about = "Show all datapoints and the whole matrix again. The selection stands in the link."
        icon = ":material/filter_alt_off:"
        st.button(label, icon=icon, key="clear-selection", help=about, on_click=link.put, args=(NO_SELECTION,))
