"""The page of cards: everything escaped, nothing loaded."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from explorer.behaviors.cards import MEANING, Card, make_cards
from explorer.behaviors.notes import Note
from explorer.figures.cards_page import cards_html
from tests.behaviors.synthetic import HOSTILE, labelled_groups


class Page(HTMLParser):
    """Tags and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onerror", "onload"}

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_escapes_every_text_and_asks_for_nothing(tmp_path: Path) -> None:
    cards = make_cards(*labelled_groups(tmp_path))
    note = {"note": Note(HOSTILE, HOSTILE, "bad"), "summary": (HOSTILE, HOSTILE)}
    hostile = [Card(**{**vars(card), "words": (HOSTILE,), "verdict": HOSTILE, **note}) for card in cards]
    text = cards_html(HOSTILE, HOSTILE, hostile, (HOSTILE, "base"))
    page = Page(text)
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert page.words.count(HOSTILE) > 7 * len(cards)
    assert MEANING in page.words and "does not mean bad" in MEANING
    assert "default-src 'none'" in text and "http://" not in text and "https://" not in text
    for card in cards:
        assert card.prompts[0].prompt in page.words and f"{card.cluster.null_p:.2g}".replace("nan", "–") in page.words


def test_names_are_what_people_gave_and_never_a_label(tmp_path: Path) -> None:
    cards = make_cards(*labelled_groups(tmp_path))
    first = cards[0]
    known = replace(first.prompts[0], name="planted-flattery")
    card = replace(first, prompts=(known, *first.prompts[1:]))
    assert card.title == "Cluster 1"
    bare = cards_html("t", "n", [card])
    assert "planted-flattery" not in bare and card.summary[0] in Page(bare).words
    named = Page(cards_html("t", "n", [replace(card, note=Note("praise", "seen in chats", "unknown"))])).words
    assert "Cluster 1: praise unknown" in named and "seen in chats" in named
