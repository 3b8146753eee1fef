"""The app as a user meets it: a real server, a real Chromium."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

expect.set_options(timeout=60_000)  # the machine may be busy
ROOT = Path(__file__).parents[2]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that drives a browser runs once more where it fails, and the summary says so (``-rR``).

    On busy cores a page is now and then drawn anew in the moment that a test reads it. What fails twice has failed.
    """
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def free_port() -> int:
    import socket

    with socket.socket() as s:
        s.bind(("localhost", 0))
        return s.getsockname()[1]


@contextmanager
def serve(*arguments: str, log: IO[bytes] | None = None) -> Iterator[str]:
    """The app on a free port, freshly started; its address. ``log``: where everything that it prints goes."""
    port = free_port()
    command = [sys.executable, "-m", "explorer", "app", "--port", str(port), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=log or subprocess.DEVNULL, stderr=log)
    address = f"http://localhost:{port}"
    try:
        for _ in range(120):
            try:
                urlopen(f"{address}/_stcore/health", timeout=1)
                break
            except HTTPError:  # a shared app lets nobody in, but it is there
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def server(smollm) -> Iterator[str]:
    """The address of one server for all tests, whose links may open the studies that tests make."""
    with serve("--allow", tempfile.gettempdir()) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium from the system; its absence is a failure, not a skip."""
    path = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
    assert path, "No Chromium found: install the system package chromium (make test does where apt works)."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    """A fresh tab of 1440 × 900 that records every request; afterwards none may have left this machine."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=server)
    page = context.new_page()
    page.set_default_timeout(60_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    yield page
    shots = os.environ.get("SCREENSHOTS")
    if shots:
        page.screenshot(path=f"{shots}/{re.sub(r'[^a-z0-9]+', '-', page.url)[-60:]}.png")
    context.close()
    outside = [url for url in asked if not re.match(r"(https?|wss?)://localhost[:/]|data:|blob:|file:", url)]
    assert not outside, f"requests left the machine: {outside}"
