"""Does an answer satisfy what was expected? Exact, contains, regex or choice, as evaluation harnesses compare."""

import re
from collections.abc import Sequence

from explorer.patterns import shows

_EDGE = " \t\r\n.,;:!?\"'`*()[]"
_ARTICLES = re.compile(r"^(the|an?)\s+", re.IGNORECASE)


def satisfies(answer: str, expected: Sequence[str], check: str | None = None) -> bool:
    """Compare an answer with the accepted ones.

    Args:
        expected: accepted answers; for ``regex``, patterns (Python's syntax, found anywhere).
        check: ``exact`` or ``choice`` (letters, case and punctuation at the ends aside), ``contains`` (as whole words,
            case aside) or ``regex``; None: ``contains``.

    Raises ExplorerError for a pattern that is none, or takes too long.
    """
    if check == "regex":
        return any(shows(pattern, answer, "expected answer") for pattern in expected)
    if check in ("exact", "choice"):
        return plain(answer) in {plain(each) for each in expected}
    return any(_stands_in(plain(each), answer) for each in expected if plain(each))


def plain(answer: str) -> str:
    """An answer without an article before it, white space and punctuation around it, and capitals."""
    return " ".join(_ARTICLES.sub("", answer.strip(_EDGE)).casefold().split())


def _stands_in(expected: str, answer: str) -> bool:
    """Whether words stand in an answer, not as part of longer ones."""
    text, start = " ".join(answer.casefold().split()), -1
    while (start := text.find(expected, start + 1)) >= 0:
        around = text[start - 1 : start] + text[start + len(expected) : start + len(expected) + 1]
        if not any(map(str.isalnum, around)):
            return True
    return False
