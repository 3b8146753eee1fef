"""Timing several things fairly: interleaved, so that a busy machine slows all of them alike; medians."""

import gc
import statistics
import time
from collections.abc import Callable


def medians(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each piece of work over ``repeats`` interleaved rounds, after one warm-up round.

    With 0 repeats the work is done once, without a warm-up.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for round_number in range(repeats + 1):
        for name, work in works.items():
            gc.collect()
            start = time.perf_counter()
            work()
            if round_number or not repeats:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}
