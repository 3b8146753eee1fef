"""The flow of the Compare page that only a browser can check."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


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
