"""Errors that a user can act on, one clear sentence each and never a traceback, and the words that they need."""

from explorer.limits import ERROR_CHARS
from explorer.safe_text import escape_invisible


class ExplorerError(ValueError):
    """Something the user gave can't be used; the message says what, where, and what was expected.

    The message becomes one line of at most ``ERROR_CHARS`` that any terminal and page can show: what is quoted in it
    may be long, or hold control characters.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(message))


def one_line(text: str, most: int = ERROR_CHARS) -> str:
    """Text on one line, cut in the middle, with control, formatting and half characters as escapes."""
    text = _cut(" ".join(text.split()), most)
    return _cut(escape_invisible(text), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most * 2 // 3]} … {text[3 - most // 3 :]}"


def first_line(error: Exception, most: int = 240) -> str:
    """The first line of an error of a library, cut to ``most`` characters; its type where it has no words."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:most]


def count(n: int, word: str) -> str:
    """A number with its noun: "1 row", "2,000 rows"."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def file_size(size: float) -> str:
    """Bytes in a unit of thousands, with two or three digits."""
    for unit in ("bytes", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if size >= 99.5 or unit == "bytes" else f"{size:.2g} {unit}"
        size /= 1000
    return f"{size:,.3g} GB" if size < 999.5 else f"{size / 1000:,.3g} TB"


class ModelError(ExplorerError):
    """A model, adapter or tokenizer can't be loaded."""


class UncoveredModel(ExplorerError):
    """A model has parts that the LRP rules do not cover, so its relevance would be wrong."""


class PromptError(ExplorerError):
    """A prompt or an answer can't be traced."""


class OutOfMemory(ExplorerError):
    """The work does not fit into memory; nothing of it is kept, and what was loaded before stays usable."""
