"""What other work on the machine costs a trace: beside one busy process a core, against the same without."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bench.heatmap import prompt_ids
from explorer.model.load import LoadedModel
from explorer.trace.trace import trace_ids

GOAL = 3.0
"""Most times that work beside busy processes takes of what it takes alone; on average they halve the machine."""


@contextmanager
def busy_cores() -> Iterator[None]:
    """While open, one process spins beside every core."""
    cores = os.cpu_count() or 1
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        time.sleep(0.5)  # they have started
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def against_idle(what: str, seconds: Callable[[], float], rounds: int, repeats: int) -> dict[str, Any]:
    """One row: median seconds alone and beside busy processes, their ratio and the goal; the two take turns.

    Args:
        seconds: does the work once, and returns what it took.
        rounds: how often the two take turns.
        repeats: how often the work is done each time.
    """
    seconds()
    idle: list[float] = []
    busy: list[float] = []
    for _ in range(rounds):
        idle += [seconds() for _ in range(repeats)]
        with busy_cores():
            busy += [seconds() for _ in range(repeats)]
    alone, beside = statistics.median(idle), statistics.median(busy)
    return {
        "what": what,
        "idle_seconds": alone,
        "busy_seconds": beside,
        "slowest_busy_seconds": max(busy),
        "ratio": beside / alone,
        "goal": GOAL,
    }


def bench_load(loaded: LoadedModel, rounds: int, repeats: int) -> list[dict[str, Any]]:
    """A trace of 12 tokens under AttnLRP. ``bench.repaint`` measures what a person sees of it."""
    ids, view = prompt_ids(loaded, 12), loaded.view("attnlrp")

    def seconds() -> float:
        began = time.perf_counter()
        trace_ids(view, ids, 10, 20)
        return time.perf_counter() - began

    return [against_idle("trace of 12 tokens", seconds, rounds, repeats)]
