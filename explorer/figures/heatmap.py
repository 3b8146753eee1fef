"""Figures and pages for papers and sharing, drawn without a browser."""

import html
import io
import json
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font_names
from matplotlib.patches import FancyBboxPatch

from explorer.figures.save import WITH_JSON, check_format
from explorer.trace.explain import RULES, Explanation

RED, BLUE = (0.863, 0.149, 0.149), (0.145, 0.388, 0.922)
_WIDTH, _SIZE, _LINE = 6.8, 9.0, 0.235  # inches, points, inches
FONTS = ["DejaVu Sans"] + [
    name for name in ("Noto Sans", "Noto Sans CJK JP", "Noto Emoji", "Arial Unicode MS") if name in get_font_names()
]


@dataclass(frozen=True)
class _Box:
    """A token placed on the page: inches from the left, line number, width in inches."""

    text: str
    x: float
    line: int
    width: float
    relevance: float
    template: bool


def saturation(shown: Explanation) -> float:
    """|relevance| of the strongest colour: the largest outside the template (all tokens where there is no other)."""
    inside = [abs(float(r)) for t, r in zip(shown.tokens, shown.relevance, strict=True) if t.segment != "template"]
    return max(inside or [abs(float(r)) for r in shown.relevance], default=0.0)


def export_heatmap(shown: Explanation, kind: str) -> bytes:
    """The heatmap in one of ``WITH_JSON``. Raises ExplorerError for another."""
    check_format(kind, WITH_JSON)
    if kind == "html":
        return heatmap_html(shown).encode()
    if kind == "json":
        return json.dumps(shown.to_json(), indent=1, ensure_ascii=False).encode()
    return heatmap_figure(shown, kind)


def heatmap_figure(shown: Explanation, kind: str) -> bytes:
    """The heatmap as ``png`` (300 dpi), ``svg`` or ``pdf`` (vector, text as paths or embedded fonts)."""
    boxes = _lay_out(shown)
    lines = max(box.line for box in boxes) + 1
    height = 0.62 + lines * _LINE
    with mpl.rc_context({"font.family": FONTS, "svg.fonttype": "path", "pdf.fonttype": 42}):
        figure = Figure(figsize=(_WIDTH, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, _WIDTH), ylim=(height, 0))
        axes.axis("off")
        _draw_head(axes, shown)
        scale = saturation(shown) or 1.0
        for box in boxes:
            strength = min(1.0, abs(box.relevance) / scale)
            y = 0.5 + box.line * _LINE
            axes.add_patch(
                FancyBboxPatch(
                    (box.x, y), box.width, _LINE * 0.84, boxstyle="round,pad=0,rounding_size=0.03", linewidth=0,
                    facecolor=(*(RED if box.relevance > 0 else BLUE), 0.85 * strength),
                )
            )  # fmt: skip
            ink = "white" if strength > 0.62 else "#777777" if box.template else "black"
            axes.text(
                box.x, y + _LINE * 0.62, box.text, fontsize=_SIZE - 1.5 * box.template, color=ink, parse_math=False
            )
        out = io.BytesIO()
        figure.savefig(out, format=kind, dpi=300, metadata={"Date": None} if kind == "svg" else None)
    return out.getvalue()


def _draw_head(axes, shown: Explanation) -> None:  # noqa: ANN001
    wrong, right = shown.sides
    layer = f", layer {shown.layer}" if shown.layer else ""
    unit = shown.unit
    names = f"{short(wrong)} over {short(right)}"
    head = f"{shown.model} · {RULES[shown.rule]}{layer} · {names}: {shown.trace.gap:+.2f} {unit}"
    axes.text(0.1, 0.17, head, fontsize=8, color="#333333", parse_math=False)
    scale = saturation(shown)
    key = f"red: towards {short(wrong)} · blue: towards {short(right)} · full colour at ±{scale:.2g} {unit}"
    axes.text(0.1, 0.34, key, fontsize=7, color="#777777", parse_math=False)


def printable(text: str) -> str:
    """Text whose control characters are dots: they are invisible, and an SVG with them is not valid XML."""
    return "".join(c if c.isprintable() else "·" for c in text)


def short(text: str) -> str:
    """Text in quotation marks on one line, cut to 28 characters."""
    shown = printable(" ".join(text.split()))
    return "“" + (shown if len(shown) <= 28 else shown[:27] + "…") + "”"


def _lay_out(shown: Explanation) -> list[_Box]:
    """Break the tokens into lines as running text does."""
    renderer: RendererAgg = FigureCanvasAgg(Figure(dpi=300)).get_renderer()
    boxes: list[_Box] = []
    x, line, left, right = 0.1, 0, 0.1, _WIDTH - 0.1
    for token, value in zip(shown.tokens, shown.relevance, strict=True):
        template = token.segment == "template"
        text = printable(token.text.replace("\r", "").replace("\n", "↵").replace("\t", "  "))
        for i in range(0, max(len(text), 1), 80):  # one token can be longer than a line
            part = text[i : i + 80]
            font = FontProperties(family=FONTS, size=_SIZE - 1.5 * template)
            width = renderer.get_text_width_height_descent(part, font, False)[0] / 300 + 0.015
            if x + width > right and x > left:
                x, line = left, line + 1
            boxes.append(_Box(part, x, line, width, float(value), template))
            x += width
        if "\n" in token.text and x > left:
            x, line = left, line + 1
    return boxes


def heatmap_html(shown: Explanation) -> str:
    """The heatmap as one HTML page that needs nothing else: no script, no request; figures on hover."""
    scale = saturation(shown) or 1.0
    unit = shown.unit
    wrong, right = shown.sides
    spans = []
    for token, value, rank in zip(shown.tokens, shown.relevance, shown.ranks, strict=True):
        strength = min(1.0, abs(float(value)) / scale)
        red, green, blue = (round(255 * part) for part in (RED if value > 0 else BLUE))
        shown_text = printable(token.text.replace("\n", "↵")) or "·"
        title = f"{token.text!r} · position {token.index} · {token.segment} · {value:+.4g} {unit} · rank {rank}"
        spans.append(
            f'<span class="{token.segment}{" strong" if strength > 0.62 else ""}" '
            f'style="background:rgba({red},{green},{blue},{0.85 * strength:.3f})" title="{html.escape(title)}">'
            f"{html.escape(shown_text)}</span>" + ("<br>" if "\n" in token.text else "")
        )
    head = f"{shown.model} · {RULES[shown.rule]}" + (f", layer {shown.layer}" if shown.layer else "")
    return _PAGE.format(
        title=html.escape(f"{short(wrong)} instead of {short(right)}"),
        head=html.escape(head),
        wrong=html.escape(short(wrong)),
        right=html.escape(short(right)),
        gap=f"{shown.trace.gap:+.2f} {unit}",
        total=f"{shown.relevance.sum():+.2f}",
        scale=f"{scale:.2g} {unit}",
        body="".join(spans),
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ font: 16px/1.9 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c22; }}
p {{ line-height: 1.5; }} .map {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
.map span {{ border-radius: .2rem; padding: .15rem 0; }}
.template {{ color: #777; font-size: .8em; }} .generated {{ font-style: italic; }}
.evidence {{ text-decoration: underline dotted; }} .map .strong {{ color: #fff; }}
.r {{ color: #dc2626; font-weight: 600; }} .b {{ color: #2563eb; font-weight: 600; }} .dim {{ color: #666; }}
</style></head><body>
<p><b>{head}</b><br><span class="r">{wrong}</span> instead of <span class="b">{right}</span>: gap {gap}</p>
<div class="map">{body}</div>
<p class="dim">Red pushed the model towards the wrong answer, blue towards the right one; full colour at ±{scale}.
The shares add up to {total}. Hover over a token for its figures.</p>
</body></html>
"""
