"""Sessions at once on a real server: a long prompt holds up nobody, says what it does, and ends with its window."""

from __future__ import annotations

import time
from urllib.parse import urlencode

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import serve

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = "river " * 2600


@pytest.fixture(scope="module")
def busy_server(smollm):
    with serve() as address:
        yield address


def process_at(address: str) -> psutil.Process:
    """The server's process, by the port that it was started for."""
    port = address.rpartition(":")[2]
    return next(p for p in psutil.process_iter(["cmdline"]) if port in (p.info["cmdline"] or []))


def window(browser: Browser, address: str) -> Page:
    return browser.new_context(base_url=address, viewport={"width": 1440, "height": 900}).new_page()


def ask(page: Page, prompt: str, rule: str = "attnlrp") -> None:
    page.goto("/?" + urlencode({"q": prompt, "wrong": "Sydney", "right": "Canberra", "rule": rule}))


def test_a_long_prompt_holds_up_nobody_and_ends_with_its_window(browser: Browser, busy_server: str):
    first, long, waiting, short = (window(browser, busy_server) for _ in range(4))
    ask(first, "warm")
    expect(first.locator(".token").first).to_be_visible()
    server = process_at(busy_server)
    ask(long, LONG)
    expect(long.get_by_text("Tracing:")).to_be_visible()
    ask(waiting, LONG + "and a lake")  # long as well: it waits, and says for what
    expect(waiting.get_by_text("Waiting for the model: 1 other computation first")).to_be_visible()
    began = time.monotonic()
    ask(short, "The capital of Australia is")
    expect(short.locator(".token").first).to_be_visible()
    took = time.monotonic() - began
    assert long.get_by_text("Tracing:").is_visible(), "the long prompt was done too soon to tell"
    for page in (waiting, long):
        page.context.close()
    idle = 0
    for _ in range(40):  # the passes end at their next block, not after minutes
        idle = idle + 1 if server.cpu_percent(0.5) < 25 else 0
        if idle == 3:
            break
    assert idle == 3, "the server goes on with what nobody waits for"
    assert took < 60
    ask(short, "Still there")
    expect(short.locator(".token").first).to_be_visible()
