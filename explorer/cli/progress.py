"""Progress of a command on stderr."""

import sys
import time

from explorer.progress import Pace, Progress

EVERY = 5.0
"""Seconds between two lines about the same work; its end always has one."""


def progress_lines() -> Progress:
    """Return a Progress that prints a line every few seconds: what is done, how fast, and the time left."""
    pace, printed = Pace(), ("", -EVERY)

    def show(what: str, done: float = 0, total: float = 0, /) -> None:
        nonlocal printed
        rate, left, now = pace.rate(what, done), pace.left(what, done, total), time.monotonic()
        if what == printed[0] and done < total and now < printed[1] + EVERY:
            return
        printed = what, now
        line = f"{what}: {int(done)}/{int(total)}" if total else what
        if left is not None:
            minutes, seconds = divmod(round(left), 60)
            line += f", {rate:.1f} a second, {minutes}:{seconds:02d} left"
        print(line, file=sys.stderr, flush=True)

    return show
