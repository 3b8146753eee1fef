"""The verdict on a map in a browser: it comes by itself, says how far it is, and can be stopped and asked for again."""

import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

CAT = "Nora has a cat called Milo. Her best friend has a cat called Luna. What is the name of Nora's cat?"
UNASKED = {"q": CAT, "wrong": "Nora's cat is Luna", "right": "Nora's cat is Milo"}
"""A failure of this test alone: what another has asked about is known, or half so."""

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_map_is_checked_by_itself_until_it_is_stopped(page: Page):
    page.goto("/?" + urlencode(UNASKED))
    expect(page.locator(".token").first).to_be_visible()
    asked = page.get_by_text(re.compile("Is this map true\\?"))
    expect(asked.first).to_be_visible()
    expect(
        page.get_by_test_id("stMain").get_by_text(re.compile("beats \\d+ of \\d+ random orders so far"))
    ).to_be_visible(timeout=180_000)
    page.get_by_role("button", name="Stop", exact=True).click()
    again = page.get_by_role("button", name="Is this map true?")
    expect(again).to_be_visible()
    again.click()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()


def test_every_map_of_compare_is_checked(page: Page):
    page.goto("/compare?case=wrong-dog")
    expect(page.locator(".map").first).to_be_visible()
    told = page.get_by_test_id("stMain").get_by_text(re.compile("Is this map true\\?|random orders"))
    expect(told.first).to_be_visible()
