"""What is drawn of a similarity matrix: a window of it in the order of both trees, in cells that a screen can show."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from explorer.behaviors.clusters import Cluster, Clustering
from explorer.behaviors.tree import Columns, grow_columns

CELLS = (400, 600)
"""Rows and columns drawn at most; more are drawn as means of neighbours."""
LARGE = (400, 6_000)
"""Subjects or datapoints above which the drawing opens on the window around the selection."""
LINKS = 160
"""Links drawn of a tree: the highest of the window."""
SATURATION = 98
"""Percentile of |similarity| at which colours saturate."""


@dataclass(frozen=True)
class Ordered:
    """A matrix in the order of its two Ward trees; datapoints that are never ranked are left out.

    Attributes:
        values: (m, n) similarities, reordered.
        rows, columns: (m,) the subject and (n,) the datapoint at each place.
        row_tree, column_tree: links (…, 5) of the dendrograms, see ``tree_links``.
        scale: |similarity| at which colours saturate; 0 where all are 0.
        reduction: what was done to make the tree of many datapoints, in words.
    """

    values: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    row_tree: np.ndarray
    column_tree: np.ndarray
    scale: float
    reduction: str

    @property
    def whole(self) -> "Window":
        """The window of everything."""
        return Window((0, len(self.rows)), (0, len(self.columns)))


@dataclass(frozen=True)
class Window:
    """Places of the drawing, each (first, one past the last)."""

    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True)
class View:
    """A window in cells: ``values`` (r, c) are means over the places between neighbouring ``row_edges`` (r + 1,) and
    ``column_edges`` (c + 1,); the trees' links lie within the window."""

    values: np.ndarray
    row_edges: np.ndarray
    column_edges: np.ndarray
    row_links: np.ndarray
    column_links: np.ndarray


def ordered(clustering: Clustering, seed: int = 0) -> Ordered:
    """Reorder a matrix by both trees; the columns' tree is made here (seconds for many datapoints)."""
    ranked = np.flatnonzero(clustering.matrix.ranked)
    values = clustering.matrix.values[:, ranked]
    grown, rows = grow_columns(values, seed), clustering.tree.order
    columns = grown.order
    strong = np.abs(values if values.size < 2_000_000 else values.ravel()[:: values.size // 1_000_000])
    return Ordered(
        np.ascontiguousarray(values[np.ix_(rows, columns)]),
        rows,
        ranked[columns],
        tree_links(clustering.tree.linkage, _centres(np.arange(len(rows)), rows)),
        tree_links(grown.linkage, _leaf_centres(grown)),
        float(np.percentile(strong, SATURATION)),
        grown.reduction,
    )


def tree_links(linkage: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """(k − 1, 5) left place, its height, right place, its height, height of each merge of a scipy linkage.

    ``leaves`` (k,): the place of each leaf; a merge lies in the middle of its two branches.
    """
    k = len(leaves)
    place, height = np.zeros(2 * k - 1), np.zeros(2 * k - 1)
    place[:k] = leaves
    made = np.zeros((len(linkage), 5))
    for i, (a, b, distance, _) in enumerate(linkage):
        one, other = sorted((int(a), int(b)), key=lambda node: place[node])
        made[i] = place[one], height[one], place[other], height[other], distance
        place[k + i], height[k + i] = (place[one] + place[other]) / 2, distance
    return made


def view(of: Ordered, window: Window, cells: tuple[int, int] = CELLS) -> View:
    """The cells of a window, at most so many rows and columns of them."""
    (top, bottom), (left, right) = window.rows, window.columns
    rows, columns = edges(top, bottom, cells[0]), edges(left, right, cells[1])
    part = np.add.reduceat(of.values[top:bottom, left:right], columns[:-1] - left, axis=1, dtype=np.float64)
    part = np.add.reduceat(part, rows[:-1] - top, axis=0) / np.diff(rows)[:, None] / np.diff(columns)
    row_links, column_links = _within(of.row_tree, top, bottom), _within(of.column_tree, left, right)
    return View(part.astype(np.float32), rows, columns, row_links, column_links)


def edges(first: int, last: int, most: int) -> np.ndarray:
    """(cells + 1,) places that cut first..last into at most ``most`` cells, as even as can be."""
    count = min(last - first, most)
    return first + np.arange(count + 1) * (last - first) // count


def around(of: Ordered, cluster: Cluster, share: float = 0.8) -> Window:
    """A cluster's prompts, and the shortest stretch of datapoints that holds ``share`` of its own; with a margin."""
    m, n = of.values.shape
    own = np.flatnonzero(np.isin(of.rows, cluster.subjects))
    rows = _margin(int(own.min()), int(own.max()) + 1, m)
    held = np.flatnonzero(np.isin(of.columns, cluster.datapoints))
    if not len(held):
        return Window(rows, (0, n))
    need = max(1, round(share * len(held)))
    spans = held[need - 1 :] - held[: len(held) - need + 1]
    start = int(spans.argmin())
    return Window(rows, _margin(int(held[start]), int(held[start + need - 1]) + 1, n))


def first_window(of: Ordered, cluster: Cluster | None) -> Window:
    """Everything; of a large matrix the window around the selected cluster."""
    large = of.values.shape[0] > LARGE[0] or of.values.shape[1] > LARGE[1]
    return around(of, cluster) if large and cluster is not None else of.whole


def most_common(labels: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """(cells,) the label that most places of a cell have; ``labels`` (places,) are whole numbers from 0."""
    if (np.diff(cuts) == 1).all():
        return labels[cuts[0] : cuts[-1]]
    return np.array([np.bincount(labels[a:b]).argmax() for a, b in pairwise(cuts.tolist())])


def strongest_within(of: Ordered, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[int, int]:
    """(subject, datapoint) with the largest similarity of a cell."""
    part = of.values[rows[0] : rows[1], columns[0] : columns[1]]
    row, column = np.unravel_index(part.argmax(), part.shape)
    return int(of.rows[rows[0] + row]), int(of.columns[columns[0] + column])


def _centres(places: np.ndarray, order: np.ndarray) -> np.ndarray:
    centres = np.empty(len(order))
    centres[order] = places + 0.5
    return centres


def _leaf_centres(grown: Columns) -> np.ndarray:
    """The mean place of each leaf's datapoints."""
    places = _centres(np.arange(len(grown.order)), grown.order)
    return np.bincount(grown.leaf, places) / np.bincount(grown.leaf)


def _within(links: np.ndarray, first: int, last: int) -> np.ndarray:
    inside = links[(links[:, 0] >= first) & (links[:, 2] <= last)] if len(links) else links
    return inside[np.sort(np.argsort(-inside[:, 4], kind="stable")[:LINKS])]


def _margin(first: int, last: int, end: int) -> tuple[int, int]:
    room = max(2, (last - first) // 12)
    return max(0, first - room), min(end, last + room)
