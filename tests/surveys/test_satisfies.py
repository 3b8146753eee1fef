"""Answers against what was expected, as harnesses compare."""

import pytest

from explorer.errors import ExplorerError
from explorer.surveys.satisfies import satisfies


@pytest.mark.parametrize(
    ("answer", "expected", "check", "holds"),
    [
        ("The capital is Canberra.", ["Canberra"], None, True),
        ("The capital is Canberras.", ["Canberra"], None, False),
        ("It is 142.", ["42"], "contains", False),
        ("It is 42.", ["42"], "contains", True),
        ("Paris.", ["paris"], "exact", True),
        ("The Paris", ["Paris"], "exact", True),
        ("Paris, I think", ["Paris"], "exact", False),
        ("B", ["b"], "choice", True),
        ("It was 1984", [r"\b19\d\d\b"], "regex", True),
        ("anything", [""], None, False),
        ("Lyon", ["Paris", "Lyon"], "exact", True),
    ],
)
def test_satisfies(answer, expected, check, holds):
    assert satisfies(answer, expected, check) is holds


def test_a_pattern_that_is_none_is_a_sentence():
    with pytest.raises(ExplorerError, match="not a regular expression"):
        satisfies("a", ["(("], "regex")
