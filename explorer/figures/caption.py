"""What must stand beside a picture so that it can be read away from the app: one caption for every export.

``save_captioned`` is all that most exports need: the caption is drawn above the figure, and on a page it is text above
the same drawing. ``add_caption`` and ``caption_html`` are its halves, for what is saved in another way.
"""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from explorer.figures.labels import printable
from explorer.figures.save import FONTS, check_format, html_page, save_figure, styled, svg_element
from explorer.figures.style import BLUE_HEX, INK, MUTED, RED_HEX
from explorer.trace.explain import RULES, Explanation

_MARGIN, _LINE, _GAP = 0.1, 0.158, 0.07  # inches
_SIZE, _TITLE_SIZE = 7.5, 9.5  # points
_DPI = 300
_PROMPT_CHARS, _ANSWER_CHARS, _LINK_CHARS = 700, 400, 500


@dataclass(frozen=True)
class Caption:
    """The words of a picture; empty ones are left out.

    Attributes:
        title: what the picture is.
        system, prompt: what the model was asked.
        wrong, right: both full answers.
        gap: the logit gap with its unit, and between which words.
        model: the model's title.
        rule: how relevance was passed back, at which layer, of the whole answers or one token.
        verdict: whether the picture holds under intervention, where that was measured.
        path: the way that a graph shows, in words.
        legend: what colours and sizes mean.
        link: address of the same picture in the app.
    """

    title: str
    system: str = ""
    prompt: str = ""
    wrong: str = ""
    right: str = ""
    gap: str = ""
    model: str = ""
    rule: str = ""
    verdict: str = ""
    path: str = ""
    legend: str = ""
    link: str = ""

    def lines(self) -> list[tuple[str, str, str]]:
        """The parts below the title as (label, text on one line, colour); long ones are cut."""
        parts = (
            ("System prompt", self.system, INK, _PROMPT_CHARS),
            ("Prompt", self.prompt, INK, _PROMPT_CHARS),
            ("Wrong answer", self.wrong, RED_HEX, _ANSWER_CHARS),
            ("Right answer", self.right, BLUE_HEX, _ANSWER_CHARS),
            ("Gap", self.gap, INK, _ANSWER_CHARS),
            ("Model", self.model, INK, _ANSWER_CHARS),
            ("Rule", self.rule, INK, _ANSWER_CHARS),
            ("Verdict", self.verdict, INK, _ANSWER_CHARS),
            ("Path", self.path, INK, _PROMPT_CHARS),
            ("Legend", self.legend, MUTED, _PROMPT_CHARS),
            ("Link", self.link, MUTED, _LINK_CHARS),
        )
        return [(label, _one_line(text, most), colour) for label, text, colour, most in parts if text.strip()]


def save_captioned(figure: Figure, caption: Caption, kind: str, dpi: int = 200) -> bytes:
    """Return a figure under its caption as one of ``FORMATS``, which raises ExplorerError for another kind.

    The figure is changed: each format is saved from a fresh one.
    """
    check_format(kind)
    if kind != "html":
        add_caption(figure, caption)
        return save_figure(figure, kind, dpi=dpi, link=caption.link)
    return html_page(caption.title, caption_html(caption) + svg_element(figure), CAPTION_CSS).encode()


def explanation_caption(
    explanation: Explanation, title: str, legend: str = "", link: str = "", verdict: str = ""
) -> Caption:
    """Return the caption of a picture that is made of an explanation."""
    c = explanation.contrast
    wrong, right = (_one_line(side, 60) for side in explanation.sides)
    return Caption(
        title=title,
        system=segment_text(explanation, "system"),
        prompt=segment_text(explanation, "user", "evidence", "assistant"),
        wrong=c.wrong,
        right=c.right,
        gap=f"{explanation.trace.gap:+.2f} {explanation.unit}, “{wrong}” over “{right}”",
        model=explanation.model,
        rule=rule_text(explanation),
        verdict=verdict,
        legend=legend,
        link=link,
    )


def segment_text(explanation: Explanation, *segments: str) -> str:
    """Return what stands in some segments of the prompt."""
    return "".join(token.text for token in explanation.contrast.tokens if token.segment in segments).strip()


def rule_text(explanation: Explanation) -> str:
    """Name the rule, the layer it is read at, and what of the answers is contrasted."""
    layer = f"layer {explanation.layer}" if explanation.layer else "layer 0 (embeddings)"
    what = "whole answers" if explanation.whole else "the first token that differs"
    return f"{RULES[explanation.rule]}, {layer}, {what}"


def add_caption(figure: Figure, caption: Caption) -> None:
    """Draw a caption above all that a figure holds; the figure grows in height, and its drawing keeps its size."""
    width, height = figure.get_size_inches()
    lines = [*_wrapped(caption, width - 2 * _MARGIN)]
    above = _MARGIN + _LINE * (len(lines) + 1) + _GAP * 2
    total = height + above
    with styled():
        _make_room(figure, height / total)
        figure.set_size_inches(width, total)
        style = {"parse_math": False, "va": "baseline"}
        y = total - _MARGIN - _LINE * 0.75
        title = _one_line(caption.title, 160)
        figure.text(_MARGIN / width, y / total, title, size=_TITLE_SIZE, weight="bold", color=INK, **style)
        y -= _GAP
        for label, text, colour in lines:
            y -= _LINE
            figure.text(_MARGIN / width, y / total, label, size=_SIZE, color=MUTED, **style)
            at = (_MARGIN + _label_width()) / width
            figure.text(at, y / total, text, size=_SIZE, color=colour, **style)


def caption_html(caption: Caption) -> str:
    """Return the caption as markup: a heading and a list of labelled texts, all escaped."""
    rows = []
    for label, text, colour in caption.lines():
        shown = html.escape(text)
        if label == "Link" and (address := _web_address(caption.link)):
            shown = f'<a href="{html.escape(address)}" rel="noreferrer">{shown}</a>'
        rows.append(f'<dt>{label}</dt><dd style="color:{colour}">{shown}</dd>')
    return f'<h1>{html.escape(_one_line(caption.title, 160))}</h1><dl class="caption">{"".join(rows)}</dl>'


CAPTION_CSS = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 1rem; background: #fff; color: #1c1c22; }
svg { max-width: 100%; height: auto; }
h1 { font-size: 1.1rem; margin: 0 0 .4rem; }
dl.caption { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem; margin: 0 0 1rem;
             font-size: .85rem; overflow-wrap: anywhere; }
dl.caption dt { color: #777; } dl.caption dd { margin: 0; }
"""
"""The style of a page with ``caption_html``."""


def _one_line(text: str, most: int) -> str:
    text = printable(" ".join(text.split()))
    return text if len(text) <= most else text[: most - 1] + "…"


def _web_address(link: str) -> str | None:
    """The link where a browser may follow it."""
    return link if link.startswith(("http://", "https://")) else None


def _make_room(figure: Figure, share: float) -> None:
    """Press what a figure holds into the lower ``share`` of its height."""
    engine = figure.get_layout_engine()
    for axes in figure.axes:
        if engine is None or axes.get_subplotspec() is None:  # the others are the layout's to place
            box = axes.get_position(original=True)
            axes.set_position((box.x0, box.y0 * share, box.width, box.height * share))
    for text in figure.texts:
        text.set_y(text.get_position()[1] * share)
    if engine is not None:
        x, y, width, height = engine.get()["rect"]
        engine.set(rect=(x, y * share, width, height * share))  # pyright: ignore[reportCallIssue]


def _wrapped(caption: Caption, width: float) -> Iterator[tuple[str, str, str]]:
    """(label, line, colour) of lines of at most ``width`` inches; further lines have no label."""
    room = width - _label_width()
    for label, text, colour in caption.lines():
        for number, line in enumerate(wrap(text, room, _SIZE)):
            yield label if number == 0 else "", line, colour


def wrap(text: str, width: float, size: float) -> list[str]:
    """Break text into lines of at most ``width`` inches at ``size`` points; a word that is wider is broken too."""
    lines, line, room = [], "", width
    for word in text.split(" "):
        word_width, space = text_width(word, size), text_width(" ", size) if line else 0.0
        if word_width + space <= room:
            line, room = f"{line} {word}" if line else word, room - word_width - space
            continue
        lines += [line] if line else []
        line, room = "", width
        for char in word:
            if line and text_width(char, size) > room:
                lines.append(line)
                line, room = "", width
            line, room = line + char, room - text_width(char, size)
    return [*lines, line] if line else lines


def text_width(text: str, size: float) -> float:
    """Width of text in inches at ``size`` points, as the sum of its characters: no less than what is drawn, nearly."""
    with styled():
        return size * sum(map(_char_width, text))


@cache
def _char_width(char: str) -> float:
    """Width of a character in inches at one point of size."""
    return (
        _renderer().get_text_width_height_descent(char, FontProperties(family=FONTS, size=100), False)[0] / _DPI / 100
    )


@cache
def _renderer():  # noqa: ANN202
    return FigureCanvasAgg(Figure(dpi=_DPI)).get_renderer()


@cache
def _label_width() -> float:
    return text_width("System prompt", _SIZE) + 0.14
