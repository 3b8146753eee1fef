"""What stands on a page while its content is computed: the case, grey lines, and a bar that says what is done."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from explorer.data.failures import Failure
from explorer.trace.alignment import differing_words
from explorer.ui.components import case_bar
from explorer.ui.text import one_line

KEY = "waiting"
"""How the key of the container begins, below which the app's style sheet hides everything: it is of the case before."""
_LINES = """<div class="skeleton" role="status" aria-label="Computing"><i></i><i></i><i></i><i></i></div>"""


@contextmanager
def skeleton(ready: bool, failure: Failure | None = None) -> Iterator[None]:
    """While the block runs, show grey lines in the place of all that follows, with the progress of the work above them.

    Args:
        ready: the work takes no time, so that nothing is shown.
        failure: the case to name first, where the page has not drawn it yet.
    """
    place = st.empty()
    if ready:
        yield
        return
    try:
        with place.container(key=f"{KEY}-{'model' if failure else 'page'}"):
            if failure:
                name_case(failure, "loading-bar")
            work = st.container()
            st.html(_LINES)
            with work:
                yield
    finally:
        place.empty()


def name_case(failure: Failure, key: str) -> None:
    """Draw the case bar before a model has read the case: the prompt, and the words that the answers differ in."""
    wrong, right = differing_words(failure.wrong, failure.right)
    words = {"wrong": one_line(wrong, 22), "right": one_line(right, 22), "gap": "", "note": ""}
    case_bar(key=key, data={"prompt": one_line(failure.prompt, 160), **words})
