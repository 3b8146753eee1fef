"""What a report is made of: sections of blocks, each of which the page and the PDF draw in their own way.

Every text here is as it came from a prompt, a model or a data file; what draws it escapes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from matplotlib.figure import Figure

from explorer.figures.style import BLUE_HEX, RED_HEX

Ink = Literal["", "wrong", "right"]
"""The colour of a text: red for the wrong side, blue for the right one."""
INKS: dict[Ink, str] = {"": "", "wrong": RED_HEX, "right": BLUE_HEX}
FULL = 0.6
"""Opacity of the strongest colour behind a word, as in the app's list."""
FAINTEST = 0.04
"""Share of full colour below which a word has none."""


@dataclass(frozen=True)
class Text:
    """A paragraph of parts, each with its ink; ``kind`` says what it is: a plain one, a lead, a verdict, a note."""

    parts: tuple[tuple[str, Ink], ...]
    kind: Literal["plain", "lead", "verdict", "note", "head"] = "plain"

    @property
    def text(self) -> str:
        """The paragraph without its inks."""
        return "".join(text for text, _ in self.parts)


def plain(text: str, kind: Literal["plain", "lead", "verdict", "note", "head"] = "plain") -> Text:
    """Return a paragraph in one ink."""
    return Text(((text, ""),), kind)


@dataclass(frozen=True)
class Facts:
    """Labelled texts, one a line; those without text are left out."""

    rows: tuple[tuple[str, str, Ink], ...]


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawing.

    Attributes:
        figure: drawn as vectors in both kinds of file.
        about: what it shows, for who does not see it.
        svg: the drawing for a page where that has more to it than the figure; else it is made of the figure.
        cuts: heights in inches from the top at which the drawing may go on on the next sheet of paper.
    """

    figure: Figure
    about: str
    svg: str = ""
    cuts: tuple[float, ...] = ()


@dataclass(frozen=True)
class Words:
    """A text whose words are coloured by a score: + red, − blue.

    Attributes:
        head: what stands above it, e.g. rank, id and score of a training example.
        lines: label → (word, score) of each line.
        scale: |score| of full colour; 0 for none.
    """

    head: str
    lines: tuple[tuple[str, tuple[tuple[str, float], ...]], ...]
    scale: float

    def strength(self, score: float) -> float:
        """Opacity of the colour behind a word, 0..``FULL``."""
        share = min(1.0, abs(score) / self.scale) if self.scale > 0 else 0.0
        return FULL * share if share > FAINTEST else 0.0


@dataclass(frozen=True)
class Grid:
    """A table; ``widths``: shares of the width of its columns, equal ones by default."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[float, ...] = ()


@dataclass(frozen=True)
class Commands:
    """Lines of a shell, or of Python, that make a part of the report again; ``note``: what they leave out."""

    lines: tuple[str, ...]
    note: str = ""


Block = Text | Facts | Picture | Words | Grid | Commands


@dataclass(frozen=True, eq=False)
class Section:
    """One part of a report: what one page of the app shows.

    Attributes:
        title: the question that it answers.
        case: the prompt and both answers, which a reader sees once where several sections have the same.
        blocks: what is known.
        comment: what a person wrote about it.
        link: address of the same view in the app; empty where that is not known.
    """

    title: str
    blocks: tuple[Block, ...]
    case: Facts | None = None
    comment: str = ""
    link: str = ""

    @property
    def lead(self) -> str:
        """What it found, in a sentence; empty where it has none."""
        return next((block.text for block in self.blocks if isinstance(block, Text) and block.kind == "lead"), "")


@dataclass(frozen=True)
class Missing:
    """A part that the case does not have, and why."""

    title: str
    why: str


@dataclass(frozen=True, eq=False)
class Report:
    """A report, ready to be written.

    Attributes:
        title: of the whole.
        sections: its parts, in order.
        missing: parts that are left out.
        about: study, model and versions.
        made: the day on which it was made, as people read it.
    """

    title: str
    sections: tuple[Section, ...]
    missing: tuple[Missing, ...] = ()
    about: Facts = field(default_factory=lambda: Facts(()))
    made: str = ""

    def html(self) -> bytes:
        """Return a page that opens offline, runs nothing and prints well."""
        from explorer.reports.page import report_page

        return report_page(self).encode()

    def pdf(self) -> bytes:
        """Return a PDF with the fonts that it needs, its drawings as vectors."""
        from explorer.reports.pdf import report_pdf

        return report_pdf(self)

    def file(self, kind: str) -> bytes:
        """Return one of ``FILES``. Raises ExplorerError for another."""
        from explorer.figures.save import check_format

        check_format(kind, FILES)
        return self.html() if kind == "html" else self.pdf()


FILES = {"html": "text/html", "pdf": "application/pdf"}
"""Kinds of files that a report is written as, with their media types."""


def facts(*rows: Sequence[str]) -> Facts:
    """Return labelled texts in one ink, without those that are empty."""
    return Facts(tuple((label, text, "") for label, text in rows if text))
