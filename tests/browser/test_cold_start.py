"""A freshly started server: every page opens by its own link, before anybody has opened the first one."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import serve

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PAGES = {
    "": ".token",
    "graph?rule=cplrp": "canvas",
    "compare": ".bars .row",
    "survey?survey=new": "[data-testid='stFileUploader']",
    "training_data?method=bm25": ".rows .row, .row",
    "behaviors": "canvas",
    "repair": ".js-plotly-plot",
    "studies": ".st-key-studies-new",
}


def test_every_page_opens_cold_by_its_own_link(browser: Browser, smollm):
    with serve() as address:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=address)
        tabs = {path: context.new_page() for path in PAGES}
        for path, tab in tabs.items():
            tab.goto(f"/{path}", wait_until="commit")
        for path, tab in tabs.items():
            expect(tab.locator(PAGES[path]).first).to_be_visible(timeout=120_000)
            expect(tab.get_by_text("Traceback")).to_have_count(0)
        expect(tabs["graph?rule=cplrp"].get_by_role("radio", name="Fixed attention")).to_be_checked()
        context.close()
