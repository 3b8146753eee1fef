"""Text without markup: nothing of it is left for Streamlit's markdown to replace."""

import re

import pytest

from explorer.ui.text import plain

REPLACED = re.compile(
    r"https?://|www\.|\w@[-\w]+\.\w|->|<-|--|>=|<=|~=|!=|:material/|:streamlit|:[a-z]+(-[a-z]+)?\[", re.IGNORECASE
)
"""What Streamlit's frontend looks for in the text of a paragraph, after escapes are taken out."""
HOSTILE = [
    "see http://evil.example, HTTPS://Evil.example or www.evil.example",
    "a.b@evil.example",
    "a -> b <- c -- d <-> e >= f",
    ":material/home: :streamlit: :red[x] :blue-badge[y]",
    "![i](http://evil.example/x.png) <b>x</b> $x$ `c` **b** ~~s~~",
    "# h\n- item\n\n    code\n> quote",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_every_paragraph_is_one_of_words(text):
    drawn = plain(text)
    assert "\n" not in drawn and not drawn.startswith("    ")
    pieces = re.split(r"(?<!\\):small\[\]", drawn)
    for piece in pieces:
        assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]()<>#!$~]", piece), piece
        assert not REPLACED.search(piece.replace("\\", "")), piece
    assert "".join(pieces).replace("\\", "") == re.sub(r"\s*\n\s*", " ", text)


def test_words_are_left_alone():
    assert plain("Layer 3, token 4") == "Layer 3, token 4"
    assert plain("12:30") == r"12\:30"
    assert plain("a:small[]b") == r"a\::small[]small\[\]b"
