"""Busy processes run beside the work in the busy half alone, one a core, and end with it."""

from __future__ import annotations

import os

import psutil

from bench.load import GOAL, against_idle


def test_work_alone_and_beside_busy_processes_is_told_apart():
    cores = os.cpu_count() or 1
    mine = psutil.Process()
    before = {child.pid for child in mine.children()}  # of earlier tests; they may end meanwhile

    def busy() -> int:
        return sum(child.pid not in before for child in mine.children())

    def seconds() -> float:
        """Seconds that the work took: one, and one more for every busy process beside it."""
        return 1.0 + busy()

    row = against_idle("work", seconds, rounds=2, repeats=3)
    assert (row["idle_seconds"], row["busy_seconds"], row["ratio"]) == (1.0, 1.0 + cores, 1.0 + cores)
    assert row["slowest_busy_seconds"] == 1.0 + cores and row["goal"] == GOAL
    assert busy() == 0
