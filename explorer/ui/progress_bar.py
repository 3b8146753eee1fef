"""A bar for long work that the page waits for."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer.model.passes import watched
from explorer.progress import Pace, Progress, silent
from explorer.ui.text import duration, plain

_EVERY = 0.2
"""Seconds between two changes of the bar."""


@contextmanager
def progress_bar(usual: str = "", patience: float = 0.0) -> Iterator[Progress]:
    """Yield a Progress that draws a bar with the time left, to the end of the block.

    Every pass through a model in the block tells the bar too: what it waits for, and how far it is. Streamlit's stop,
    and the end of the session, end the work at its next step. In a thread without a page, nothing is drawn.

    Args:
        usual: what is being done where the work does not say.
        patience: seconds before anything is drawn; what is done sooner does not flicker.
    """
    if get_script_run_ctx(suppress_warning=True) is None:  # in a thread that draws nothing
        yield silent
        return
    place, pace = st.empty(), Pace()
    began = drawn = monotonic()
    text = plain(usual)

    def show(step: str, done: float = 0, total: float = 0, /) -> None:
        nonlocal drawn, text
        now = monotonic()
        if now < began + patience or (now < drawn + _EVERY and plain(step) in text and 0 < done < total):
            return
        drawn = now
        left = pace.left(step, done, total)
        text = plain(step) + (f": {int(done):,} of {int(total):,}" if total else "")
        place.progress(min(done / total, 1.0) if total else 0.0, text + (f" · {duration(left)} left" if left else ""))

    try:
        with watched(show):
            yield show
    finally:
        place.empty()
