"""The drawing of a similarity matrix: a window of it in the order of both trees, in cells that a screen can show."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from explorer.behaviors.clusters import Cluster, Clusters
from explorer.behaviors.tree import DatapointTree, datapoint_tree

CELLS = (400, 600)
"""Rows and columns drawn at most; more are drawn as means of neighbours."""
LARGE = (400, 6_000)
"""Prompts or datapoints above which the drawing opens on the window around the selection."""
MOST_MEMBERS = 0.8
"""Share of a cluster's datapoints that the window around it holds."""
LINKS = 160
"""Links drawn of a tree: the highest of the window."""
SATURATION = 98
"""Percentile of |similarity| at which colours saturate."""


@dataclass(frozen=True)
class Window:
    """Rows and columns of the drawing, each (first, one past the last)."""

    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True)
class OrderedMatrix:
    """A matrix in the order of its two Ward trees; datapoints that are never ranked are left out.

    Attributes:
        values: (m, n) similarities, reordered.
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
    """A window in cells.

    Attributes:
        values: (r, c) means over the places between neighbouring edges.
        row_edges, column_edges: (r + 1,) and (c + 1,) places.
        row_links, column_links: links of the trees that lie within the window.
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
    sizes = np.abs(values if values.size < 2_000_000 else values.ravel()[:: values.size // 1_000_000])
    return OrderedMatrix(
        values=np.ascontiguousarray(values[np.ix_(rows, columns.order)]),
        rows=rows,
        columns=ranked[columns.order],
        row_tree=tree_links(clusters.tree.linkage, _centres(np.arange(len(rows)), rows)),
        column_tree=tree_links(columns.linkage, _leaf_centres(columns)),
        scale=float(np.percentile(sizes, SATURATION)),
        reduction=columns.reduction,
    )


def tree_links(linkage: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """(k − 1, 5) left place, its height, right place, its height, height of each merge of a scipy linkage.

    ``leaves`` (k,): the place of each leaf; a merge lies in the middle of its two branches.
    """
    k = len(leaves)
    place, height = np.zeros(2 * k - 1), np.zeros(2 * k - 1)
    place[:k] = leaves
    links = np.zeros((len(linkage), 5))
    for i, (a, b, distance, _) in enumerate(linkage):
        left, right = sorted((int(a), int(b)), key=lambda node: place[node])
        links[i] = place[left], height[left], place[right], height[right], distance
        place[k + i], height[k + i] = (place[left] + place[right]) / 2, distance
    return links


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
    rows = _with_margin(int(prompts.min()), int(prompts.max()) + 1, m)
    members = np.flatnonzero(np.isin(matrix.columns, cluster.datapoints))
    if not len(members):
        return Window(rows, (0, n))
    need = max(1, round(MOST_MEMBERS * len(members)))
    spans = members[need - 1 :] - members[: len(members) - need + 1]
    start = int(spans.argmin())
    return Window(rows, _with_margin(int(members[start]), int(members[start + need - 1]) + 1, n))


def first_window(matrix: OrderedMatrix, cluster: Cluster | None) -> Window:
    """Everything; of a large matrix the window around the selected cluster."""
    large = matrix.values.shape[0] > LARGE[0] or matrix.values.shape[1] > LARGE[1]
    return window_around(matrix, cluster) if large and cluster is not None else matrix.whole


def most_common(labels: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """(cells,) the label that most places of a cell have; ``labels`` (places,) are whole numbers from 0."""
    if (np.diff(cuts) == 1).all():
        return labels[cuts[0] : cuts[-1]]
    return np.array([np.bincount(labels[a:b]).argmax() for a, b in pairwise(cuts.tolist())])


def strongest_within(matrix: OrderedMatrix, window: Window) -> tuple[int, int]:
    """(prompt, datapoint) with the largest similarity of a window."""
    top, left = window.rows[0], window.columns[0]
    block = matrix.values[slice(*window.rows), slice(*window.columns)]
    row, column = np.unravel_index(block.argmax(), block.shape)
    return int(matrix.rows[top + row]), int(matrix.columns[left + column])


def _centres(places: np.ndarray, order: np.ndarray) -> np.ndarray:
    centres = np.empty(len(order))
    centres[order] = places + 0.5
    return centres


def _leaf_centres(tree: DatapointTree) -> np.ndarray:
    """The mean place of each leaf's datapoints."""
    places = _centres(np.arange(len(tree.order)), tree.order)
    return np.bincount(tree.leaf, places) / np.bincount(tree.leaf)


def _within(links: np.ndarray, first: int, last: int) -> np.ndarray:
    inside = links[(links[:, 0] >= first) & (links[:, 2] <= last)] if len(links) else links
    return inside[np.sort(np.argsort(-inside[:, 4], kind="stable")[:LINKS])]


def _with_margin(first: int, last: int, end: int) -> tuple[int, int]:
    margin = max(2, (last - first) // 12)
    return max(0, first - margin), min(end, last + margin)
