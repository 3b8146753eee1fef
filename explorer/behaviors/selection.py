"""What of a study is selected: a brush on the map of the datapoints, and a window of the matrix."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pyarrow as pa

from explorer.behaviors.cards import Card, datapoint_ids, strongest_rows
from explorer.behaviors.matrix_view import OrderedMatrix, Window
from explorer.behaviors.projection import DatapointMap
from explorer.behaviors.prompts import AnsweredPrompt
from explorer.limits import BRUSH_POINTS

_UNIT = 1000
"""Steps of a brush's coordinates in one unit of the map."""


@dataclass(frozen=True)
class Brush:
    """A part of the map: a rectangle by two opposite corners, or a polygon by three points or more.

    ``points``: (x, y) in thousandths of the map's units, so that a link that holds them is short and exact.
    """

    points: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``x,y,x,y,…`` as ``str`` writes it; None for anything else, and for more than ``BRUSH_POINTS``."""
        parts = text.split(",")
        if len(parts) not in range(4, 2 * BRUSH_POINTS + 1, 2) or not all(
            re.fullmatch(r"-?[0-9]{1,4}", part) for part in parts
        ):
            return None
        numbers = list(map(int, parts))
        return cls(tuple(zip(numbers[::2], numbers[1::2], strict=True)))

    def __str__(self) -> str:
        return ",".join(f"{x},{y}" for x, y in self.points)

    @property
    def outline(self) -> np.ndarray:
        """(k, 2) corners of the part in the map's units; four for a rectangle."""
        corners = np.array(self.points) / _UNIT
        if len(corners) == 2:
            (left, top), (right, bottom) = corners
            corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        return corners

    def holds(self, points: np.ndarray) -> np.ndarray:
        """(p,) bool: which of the points (p, 2) lie in it; a polygon that crosses itself holds by the even-odd rule."""
        if len(self.points) == 2:
            corners = self.outline
            return ((points >= corners.min(0)) & (points <= corners.max(0))).all(1)
        inside, (x, y) = np.zeros(len(points), dtype=bool), points.T
        for (x0, y0), (x1, y1) in zip(self.outline, np.roll(self.outline, -1, axis=0), strict=True):
            if y0 != y1:
                inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        return inside


@dataclass(frozen=True)
class Selection:
    """Prompts (m,) and datapoints (n,) that are selected, as bool; all prompts are where only the map is brushed."""

    prompts: np.ndarray
    datapoints: np.ndarray

    def describe(self) -> str:
        """Count what is selected, in words."""
        text = f"{self.datapoints.sum():,} of {len(self.datapoints):,} datapoints"
        if not self.prompts.all():
            text += f" and {self.prompts.sum():,} of {len(self.prompts):,} prompts"
        return text


def select(
    matrix: OrderedMatrix, n: int, window: Window | None, points: DatapointMap | None, brush: Brush | None
) -> Selection | None:
    """Return what lies both in a window of the matrix and in a brush on the map; None where there is neither.

    ``n``: datapoints of the study. Those that are not on the map are in no brush.
    """
    if window in (None, matrix.whole) and (brush is None or points is None):
        return None
    window = window or matrix.whole
    rows, columns = np.zeros(len(matrix.rows), dtype=bool), np.zeros(n, dtype=bool)
    rows[matrix.rows[slice(*window.rows)]] = True
    columns[matrix.columns[slice(*window.columns)]] = True
    if brush and points:
        brushed = np.zeros(n, dtype=bool)
        brushed[points.rows[brush.holds(points.points)]] = True
        columns &= brushed
    return Selection(rows, columns)


def card_within(card: Card, selection: Selection, prompts: Sequence[AnsweredPrompt], table: pa.Table) -> Card:
    """Return a card that lists only what is selected; its verdict, words, sources and summary stay the cluster's."""
    cluster = card.cluster
    inside = selection.datapoints[cluster.datapoints]
    members, values = cluster.datapoints[inside], cluster.similarities[inside]
    return replace(
        card,
        ids=datapoint_ids(table, members),
        similarities=values,
        prompts=tuple(prompts[i] for i in cluster.prompts[selection.prompts[cluster.prompts]]),
        strongest=strongest_rows(table, members, values),
    )


def cards_within(
    cards: Sequence[Card], selection: Selection | None, prompts: Sequence[AnsweredPrompt], table: pa.Table
) -> list[Card]:
    """Keep the cards some of whose prompts and some of whose datapoints are selected, see ``card_within``."""
    if selection is None:
        return list(cards)
    within = (card_within(card, selection, prompts, table) for card in cards)
    return [card for card in within if card.prompts and card.ids]
