"""A bar for long work that the page waits for."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from explorer.progress import Pace, Progress
from explorer.ui.text import duration, plain


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Yield a Progress that draws a bar with the time left, from its first call to the end of the block.

    Streamlit's stop ends the work.
    """
    place, pace = st.empty(), Pace()

    def show(step: str, done: float = 0, total: float = 0, /) -> None:
        left = pace.left(step, done, total)
        text = plain(step) + (f": {int(done):,} of {int(total):,}" if total else "")
        place.progress(min(done / total, 1.0) if total else 0.0, text + (f" · {duration(left)} left" if left else ""))

    try:
        yield show
    finally:
        place.empty()
