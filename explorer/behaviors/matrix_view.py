"""The drawing of a similarity matrix: a window of it in the order of both trees, in cells that a screen can show."""

from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

import numpy as np

from explorer.behaviors.clusters import Cluster, Clusters
from explorer.behaviors.tree import datapoint_tree

CELLS, LINKS = (400, 600), 160
"""Rows and columns drawn at most, more as means of neighbours; links drawn of a tree, the highest of the window."""
LARGE = (400, 6_000)
"""Prompts and datapoints above which the drawing opens on the window around the selection."""
MOST_MEMBERS, SATURATION = 0.8, 98
"""Share of a cluster's datapoints in the window around it; percentile of |similarity| at which colours saturate."""


@dataclass(frozen=True)
class Window:
    """Rows and columns of the drawing, each (first, one past the last)."""

    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True)
class OrderedMatrix:
    """Similarities (m, n) in the order of the two Ward trees, without datapoints that are never ranked.

    Attributes:
        rows, columns: (m,) the prompt and (n,) the datapoint at each place.
        row_tree, column_tree: links (…, 5) of the dendrograms, see ``tree_links``.
        scale: |similarity| at which colours saturate; 0 where all are 0.
        reduction: see ``DatapointTree``.
    """

    values: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    row_tree: np.ndarray
    column_tree: np.ndarray
    scale: float
    reduction: str

    @property
    def whole(self) -> Window:
        """The window of everything."""
        return Window((0, len(self.rows)), (0, len(self.columns)))


@dataclass(frozen=True)
class Cells:
    """A window in cells: ``values`` (r, c) are means over the places between neighbouring edges (r + 1,), (c + 1,).

    ``row_links`` and ``column_links`` are the links of the trees that lie within the window.
    """

    values: np.ndarray
    row_edges: np.ndarray
    column_edges: np.ndarray
    row_links: np.ndarray
    column_links: np.ndarray


def order_matrix(clusters: Clusters) -> OrderedMatrix:
    """Reorder a matrix by both trees; links the datapoints, which takes seconds where they are many."""
    ranked = np.flatnonzero(clusters.matrix.ranked)
    values = clusters.matrix.values[:, ranked]
    columns, rows = datapoint_tree(values), clusters.tree.order
    leaf_places = np.bincount(columns.leaf, np.argsort(columns.order) + 0.5) / np.bincount(columns.leaf)
    sizes = np.abs(values if values.size < 2_000_000 else values.ravel()[:: values.size // 1_000_000])
    return OrderedMatrix(
        values=np.ascontiguousarray(values[np.ix_(rows, columns.order)]),
        rows=rows,
        columns=ranked[columns.order],
        row_tree=tree_links(clusters.tree.linkage, np.argsort(rows) + 0.5),
        column_tree=tree_links(columns.linkage, leaf_places),
        scale=float(np.percentile(sizes, SATURATION)),
        reduction=columns.reduction,
    )


def tree_links(linkage: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """(k − 1, 5) left place, its height, right place, its height, height of each merge of a scipy linkage.

    ``leaves`` (k,): the place of each leaf; a merge lies in the middle of its two branches.
    """
    nodes, links = [(place, 0.0) for place in leaves], []
    for a, b, distance, _ in linkage:
        left, right = sorted((nodes[int(a)], nodes[int(b)]), key=itemgetter(0))
        links.append((*left, *right, distance))
        nodes.append(((left[0] + right[0]) / 2, distance))
    return np.array(links).reshape(-1, 5)


def window_cells(matrix: OrderedMatrix, window: Window, most: tuple[int, int] = CELLS) -> Cells:
    """Divide a window into at most ``most`` (rows, columns) of cells."""
    (top, bottom), (left, right) = window.rows, window.columns
    rows, columns = edges(top, bottom, most[0]), edges(left, right, most[1])
    sums = np.add.reduceat(matrix.values[top:bottom, left:right], columns[:-1] - left, axis=1, dtype=np.float64)
    means = np.add.reduceat(sums, rows[:-1] - top, axis=0) / np.diff(rows)[:, None] / np.diff(columns)
    row_links, column_links = _within(matrix.row_tree, top, bottom), _within(matrix.column_tree, left, right)
    return Cells(means.astype(np.float32), rows, columns, row_links, column_links)


def edges(first: int, last: int, most: int) -> np.ndarray:
    """(cells + 1,) places that cut first..last into at most ``most`` cells, as even as can be."""
    count = min(last - first, most)
    return first + np.arange(count + 1) * (last - first) // count


def window_around(matrix: OrderedMatrix, cluster: Cluster) -> Window:
    """A cluster's prompts, and the shortest run of columns that holds most of its datapoints; with a margin."""
    m, n = matrix.values.shape
    prompts = np.flatnonzero(np.isin(matrix.rows, cluster.prompts))
    rows = _with_margin(prompts[0], prompts[-1], m)
    members = np.flatnonzero(np.isin(matrix.columns, cluster.datapoints))
    if not len(members):
        return Window(rows, (0, n))
    more = max(0, round(MOST_MEMBERS * len(members)) - 1)
    start = (members[more:] - members[: len(members) - more]).argmin()
    return Window(rows, _with_margin(members[start], members[start + more], n))


def first_window(matrix: OrderedMatrix, cluster: Cluster | None) -> Window:
    """Everything; of a large matrix the window around the selected cluster."""
    large = matrix.values.shape[0] > LARGE[0] or matrix.values.shape[1] > LARGE[1]
    return window_around(matrix, cluster) if large and cluster is not None else matrix.whole


def most_common(labels: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """(cells,) the label that most places of a cell have; ``labels`` (places,) are whole numbers from 0."""
    return np.array([np.bincount(labels[a:b]).argmax() for a, b in pairwise(cuts.tolist())])


def strongest_within(matrix: OrderedMatrix, window: Window) -> tuple[int, int]:
    """(prompt, datapoint) with the largest similarity of a window."""
    top, left = window.rows[0], window.columns[0]
    block = matrix.values[slice(*window.rows), slice(*window.columns)]
    row, column = np.unravel_index(block.argmax(), block.shape)
    return int(matrix.rows[top + row]), int(matrix.columns[left + column])


def _within(links: np.ndarray, first: int, last: int) -> np.ndarray:
    inside = links[(links[:, 0] >= first) & (links[:, 2] <= last)]
    return inside[np.sort(np.argsort(-inside[:, 4], kind="stable")[:LINKS])]


def _with_margin(first: int, last: int, end: int) -> tuple[int, int]:
    margin = max(2, (last + 1 - first) // 12)
    return int(max(0, first - margin)), int(min(end, last + 1 + margin))
