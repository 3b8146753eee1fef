"""How long until the first screen explains a failure, in a real Chromium: after starting the app, and once it runs.

python -m bench.first_visit [folder of the app]
"""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import sync_playwright

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
SETTLED = 25.0
"""Seconds that a server runs before the visitor of the second figure comes."""


def first_visit(folder: Path, wait: float) -> dict[str, float]:
    """Seconds until the heatmap of the first screen is visible, for a fresh server.

    Args:
        folder: the checkout whose ``app.py`` is served.
        wait: seconds between the server's first answer and the visit; 0 counts from the start of the process.
    """
    path = next(found for name in CHROMIUM if (found := shutil.which(name)))
    port = free_port()
    command = [sys.executable, "-m", "explorer", "app", "--port", str(port)]  # what make app ends in
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        began = time.perf_counter()
        server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(f"http://localhost:{port}/_stcore/health")
            answered = time.perf_counter() - began
            if wait:
                time.sleep(wait)
                began = time.perf_counter()
            page.goto(f"http://localhost:{port}/")
            page.locator(".token").first.wait_for(timeout=120_000)
            return {"server_answers": round(answered, 2), "explained": round(time.perf_counter() - began, 2)}
        finally:
            server.terminate()
            server.wait()
            browser.close()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def wait_for(address: str) -> None:
    """Wait until a server answers."""
    while True:
        try:
            urlopen(address, timeout=1).close()
            return
        except (URLError, OSError):
            time.sleep(0.05)


if __name__ == "__main__":
    app = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    for name, wait in (("after starting the app", 0.0), ("from a running server", SETTLED)):
        print(name, *(first_visit(app, wait) for _ in range(3)), sep="\n  ", flush=True)
