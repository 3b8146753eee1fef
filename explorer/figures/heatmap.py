"""The token heatmap as a file, drawn without a browser: a picture, a page, or its numbers."""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch

from explorer.figures.labels import gap_label, printable, quoted
from explorer.figures.save import FONTS, WITH_JSON, check_format, html_page, save_figure, styled
from explorer.figures.style import BLUE, BLUE_HEX, INK, MUTED, RED, RED_HEX, rgba
from explorer.model.prompts import Token
from explorer.trace.explain import RULES, Explanation

_WIDTH, _LINE, _MARGIN = 6.8, 0.235, 0.1  # inches
_SIZE, _TEMPLATE_SIZE = 9.0, 7.5  # points
_DPI = 300
_STRONG = 0.62
"""Share of full colour above which text on it is white."""
_LONGEST = 80
"""Characters of one token that stand on one line."""


def export_heatmap(explanation: Explanation, kind: str) -> bytes:
    """Return the heatmap in one of ``WITH_JSON``. Raises ExplorerError for another."""
    check_format(kind, WITH_JSON)
    if kind == "html":
        return heatmap_page(explanation).encode()
    if kind == "json":
        return json.dumps(explanation.to_json(), indent=1, ensure_ascii=False).encode()
    return save_figure(heatmap_figure(explanation), kind, dpi=_DPI)


def saturation(tokens: Sequence[Token], values: np.ndarray) -> float:
    """Return the |value| of the strongest colour: the largest outside the template, which often dwarfs the rest."""
    inside = np.array([token.segment != "template" for token in tokens], dtype=bool)
    return float(np.abs(values[inside] if inside.any() else values).max(initial=0.0))


@dataclass(frozen=True)
class _Box:
    """A token on the page: inches from the left, line number, width in inches."""

    text: str
    x: float
    line: int
    width: float
    relevance: float
    template: bool


def heatmap_figure(explanation: Explanation) -> Figure:
    """Draw the tokens as running text on their colours."""
    with styled():
        boxes = _lay_out(explanation)
        height = 0.62 + (boxes[-1].line + 1) * _LINE
        figure = Figure(figsize=(_WIDTH, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, _WIDTH), ylim=(height, 0))
        axes.axis("off")
        scale = saturation(explanation.tokens, explanation.relevance) or 1.0
        wrong, right = map(quoted, explanation.sides)
        head = f"{_title(explanation)} · {gap_label(explanation)}"
        key = f"red: towards {wrong} · blue: towards {right} · full colour at ±{scale:.2g} {explanation.unit}"
        axes.text(_MARGIN, 0.17, head, fontsize=8, color=INK, parse_math=False)
        axes.text(_MARGIN, 0.34, key, fontsize=7, color=MUTED, parse_math=False)
        for box in boxes:
            _draw_box(axes, box, min(1.0, abs(box.relevance) / scale))
    return figure


def _draw_box(axes: Axes, box: _Box, strength: float) -> None:
    y = 0.5 + box.line * _LINE
    colour = (*(RED if box.relevance > 0 else BLUE), 0.85 * strength)
    style = "round,pad=0,rounding_size=0.03"
    axes.add_patch(FancyBboxPatch((box.x, y), box.width, _LINE * 0.84, boxstyle=style, linewidth=0, facecolor=colour))
    ink = "white" if strength > _STRONG else MUTED if box.template else "black"
    size = _TEMPLATE_SIZE if box.template else _SIZE
    axes.text(box.x, y + _LINE * 0.62, box.text, fontsize=size, color=ink, parse_math=False)


def _lay_out(explanation: Explanation) -> list[_Box]:
    """Break the tokens into lines as running text does."""
    renderer = FigureCanvasAgg(Figure(dpi=_DPI)).get_renderer()
    fonts = {flag: FontProperties(family=FONTS, size=_TEMPLATE_SIZE if flag else _SIZE) for flag in (True, False)}
    boxes, x, line = [], _MARGIN, 0
    for token, value in zip(explanation.tokens, explanation.relevance, strict=True):
        template = token.segment == "template"
        text = printable(token.text.replace("\r", "").replace("\n", "↵").replace("\t", "  "))
        for i in range(0, max(len(text), 1), _LONGEST):  # one token can be longer than a line
            part = text[i : i + _LONGEST]
            width = renderer.get_text_width_height_descent(part, fonts[template], False)[0] / _DPI + 0.015
            if x + width > _WIDTH - _MARGIN and x > _MARGIN:
                x, line = _MARGIN, line + 1
            boxes.append(_Box(part, x, line, width, float(value), template))
            x += width
        if "\n" in token.text and x > _MARGIN:
            x, line = _MARGIN, line + 1
    return boxes


def _title(explanation: Explanation) -> str:
    layer = f", layer {explanation.layer}" if explanation.layer else ""
    return f"{explanation.model} · {RULES[explanation.rule]}{layer}"


def heatmap_page(explanation: Explanation) -> str:
    """Return the heatmap as one HTML page that needs nothing else: no script, no request; figures on hover."""
    scale, unit = saturation(explanation.tokens, explanation.relevance) or 1.0, explanation.unit
    wrong, right = (html.escape(quoted(side)) for side in explanation.sides)
    spans = []
    for token, value, rank in zip(explanation.tokens, explanation.relevance, explanation.ranks, strict=True):
        strength = min(1.0, abs(float(value)) / scale)
        kind = f"{token.segment} strong" if strength > _STRONG else token.segment
        hint = f"{token.text!r} · position {token.index} · {token.segment} · {value:+.4g} {unit} · rank {rank}"
        text = printable(token.text.replace("\n", "↵")) or "·"
        style = f"background:{rgba(value, 0.85 * strength)}"
        spans.append(f'<span class="{kind}" style="{style}" title="{html.escape(hint)}">{html.escape(text)}</span>')
        spans += ["<br>"] if "\n" in token.text else []
    body = f"""<p><b>{html.escape(_title(explanation))}</b><br><span class="r">{wrong}</span> instead of
<span class="b">{right}</span>: gap {explanation.trace.gap:+.2f} {unit}</p>
<div class="map">{"".join(spans)}</div>
<p class="dim">Red pushed the model towards the wrong answer, blue towards the right one; full colour at
±{scale:.2g} {unit}. The shares add up to {explanation.relevance.sum():+.2f}. Hover over a token for its figures.</p>"""
    return html_page(" instead of ".join(map(quoted, explanation.sides)), body, _CSS)


_CSS = f"""
body {{ font: 16px/1.9 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c22; }}
p {{ line-height: 1.5; }} .map {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
.map span {{ border-radius: .2rem; padding: .15rem 0; }}
.template {{ color: #777; font-size: .8em; }} .generated {{ font-style: italic; }}
.evidence {{ text-decoration: underline dotted; }} .map .strong {{ color: #fff; }}
.r {{ color: {RED_HEX}; font-weight: 600; }} .b {{ color: {BLUE_HEX}; font-weight: 600; }} .dim {{ color: #666; }}
"""
