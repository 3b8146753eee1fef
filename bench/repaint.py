"""From a click on a token until the map is drawn anew, in a real Chromium: alone, and beside one busy process a core.

    python -m bench.repaint

In between the server runs the page again; no model runs. The row is one of ``bench.load``.
"""

import itertools
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Locator, sync_playwright

from bench.first_visit import CHROMIUM, FLAGS, SETTLED, free_port, wait_for
from bench.load import against_idle
from bench.run import table

_CLICK = """(node) => new Promise((done) => {
  const began = performance.now();
  const selected = (root) => root.querySelector(".map .token.selected")
    ?? [...root.querySelectorAll("*")].map((one) => one.shadowRoot && selected(one.shadowRoot)).find(Boolean);
  const look = () => {
    const found = selected(document);
    if (found && found !== node) done((performance.now() - began) / 1000);
    else requestAnimationFrame(look);
  };
  node.click();
  look();
})"""
"""Seconds from a click until another node is the selected one: the map was drawn anew, as the click marks its own."""


def repaint(tokens: Locator, numbers: Iterator[int]) -> float:
    """Seconds that the map takes to be drawn anew for the next token, which must not be the selected one."""
    return tokens.nth(next(numbers)).evaluate(_CLICK)


def main(rounds: int = 3, repeats: int = 5) -> None:
    """Print the row as a Markdown table."""
    path = next(found for name in CHROMIUM if (found := shutil.which(name)))
    port = free_port()
    command = [sys.executable, "-m", "explorer", "app", "--port", str(port)]
    server = subprocess.Popen(command, cwd=Path.cwd(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            wait_for(f"http://localhost:{port}/_stcore/health")
            page.goto(f"http://localhost:{port}/")
            tokens = page.locator(".map .token")
            tokens.first.wait_for(timeout=120_000)
            time.sleep(SETTLED)  # what the server prepares for other pages is done
            numbers = itertools.cycle((2, 3))
            row = against_idle("click to repaint", lambda: repaint(tokens, numbers), rounds, repeats)
            print(table({"load": [row]}))
            browser.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
