"""Days in minutes: sessions that click through a server at once, and the memory of the server meanwhile.

python -m bench.soak [--minutes 30] [--sessions 8] [--json docs/soak.json]

Every session is a window of its own in one Chromium. All at once they open pages: a failure of the gallery or a prompt
that nobody has traced before, under any rule, with any of the demo's models; when all are at rest, the memory of the
server (resident bytes) is written down, and the next round begins.
"""

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
from playwright.sync_api import Browser, Error, Page, sync_playwright

from bench.first_visit import CHROMIUM, FLAGS, free_port, wait_for
from explorer.data.failures import shipped_failures
from explorer.demo.build import default_folder

PAGES = ("", "", "graph", "graph", "compare", "training_data", "behaviors", "repair")
"""Traces and graphs fill the memory most, and come twice as often."""
WORDS = "river silver engine doctor winter planet bridge violin market garden captain window"
REST = "[data-testid=stApp][data-test-script-state=notRunning]"


@dataclass
class Soak:
    """What happened: seconds of each interaction, errors, and (seconds, bytes, sessions) of the server."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory: list[tuple[float, int, int]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Figures: memory in MB after the first tour, at every tenth of the time, and its slope in the second half."""
        mb = [(round(t), round(b / 1e6), n) for t, b, n in self.memory]
        half = self.memory[len(self.memory) // 2 :]
        slope = statistics.linear_regression([t / 60 for t, *_ in half], [b / 1e6 for _, b, _ in half]).slope
        ordered = sorted(self.seconds)
        return {
            "interactions": len(ordered),
            "errors": self.errors[:20],
            "seconds_median": round(statistics.median(ordered), 2),
            "seconds_95": round(ordered[int(0.95 * len(ordered))], 2),
            "memory_mb": mb[:: max(1, len(mb) // 20)],
            "memory_mb_most": max(b for _, b, _ in mb),
            "slope_mb_per_minute_in_the_second_half": round(slope, 2),
        }


def set_off(page: Page, address: str, models: list[str], chance: random.Random) -> None:
    """Begin one interaction: open something, and do not wait for it."""
    name = chance.choice(PAGES)
    query = {"rule": chance.choice(("attnlrp", "cplrp", "gradient"))} if name in ("", "graph") else {}
    if chance.random() < 0.5:
        words = " ".join(chance.choices(WORDS.split(), k=chance.randint(5, 120)))
        query |= {"q": f"{words}. What is the capital of Australia?", "wrong": "Sydney", "right": "Canberra"}
    else:
        query["case"] = chance.choice(list(shipped_failures()))
    if chance.random() < 0.25:
        query["adapter"] = chance.choice(models)
    page.goto(f"{address}/{name}?{urlencode(query)}", wait_until="commit")


def arrive(page: Page) -> None:
    """Wait until the page is at rest, also after it has changed its link and run again."""
    for pause in (150, 0):
        page.locator(REST).wait_for(timeout=180_000)
        page.wait_for_timeout(pause)


def fault(page: Page) -> str:
    """What a page shows that it never should; "" for nothing."""
    boxes = page.locator("[data-testid=stException]")
    return f"{page.url}: {boxes.first.inner_text()[:200]}" if boxes.count() else ""


def soak(minutes: float, sessions: int, models: list[str], allow: str, seed: int = 0) -> Soak:
    """Serve the app, click through it, and return what happened."""
    port, result, chance = free_port(), Soak(), random.Random(seed)
    command = [sys.executable, "-m", "explorer", "app", "--port", str(port), "--allow", allow]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process, address = psutil.Process(server.pid), f"http://localhost:{port}"
    try:
        wait_for(f"{address}/_stcore/health")
        with sync_playwright() as playwright:
            path = next(found for name in CHROMIUM if (found := shutil.which(name)))
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            _click(browser, address, minutes, sessions, models, chance, process, result)
            browser.close()
    finally:
        server.terminate()
        server.wait()
    return result


def _click(
    browser: Browser,
    address: str,
    minutes: float,
    sessions: int,
    models: list[str],
    chance: random.Random,
    process: psutil.Process,
    result: Soak,
) -> None:
    pages = [browser.new_context().new_page() for _ in range(sessions)]
    began = time.monotonic()
    while (now := time.monotonic()) < began + 60 * minutes:
        starts = []
        for number in range(sessions):
            if chance.random() < 0.1:  # somebody closes the window, maybe in the middle, and comes again
                pages[number].context.close()
                pages[number] = browser.new_context().new_page()
            starts.append(time.monotonic())
            _try(result, pages[number], lambda page: set_off(page, address, models, chance))
        for page, start in zip(pages, starts, strict=True):
            _try(result, page, arrive)
            result.seconds.append(time.monotonic() - start)
            result.errors += filter(None, [fault(page)])
        result.memory.append((now - began, process.memory_info().rss, sessions))
        megabytes, errors = result.memory[-1][1] / 1e6, len(result.errors)
        counts = f"{len(result.seconds)} interactions, {errors} errors"
        print(f"{now - began:.0f} s: {megabytes:.0f} MB, {counts}", file=sys.stderr, flush=True)


def _try(result: Soak, page: Page, step: Callable[[Page], None]) -> None:
    try:
        step(page)
    except Error as error:
        result.errors.append(f"{page.url}: {str(error).splitlines()[0]}")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    adapters = default_folder() / "adapters"
    models = [str(adapters / name) for name in ("sft", "dpo")]
    result = soak(arguments.minutes, arguments.sessions, models, str(adapters))
    text = json.dumps(result.to_json(), indent=1)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
