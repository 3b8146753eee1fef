"""The flow of the Compare page that only a browser can check."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.vectors.tiny import save_tiny

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_token_is_followed_through_the_models(page: Page):
    page.goto("/compare?case=demo-italy-to-portugal-036&models=base,sft")
    maps = page.locator(".map")
    expect(maps).to_have_count(2, timeout=60_000)
    maps.nth(1).locator(".token", has_text="Florence").first.click()
    expect(page.locator(".token.selected")).to_have_count(2)
    page.get_by_text("Change against the first").click()
    expect(maps.nth(1).locator(".caption")).to_have_text("sft − base")
    expect(page).to_have_url(re.compile(r"change=1"))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.set_viewport_size({"width": 700, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_model_is_typed_and_compared_by_words(page: Page, tmp_path: Path):
    folder = save_tiny(tmp_path / "tiny")
    page.goto("/compare?case=demo-italy-to-portugal-036&models=base")
    expect(page.get_by_text("Choose two models or more")).to_be_visible(timeout=180_000)
    field = page.get_by_role("combobox", name="Models")
    field.fill("/no/such/model")
    field.press("Enter")
    refused = page.get_by_test_id("stAlert").filter(has_text="no such folder")  # the open list hides roles
    expect(refused).to_be_visible()
    assert (refused.bounding_box() or {})["y"] < (field.bounding_box() or {})["y"]  # not below the open list
    expect(page).to_have_url(re.compile("no%2Fsuch%2Fmodel|no/such/model"))
    field.press("Escape")
    field.press("Backspace")
    expect(refused).to_have_count(0)
    field.fill(str(folder))
    field.press("Enter")
    field.press("Escape")
    maps = page.locator(".map")
    expect(maps).to_have_count(2, timeout=180_000)
    expect(maps.nth(1).locator(".caption")).to_contain_text("by words")
    maps.nth(1).locator(".token", has_text="Florence").first.click()
    expect(page.locator(".token.selected")).to_have_count(2)
    expect(maps.nth(0).locator(".token.selected")).to_have_text(" Florence")
    maps.nth(0).locator(".token.selected").hover()
    expect(maps.nth(1).locator(".token.twin")).to_have_text(" Florence")
