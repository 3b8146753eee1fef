"""The fonts of a PDF: DejaVu, which comes with matplotlib, and what this machine has for characters that it lacks."""

import re
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib as mpl
from matplotlib.font_manager import fontManager
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

TEXT, MONO = "DejaVuSans", "DejaVuSansMono"
_OTHERS = ("Noto Sans", "Droid Sans Fallback", "WenQuanYi", "Arial Unicode MS", "Unifont")
"""Beginnings of the names of fonts that are looked for; those with outlines that can't be embedded are passed over."""


@cache
def register_fonts() -> None:
    """Tell reportlab the fonts; once a process."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for name in (TEXT, f"{TEXT}-Bold", f"{TEXT}-Oblique", MONO):
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
    pdfmetrics.registerFontFamily(TEXT, normal=TEXT, bold=f"{TEXT}-Bold", italic=f"{TEXT}-Oblique")


@cache
def _others() -> tuple[str, ...]:
    """The names of further fonts of this machine, by which reportlab knows them."""
    names = []
    for entry in fontManager.ttflist:
        if not entry.name.startswith(_OTHERS) or entry.name in names or entry.style != "normal":
            continue
        try:
            pdfmetrics.registerFont(TTFont(entry.name, entry.fname))
        except (TTFError, OSError):
            continue
        names.append(entry.name)
    return tuple(names)


@cache
def _font_of(char: str) -> str:
    """The font that has a character: empty for the paragraph's own, None's stand-in "?" for none."""
    if char.isspace() or ord(char) in _glyphs(TEXT):
        return ""
    return next((name for name in _others() if ord(char) in _glyphs(name)), "?")


@cache
def _glyphs(name: str) -> frozenset[int]:
    font: Any = pdfmetrics.getFont(name)
    return frozenset(font.face.charToGlyph)


def with_fonts(text: str) -> str:
    """Escape a text for a paragraph, each character in a font that has it; one that none has is written U+XXXX."""
    register_fonts()
    runs = []
    for font, chars in groupby(text, _font_of):
        run = "".join(chars)
        if font == "?":
            runs.append("".join(f"[U+{ord(char):04X}]" for char in run))
        else:
            runs.append(f'<font name="{font}">{escape(run)}</font>' if font else escape(run))
    return re.sub(r"(?<= ) |^ ", "\N{NO-BREAK SPACE}", "".join(runs), flags=re.MULTILINE)
