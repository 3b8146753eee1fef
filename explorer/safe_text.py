"""Text of models and data made safe to show: ids, labels, answers and file names may hold commands for a terminal."""

import re
import unicodedata

_REORDER = re.compile("[\u202a-\u202e\u2066-\u2069]")


def escape_invisible(text: str) -> str:
    """Spell out what does not print, as ``\\x1b`` or ``\\u202e``; spaces and tabs stay.

    Spelt out are ends of lines, control characters (ANSI sequences start with one), direction marks, characters of no
    width, surrogates.
    """
    return "".join(c if c == "\t" or c.isprintable() or unicodedata.category(c) == "Zs" else _escape(c) for c in text)


def hold_direction(text: str) -> str:
    """Replace by dots what sets the direction of the text after it: it would turn the rest of a line around."""
    return _REORDER.sub("·", text)


def printable(text: str) -> str:
    """Replace control characters by dots: they are invisible, and an SVG with them is not valid XML."""
    return "".join(c if c.isprintable() else "·" for c in text)


def shortened(text: str, most: int) -> str:
    """Put text on one line, cut to ``most`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def quoted(text: str, most: int = 28) -> str:
    """Put text in quotation marks, on one line, cut to ``most`` characters."""
    return f"“{shortened(printable(' '.join(text.split())), most)}”"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
