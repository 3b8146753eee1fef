"""Token heatmaps as a file, drawn without a browser: what is on screen under its caption, or its numbers."""

import html
import json
import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from matplotlib.figure import Figure

from explorer.faithfulness.verdict import MapVerdict, rule_name
from explorer.figures.caption import (
    CAPTION_CSS,
    Caption,
    add_caption,
    caption_html,
    explanation_caption,
    rule_text,
)
from explorer.figures.save import WITH_JSON, check_format, html_page, save_figure, styled, svg_element
from explorer.figures.token_map import LINE, LaidOut, TokenMap, draw_map, lay_out, token_map
from explorer.trace.explain import Explanation

_WIDTH, _BESIDE = 6.8, 5.2  # inches: of a map alone, of one of two side by side
_DPI = 300
NOT_CHECKED = "not checked"
"""The verdict on a picture that was saved before there was one."""
_GROUP = re.compile(r'<g id="map-(\d+)-(\d+)">')
MAP_CSS = """
svg { width: min(100%, 72rem); }
svg g[id^="map-"] path { pointer-events: all; } svg g[id^="map-"] text { fill: transparent; }
svg g:not([id^="map-"]) > g > use, svg g[id^="text_"] { pointer-events: none; }
"""
"""A token's box and its invisible text take the pointer, its outlines don't."""


Verdicts = Sequence[MapVerdict | None]
"""On maps, from left to right; None where it is not known."""


def export_heatmap(
    shown: Explanation | Sequence[TokenMap], kind: str, link: str = "", verdicts: Verdicts = ()
) -> bytes:
    """Return maps in one of ``WITH_JSON``, side by side as they are on screen.

    Args:
        shown: the maps, of one failure; an explanation stands for the map of its relevance.
        link: address of the maps in the app.
        verdicts: whether the maps hold, where that was measured.

    Raises:
        ExplorerError: for another kind.
    """
    check_format(kind, WITH_JSON)
    maps = [token_map(shown)] if isinstance(shown, Explanation) else list(shown)
    if kind == "json":
        return json.dumps(maps_json(maps, verdicts), indent=1, ensure_ascii=False).encode()
    return save_maps(heatmap_caption(maps, link, verdicts), maps, kind, columns=len(maps))


def heatmap_caption(maps: Sequence[TokenMap], link: str = "", verdicts: Verdicts = ()) -> Caption:
    """Return the caption of maps of one failure; what differs between them is told of each."""
    first = maps[0].explanation
    rules = " | ".join(dict.fromkeys(rule_text(shown.explanation) for shown in maps))
    several = len(maps) > 1
    legend = " | ".join((f"{shown.caption}: " if several else "") + shown.legend() for shown in maps)
    told = [f"{rule_name(each)}: {each.sentence}" if several else each.sentence for each in verdicts if each]
    verdict = " | ".join(told) or NOT_CHECKED
    title = f"Which words pushed the model to {_short(first.sides[0])} instead of {_short(first.sides[1])}"
    caption = explanation_caption(first, title, legend, link, verdict)
    return Caption(**(vars(caption) | {"rule": rules}))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return f"“{text if len(text) <= 40 else text[:39] + '…'}”"


def maps_json(maps: Sequence[TokenMap], verdicts: Verdicts = ()) -> dict[str, Any]:
    """Return what ``explorer trace --json -`` prints, of one map; of several as a list under ``maps``.

    A map that shows something else than relevance has it under ``shown``.
    """
    figures = []
    for shown, verdict in zip_longest(maps, verdicts[: len(maps)]):
        other = {
            "caption": shown.caption,
            "measure": shown.measure,
            "unit": shown.unit,
            "values": shown.values.tolist(),
        }
        judged = {"faithfulness": verdict.to_json()} if verdict else {}
        figures.append(shown.explanation.to_json() | judged | ({} if shown.signed else {"shown": other}))
    return figures[0] if len(figures) == 1 else {"maps": figures}


def save_maps(
    caption: Caption, maps: Sequence[TokenMap], kind: str, columns: int = 1, figure: Figure | None = None
) -> bytes:
    """Save maps under a caption as ``png``, ``svg``, ``pdf`` or ``html``; on a page, tokens have hints and are text.

    Args:
        columns: how many stand side by side.
        figure: drawn above the maps; its width is theirs.
    """
    check_format(kind)
    with styled():
        figure, placed = draw_maps(maps, columns, figure)
        if kind != "html":
            add_caption(figure, caption)
            return save_figure(figure, kind, dpi=_DPI, link=caption.link)
        svg = with_words(svg_element(figure), placed)
    return html_page(caption.title, caption_html(caption) + svg, CAPTION_CSS + MAP_CSS).encode()


def maps_svg(maps: Sequence[TokenMap]) -> tuple[Figure, str, tuple[float, ...]]:
    """Draw maps one below the other for a page of text.

    Returns the figure; the same as an ``<svg>`` whose tokens have hints and are text (``MAP_CSS``); and the tops of all
    lines in inches, where the drawing can be cut.
    """
    with styled():
        figure, placed = draw_maps(maps)
        svg = with_words(svg_element(figure), placed)
    tops = {round(top + each.top_of(box), 4) for each, _, top in placed for box in each.boxes}
    return figure, svg, tuple(sorted(tops | {top for _, _, top in placed if top}))


def draw_maps(
    maps: Sequence[TokenMap], columns: int = 1, figure: Figure | None = None
) -> tuple[Figure, list[tuple[LaidOut, float, float]]]:
    """Draw maps, row by row, below what a figure holds; returns it, and each map with its left and top in inches."""
    width = float(figure.get_figwidth()) if figure else (_WIDTH if columns == 1 else columns * _BESIDE)
    laid_out = [lay_out(shown, width / columns) for shown in maps]
    rows = [laid_out[i : i + columns] for i in range(0, len(maps), columns)]
    below = sum(max(each.height for each in row) for row in rows)
    figure, above = _grown(figure, width, below)
    total = above + below
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(total, 0))
    axes.axis("off")
    placed, top = [], above
    for row in rows:
        for column, each in enumerate(row):
            left = column * width / columns
            draw_map(axes, each, left, top, f"map-{len(placed)}")
            placed.append((each, left, top))
        top += max(each.height for each in row)
    return figure, placed


def _grown(figure: Figure | None, width: float, below: float) -> tuple[Figure, float]:
    """Return a figure with room below what it holds, and the height of that in inches."""
    if figure is None:
        return Figure(figsize=(width, below)), 0.0
    above = float(figure.get_figheight())
    figure.set_size_inches(width, above + below)
    if engine := figure.get_layout_engine():
        engine.set(rect=(0, below / (above + below), 1, above / (above + below)))  # pyright: ignore[reportCallIssue]
    return figure, above


def with_words(svg: str, placed: Sequence[tuple[LaidOut, float, float]]) -> str:
    """Give the group of every token its figures as a hint, and its text, invisible and exactly over its outlines."""
    hints = [each.map.hints() for each, *_ in placed]

    def fill(found: re.Match[str]) -> str:
        number, at = int(found[1]), int(found[2])
        each, left, top = placed[number]
        box = each.boxes[at]
        x, y = 72 * (left + box.x), 72 * (top + each.top_of(box) + LINE * 0.62)
        place = f'x="{x:.2f}" y="{y:.2f}" textLength="{72 * box.width:.2f}" font-size="{box.size}"'
        hint, text = html.escape(hints[number][box.index]), html.escape(box.text)
        words = f'<text {place} lengthAdjust="spacingAndGlyphs" xml:space="preserve">{text}</text>'
        return f"{found[0]}<title>{hint}</title>{words}"

    return _GROUP.sub(fill, svg)
