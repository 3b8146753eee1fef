"""A report as a PDF: A4, its fonts inside, its drawings as vectors, text that can be searched and copied."""

import io
from collections.abc import Sequence
from functools import partial, singledispatchmethod
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    CondPageBreak,
    Flowable,
    HRFlowable,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

from explorer.figures.style import ACCENT, BLUE_HEX, RED_HEX
from explorer.reports.blocks import INKS, Commands, Facts, Grid, Picture, Report, Section, Text, Words
from explorer.reports.fonts import MONO, TEXT, register_fonts, with_fonts
from explorer.reports.vectors import draw_figure
from explorer.safe_text import hold_direction, printable, shortened

_INK, _GREY, _LINE, _PALE = HexColor("#1c1c22"), HexColor("#55555f"), HexColor("#e4e4ea"), HexColor("#f6f6f8")
_MARGIN = 16 * mm
_PAD = 6
"""Points between the margin and what is printed, on every side."""
_WIDTH, _HEIGHT = (side - 2 * _MARGIN - 2 * _PAD for side in A4)
_SMALLEST = 0.72
"""Of its size: how small a picture is drawn so that it still fits on the page."""
_BASE: dict[str, Any] = {"fontName": TEXT, "fontSize": 9, "leading": 12.2, "textColor": _INK, "alignment": TA_LEFT}
_NOTE = _BASE | {"fontSize": 7.6, "leading": 10.2, "textColor": _GREY}
_BOLD = _BASE | {"fontName": f"{TEXT}-Bold"}
_SMALL = _BASE | {"fontSize": 7.8, "leading": 10.4}
_BOX = {"leftIndent": 5, "rightIndent": 5, "borderPadding": 5, "spaceBefore": 8, "spaceAfter": 8}
_SETTINGS = {
    "plain": _BASE | {"spaceBefore": 2, "spaceAfter": 2},
    "lead": _BASE | {"fontSize": 10.5, "leading": 14.2, "spaceBefore": 3, "spaceAfter": 4},
    "verdict": _BASE,
    "note": _NOTE | {"spaceBefore": 2, "spaceAfter": 3},
    "head": _BOLD | {"fontSize": 9.5, "spaceBefore": 8, "spaceAfter": 3, "keepWithNext": 1},
    "title": _BOLD | {"fontSize": 16, "leading": 20, "spaceAfter": 2},
    "section": _BOLD | {"fontSize": 12.5, "leading": 16, "spaceBefore": 2, "spaceAfter": 4, "keepWithNext": 1},
    "comment": _BASE | _BOX | {"backColor": HexColor("#f5f3fd")},
    "cell": _SMALL,
    "label": _SMALL | {"textColor": _GREY},
    "words": _BASE | {"fontSize": 8.2, "leading": 11.4},
    "code": _BASE | _BOX | {"fontName": MONO, "fontSize": 7.2, "leading": 9.8, "backColor": _PALE},
}
_STYLES = {name: ParagraphStyle(name, **settings) for name, settings in _SETTINGS.items()}


def report_pdf(report: Report) -> bytes:
    """Return the document; the same report makes the same bytes."""
    register_fonts()
    story: list[Flowable] = [_paragraph(report.title, "title")]
    story += [_paragraph(report.made, "note")] if report.made else []
    shown = None
    draw = _Drawer()
    for section in report.sections:
        story += _section(section, draw, with_case=section.case != shown)
        shown = section.case or shown
    if report.missing:
        story += [*_heading("Not in this report")]
        story += [_paragraph(f"{missing.title}: {missing.why}") for missing in report.missing]
    if report.about.rows:
        story += [*_heading("How it was made"), *draw.block(report.about)]
    out = io.BytesIO()
    margins = {f"{side}Margin": _MARGIN for side in ("left", "right", "top", "bottom")}
    about = {"title": _clean(report.title), "author": "LLM Failure Explorer", "lang": "en"}
    document = SimpleDocTemplate(out, pagesize=A4, invariant=1, **margins, **about)
    foot = partial(_foot, title=_clean(shortened(report.title, 100)))
    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


def _foot(canvas: Canvas, document: SimpleDocTemplate, title: str) -> None:
    """Write title and page number below each page."""
    canvas.saveState()
    style = ParagraphStyle("foot", parent=_STYLES["note"], fontSize=7)
    paragraph = Paragraph(with_fonts(title), style)
    paragraph.wrapOn(canvas, _WIDTH - 40, 12)
    paragraph.drawOn(canvas, _MARGIN + _PAD, 9 * mm)
    canvas.setFont(TEXT, 7)
    canvas.setFillColor(_GREY)
    canvas.drawRightString(A4[0] - _MARGIN - _PAD, 9 * mm + 2, str(document.page))
    canvas.restoreState()


def _heading(title: str) -> list[Flowable]:
    rule = HRFlowable(width="100%", thickness=1.3, color=HexColor(ACCENT), spaceBefore=12, spaceAfter=4)
    rule.keepWithNext = 1
    return [CondPageBreak(90), rule, _paragraph(title, "section")]


def _section(section: Section, draw: "_Drawer", with_case: bool) -> list[Flowable]:
    story = _heading(section.title)
    if section.comment.strip():
        story.append(_paragraph(section.comment, "comment"))
    if section.case and with_case:
        story += draw.block(section.case)
    for block in section.blocks:
        story += draw.block(block)
    if section.link:
        shown, link = with_fonts(_clean(section.link)), escape(section.link, {'"': "&quot;"})
        known = section.link.startswith(("http://", "https://"))
        text = f'<a href="{link}" color="#5b3fc4">{shown}</a>' if known else shown
        story.append(Paragraph(f"In the app: {text}", _STYLES["note"]))
    return story


def _clean(text: str) -> str:
    return "\n".join(printable(line) for line in hold_direction(text).replace("\t", "  ").split("\n"))


def _paragraph(text: str, style: str = "plain") -> Paragraph:
    return Paragraph(_markup(text), _STYLES[style])


def _markup(text: str) -> str:
    """A text as the paragraph's markup: escaped, each character in a font that has it, lines kept."""
    return with_fonts(_clean(text)).replace("\n", "<br/>")


class _Drawer:
    """Blocks as what reportlab lays out."""

    @singledispatchmethod
    def block(self, _block: object) -> list[Flowable]:
        """Return a block's flowables."""
        return []

    @block.register
    def _(self, block: Text) -> list[Flowable]:
        parts = (
            f'<font color="{INKS[ink]}">{_markup(text)}</font>' if ink else _markup(text) for text, ink in block.parts
        )
        paragraph = Paragraph("".join(parts), _STYLES[block.kind])
        if block.kind != "verdict":
            return [paragraph]
        bar = Table([["", paragraph]], [7, _WIDTH - 7], spaceBefore=5, spaceAfter=4)
        bar.setStyle([("LINEBEFORE", (0, 0), (0, -1), 2, HexColor(ACCENT)), *_padding(1)])
        return [bar]

    @block.register
    def _(self, block: Facts) -> list[Flowable]:
        label = 27 * mm
        rows = [
            [_paragraph(name, "label"), Paragraph(_inked(text, ink), _STYLES["cell"])] for name, text, ink in block.rows
        ]
        if not rows:
            return []
        table = Table(rows, [label, _WIDTH - label], spaceBefore=3, spaceAfter=5, splitInRow=1)
        table.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *_padding(1)])
        return [table]

    @block.register
    def _(self, block: Picture) -> list[Flowable]:
        return [Spacer(1, 4), _Drawing(block), Spacer(1, 4)]

    @block.register
    def _(self, block: Words) -> list[Flowable]:
        label = 17 * mm
        rows: list[list[Any]] = [[_paragraph(block.head, "label"), ""]]
        for name, words in block.lines:
            text = "".join(_word(block, *word) for word in words)
            rows.append([_paragraph(name, "label"), Paragraph(text, _STYLES["words"])])
        table = Table(rows, [label, _WIDTH - label], spaceBefore=2, spaceAfter=5, splitInRow=1)
        whole = (0, 0), (-1, -1)
        frame = [("SPAN", (0, 0), (1, 0)), ("BOX", *whole, 0.6, _LINE), ("VALIGN", *whole, "TOP")]
        inside = [("LEFTPADDING", (0, 0), (0, -1), 5), ("RIGHTPADDING", (-1, 0), (-1, -1), 5)]
        table.setStyle([*frame, *_padding(2), *inside])
        return [KeepTogether([table])]

    @block.register
    def _(self, block: Grid) -> list[Flowable]:
        widths = [_WIDTH * share for share in block.widths or (1 / len(block.heads),) * len(block.heads)]
        heads = [_paragraph(name, "label") for name in block.heads]
        rows = [[_paragraph(cell, "cell") for cell in row] for row in block.rows]
        table = Table([heads, *rows], widths, repeatRows=1, spaceBefore=4, spaceAfter=6, splitInRow=1)
        table.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEABOVE", (0, 1), (-1, -1), 0.4, _LINE), *_padding(2)])
        return [table]

    @block.register
    def _(self, block: Commands) -> list[Flowable]:
        shown = _paragraph("\n".join(block.lines), "code")
        return [shown, *([_paragraph(block.note, "note")] if block.note else [])]


def _padding(points: float) -> Sequence[tuple[Any, ...]]:
    whole = (0, 0), (-1, -1)
    return [(f"{side}PADDING", *whole, points) for side in ("TOP", "BOTTOM")] + [
        ("LEFTPADDING", *whole, 0),
        ("RIGHTPADDING", *whole, 6),
    ]


def _inked(text: str, ink: str) -> str:
    colour = {"wrong": RED_HEX, "right": BLUE_HEX}.get(ink)
    return f'<font color="{colour}">{_markup(text)}</font>' if colour else _markup(text)


def _word(block: Words, text: str, score: float) -> str:
    strength, shown = block.strength(score), _markup(text)
    return f'<font backColor="{_tint(score, strength)}">{shown}</font>' if strength and shown else shown


def _tint(score: float, strength: float) -> str:
    """The colour of a word's background: red or blue of so much opacity on white."""
    base = bytes.fromhex((RED_HEX if score > 0 else BLUE_HEX)[1:])
    return "#" + "".join(f"{round(255 + (value - 255) * strength):02x}" for value in base)


class _Drawing(Flowable):
    """A figure, as wide as the page where it is wider; one that is taller than the page goes on on the next."""

    def __init__(self, picture: Picture, top: float = 0.0, bottom: float | None = None) -> None:
        super().__init__()
        self.picture, self.top = picture, top
        width, height = picture.figure.get_size_inches() * 72
        self.bottom = float(height) if bottom is None else bottom
        self.usual = min(1.0, _WIDTH / width)
        if not picture.cuts:
            self.usual = min(self.usual, _HEIGHT / height)
        self.scale, self.full = self.usual, float(height)

    def wrap(self, aW: float, aH: float) -> tuple[float, float]:
        """Its size on the page; a little smaller where it fits then."""
        if not self.picture.cuts:
            fitting = aH / self.full
            self.scale = fitting if _SMALLEST * self.usual <= fitting < self.usual else self.usual
        return _WIDTH, self.scale * (self.bottom - self.top)

    def split(self, aW: float, aH: float) -> list[Flowable]:
        """Cut it between two lines, where the first part fits into what is left of the page."""
        room = self.top + aH / self.scale
        if self.bottom <= room:
            return [self]
        cuts = [72 * cut for cut in self.picture.cuts if self.top + 30 < 72 * cut <= room]
        if not cuts:
            return []
        return [_Drawing(self.picture, self.top, cuts[-1]), _Drawing(self.picture, cuts[-1], self.bottom)]

    def draw(self) -> None:
        """Draw the part between top and bottom."""
        width = float(self.picture.figure.get_size_inches()[0]) * 72
        self.canv.saveState()
        self.canv.scale(self.scale, self.scale)
        path = self.canv.beginPath()
        path.rect(0, 0, width, self.bottom - self.top)
        self.canv.clipPath(path, stroke=0, fill=0)
        self.canv.translate(0, -(self.full - self.bottom))
        draw_figure(self.canv, self.picture.figure)
        self.canv.restoreState()
