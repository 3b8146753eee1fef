"""A JSON file of any size, piece by piece: of its large arrays one item lies in memory at a time.

Incremental parsers such as ijson refuse NaN, which harnesses write for a missing score; the standard library reads it.
"""

import codecs
import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NoReturn

from explorer.errors import ExplorerError, first_line
from explorer.limits import LOG_SAMPLE_BYTES
from explorer.reading import check_value

Keys = tuple[str, ...]
_CHUNK = 1 << 16
_BLANK = " \t\r\n"
_MARGIN = 3
"""Characters that must follow a number: cut off within "1e-5" it reads as 1, with at most two of them behind it."""


def pieces(file: BinaryIO, where: object, opened: Callable[[Keys], bool]) -> Iterator[tuple[Keys, str, Any]]:
    """Yield (keys, place, value) of the values of a JSON file, in order.

    Args:
        where: what the file is; begins an error's sentence and the place, which names the line too.
        opened: says for a value's keys, ``()`` for the whole file, whether it comes in parts if it is an object or
            array: of an object each value with the keys that lead to it, of an array each item with the array's keys.

    Raises:
        ExplorerError: for what is no JSON, is cut off, or has a piece above ``LOG_SAMPLE_BYTES``.
    """
    text = _Text(file, where)
    yield from _value(text, (), opened)
    if text.peek():
        text.fail("expected the end after the value")


def _value(text: "_Text", keys: Keys, opened: Callable[[Keys], bool]) -> Iterator[tuple[Keys, str, Any]]:
    start = text.peek()
    if start not in ("{", "[") or not opened(keys):
        place = text.place
        yield keys, place, text.value()
        return
    end = "}" if start == "{" else "]"
    text.at += 1
    if text.peek() == end:
        text.at += 1
        return
    while True:
        if start == "{":
            yield from _value(text, (*keys, text.key()), opened)
        else:
            text.peek()
            place = text.place
            yield keys, place, text.value()
        mark = text.peek()
        text.at += 1
        if mark == end:
            return
        if mark != ",":
            text.fail(f"expected ',' or '{end}'" if mark else "the file is cut off")


class _Text:
    """A window on the file's text, from the first character that is not yet read (``at``)."""

    def __init__(self, file: BinaryIO, where: object) -> None:
        self.file, self.where = file, where
        self.at, self._text, self._ended = 0, "", False
        self._line, self._counted = 1, 0  # the line at a place of the window
        self._to_text = codecs.getincrementaldecoder("utf-8-sig")()
        self._parser = json.JSONDecoder()

    @property
    def place(self) -> str:
        self._line += self._text.count("\n", self._counted, self.at)
        self._counted = self.at
        return f"{self.where}, line {self._line}"

    def fail(self, reason: str) -> NoReturn:
        raise ExplorerError(f"{self.place}: not JSON ({reason}).")

    def peek(self) -> str:
        """The next character that is not blank, "" at the end."""
        while True:
            rest = self._text[self.at : self.at + _CHUNK]
            left = rest.lstrip(_BLANK)
            self.at += len(rest) - len(left)
            if left:
                return left[0]
            if not rest and not self._more():
                return ""

    def key(self) -> str:
        """Read an object's key and the colon after it."""
        if self.peek() != '"':
            self.fail("expected a key in quotes")
        key = self.value()
        if self.peek() != ":":
            self.fail("expected ':'")
        self.at += 1
        return key

    def value(self) -> Any:
        """Read a whole value; the window grows until the value stands in it."""
        while True:
            self.peek()
            try:
                value, end = self._parser.raw_decode(self._text, self.at)
            except json.JSONDecodeError as error:
                if not self._more():
                    cut = error.pos >= len(self._text) - 1 or error.msg.startswith("Unterminated")
                    self.fail(error.msg + "; is the file cut off?" * cut)
                continue
            except (ValueError, RecursionError) as error:
                self.fail("nested too deeply" if isinstance(error, RecursionError) else first_line(error, 80))
            if len(self._text) - end < _MARGIN and self._more():  # a number may go on
                continue
            check_value(value, self.place, strict=False)
            self.at = end
            return value

    def _more(self) -> bool:
        """Read on, at least as much as is in the window, so that growing costs a constant factor; False at the end."""
        left = len(self._text) - self.at
        if left > LOG_SAMPLE_BYTES:
            raise ExplorerError(f"{self.place}: more than {LOG_SAMPLE_BYTES:,} bytes in one value; expected fewer.")
        if self._ended:
            return False
        data, place = self.file.read(max(_CHUNK, left)), self.place
        try:
            self._text = self._text[self.at :] + self._to_text.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise ExplorerError(f"{place}: not UTF-8; expected JSON in UTF-8.") from error
        self.at = self._counted = 0
        self._ended = not data
        return True
