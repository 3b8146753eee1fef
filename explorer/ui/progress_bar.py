"""Progress of long work as a bar on the page."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from explorer.progress import Progress
from explorer.ui.text import plain


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Draw a bar that the yielded Progress moves, until the block ends. Streamlit's stop button ends the work."""
    bar = st.empty()

    def report(what: str, done: float = 0, total: float = 0, /) -> None:
        count = f": {done:,.0f} of {total:,.0f}" if total else ""
        bar.progress(min(done / total, 1.0) if total else 0.0, plain(what) + count)

    try:
        yield report
    finally:
        bar.empty()
