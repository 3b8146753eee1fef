"""One token map as it is on screen, and how it is drawn into a figure: tokens as running text on their colours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, Rectangle

from explorer.figures.labels import printable, quoted
from explorer.figures.save import FONTS, styled
from explorer.figures.style import ACCENT_RGB, BLUE, INK, MUTED, RED
from explorer.model.prompts import Token
from explorer.trace.explain import RULES, Explanation, ranks_by_size

LINE = 0.235
"""Height of a line of tokens in inches."""
STRONG = 0.62
"""Share of full colour above which text on it is white."""
OPACITY = 0.85
"""Of full colour."""
_MARGIN, _HEAD = 0.1, 0.3  # inches
_SIZE, _TEMPLATE_SIZE = 9.0, 7.5  # points
_DPI = 300
_LONGEST = 80
"""Characters of one token that stand on one line."""
_MARK = 0.075
"""Width of the ± behind a token in inches."""
_STEPS = 24
"""Rectangles of the bar that shows the scale."""


@dataclass(frozen=True)
class TokenMap:
    """A map of the first n tokens of an explanation.

    Attributes:
        values: (n,) what the colours show, in ``unit``.
        scale: the |value| of full colour; 0 where there is none.
        signed: red above 0 and blue below; else one colour.
        measure: what values without a sign are called.
        caption: what stands above the map.
        selected: the token that is outlined, or None.
        compact: the template flows with the text.
        disputed: tokens whose sign the rules disagree on; they carry a ±.
        words: what is drawn in the place of the explanation's tokens (see ``trace.side_by_side.Cut.tokens``).
    """

    explanation: Explanation
    values: np.ndarray
    scale: float
    unit: str
    caption: str
    signed: bool = True
    measure: str = ""
    selected: int | None = None
    compact: bool = False
    disputed: frozenset[int] = frozenset()
    words: tuple[Token, ...] = ()

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens of the map, or its words."""
        return self.words or self.explanation.tokens[: len(self.values)]

    def strength(self, index: int) -> float:
        """Share of full colour of a token, 0..1."""
        return min(1.0, abs(float(self.values[index])) / self.scale) if self.scale > 0 else 0.0

    def colour(self, index: int) -> tuple[float, float, float, float]:
        """(red, green, blue, opacity) of a token's background, each 0..1."""
        value = self.values[index]
        base = (RED if value > 0 else BLUE) if self.signed else ACCENT_RGB
        return *base, OPACITY * self.strength(index)

    def hints(self) -> list[str]:
        """What is known of each token, in one line."""
        sign, ranks = "+" if self.signed else "", ranks_by_size(self.values)
        return [
            f"{t.text!r} · position {t.index} · {t.segment} · {value:{sign}.4g} {self.unit} · rank {rank}"
            + (" · ± the rules disagree on its sign" if t.index in self.disputed else "")
            for t, value, rank in zip(self.tokens, self.values, ranks, strict=True)
        ]

    def legend(self) -> str:
        """Say what the colours mean."""
        if not self.signed:
            return f"the stronger the colour, the larger {self.unit} ({self.measure}); full colour at {self.scale:.2g}"
        wrong, right = map(quoted, self.explanation.sides)
        total, gap, unit = float(self.values.sum()), self.explanation.trace.gap, self.unit
        return (
            f"red pushes towards {wrong}, blue towards {right}; full colour at ±{self.scale:.2g} {unit}; "
            f"all tokens together {total:+.2f} of a gap of {gap:+.2f} {unit}"
            + ("; ±: the rules disagree on the sign" if self.disputed else "")
        )


def token_map(
    explanation: Explanation,
    values: np.ndarray | None = None,
    *,
    scale: float | None = None,
    unit: str = "",
    caption: str = "",
    signed: bool = True,
    measure: str = "",
    selected: int | None = None,
    compact: bool = False,
    disputed: Iterable[int] = (),
    words: tuple[Token, ...] = (),
) -> TokenMap:
    """Return the map of an explanation: of its relevance, at its own scale, unless told otherwise."""
    values = explanation.relevance if values is None else values
    scale = saturation(words or explanation.tokens[: len(values)], values) if scale is None else scale
    caption = caption or RULES[explanation.rule] + (f", layer {explanation.layer}" if explanation.layer else "")
    return TokenMap(
        explanation,
        values,
        scale,
        unit or explanation.unit,
        caption,
        signed,
        measure,
        selected,
        compact,
        frozenset(disputed),
        words,
    )


def saturation(tokens: Sequence[Token], values: np.ndarray) -> float:
    """Return the |value| of the strongest colour: the largest outside the template, which often dwarfs the rest."""
    inside = np.array([token.segment != "template" for token in tokens], dtype=bool)
    return float(np.abs(values[inside] if inside.any() else values).max(initial=0.0))


@dataclass(frozen=True)
class Box:
    """A token, or a part of a long one, on the map: inches from its left, line number, width in inches."""

    index: int
    text: str
    x: float
    line: int
    width: float
    size: float


@dataclass(frozen=True)
class LaidOut:
    """A map broken into lines for a given width in inches."""

    map: TokenMap
    boxes: tuple[Box, ...]
    width: float

    @property
    def height(self) -> float:
        """Inches, with the line above the tokens."""
        return _HEAD + (self.boxes[-1].line + 1) * LINE + _MARGIN

    def top_of(self, box: Box) -> float:
        """Inches from the top of the map to the box."""
        return _HEAD + box.line * LINE


def lay_out(shown: TokenMap, width: float) -> LaidOut:
    """Break the tokens into lines as running text does."""
    boxes, x, line = [], _MARGIN, 0
    for index, token in enumerate(shown.tokens):
        template = token.segment == "template"
        size = _TEMPLATE_SIZE if template else _SIZE
        text = printable(token.text.replace("\r", "").replace("\n", "↵").replace("\t", "⇥")) or "·"
        for i in range(0, len(text), _LONGEST):  # one token can be longer than a line
            part = text[i : i + _LONGEST]
            wide = _width(part, size, token.segment == "generated") + 0.015
            wide += _MARK if index in shown.disputed else 0.0
            if x + wide > width - _MARGIN and x > _MARGIN:
                x, line = _MARGIN, line + 1
            boxes.append(Box(index, part, x, line, wide, size))
            x += wide
        if "\n" in token.text and x > _MARGIN and not (shown.compact and template):
            x, line = _MARGIN, line + 1
    return LaidOut(shown, tuple(boxes), width)


def draw_map(axes: Axes, laid_out: LaidOut, left: float, top: float, name: str) -> None:
    """Draw a map on axes in inches, y downwards; the group of each box is called ``<name>-<number of the box>``."""
    shown = laid_out.map
    _draw_head(axes, laid_out, left, top)
    for number, box in enumerate(laid_out.boxes):
        x, y, index = left + box.x, top + laid_out.top_of(box), box.index
        token, strong = shown.tokens[index], shown.strength(index) > STRONG
        edge = {"edgecolor": INK, "linewidth": 1.2} if index == shown.selected else {"linewidth": 0}
        style = "round,pad=0,rounding_size=0.03"
        patch = FancyBboxPatch((x, y), box.width, LINE * 0.84, boxstyle=style, facecolor=shown.colour(index), **edge)
        patch.set_gid(f"{name}-{number}")
        axes.add_patch(patch)
        ink = "white" if strong else MUTED if token.segment == "template" else "black"
        slant = "italic" if token.segment == "generated" else "normal"
        font = {"fontsize": box.size, "fontstyle": slant, "color": ink, "parse_math": False}
        axes.text(x, y + LINE * 0.62, box.text, **font)
        if index in shown.disputed:
            mark = {"ha": "right", "fontsize": 0.7 * box.size, "color": ink}
            axes.text(x + box.width, y + LINE * 0.42, "±", **mark)
        if token.segment == "evidence":
            below = y + LINE * 0.76
            axes.plot([x, x + box.width], [below, below], color=ink, linewidth=0.7, linestyle=":")


def _draw_head(axes: Axes, laid_out: LaidOut, left: float, top: float) -> None:
    """Write the map's caption, and at the right the bar that shows its scale."""
    shown, y = laid_out.map, top + 0.17
    words = {"fontsize": 7, "color": INK, "parse_math": False}
    axes.text(left + _MARGIN, y, quoted(shown.caption, 60)[1:-1], weight="bold", **words)
    if not shown.scale > 0:
        return
    low, high = (f"−{shown.scale:.2g}", f"+{shown.scale:.2g}") if shown.signed else ("0", f"{shown.scale:.2g}")
    wide, end = 0.9, left + laid_out.width - _MARGIN
    unit = f"{high} {shown.unit}"
    start = end - _width(unit, 7, False) - 0.06 - wide
    axes.text(end, y, unit, ha="right", **words)
    axes.text(start - 0.06, y, low, ha="right", **words)
    for step in range(_STEPS):
        at = (step + 0.5) / _STEPS
        value = 2 * at - 1 if shown.signed else at
        base = (RED if value > 0 else BLUE) if shown.signed else ACCENT_RGB
        place = (start + wide * step / _STEPS, y - 0.08)
        colour = (*base, OPACITY * abs(value))
        axes.add_patch(Rectangle(place, wide / _STEPS, 0.09, linewidth=0, facecolor=colour))


def _width(text: str, size: float, italic: bool) -> float:
    """Width of a text in inches, at so many points."""
    with styled():
        return _renderer().get_text_width_height_descent(text, _font(size, italic), False)[0] / _DPI


@cache
def _renderer():  # noqa: ANN202
    return FigureCanvasAgg(Figure(dpi=_DPI)).get_renderer()


@cache
def _font(size: float, italic: bool) -> FontProperties:
    return FontProperties(family=FONTS, size=size, style="italic" if italic else "normal")
