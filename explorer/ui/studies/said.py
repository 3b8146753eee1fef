"""What the last click on the Studies page did, or why it could not; told once, on the next run."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from explorer.errors import ExplorerError
from explorer.ui.text import plain, show_error

_SAID, _REFUSED = "studies-said", "studies-refused"


def say(sentence: str) -> None:
    """Tell what was done."""
    st.session_state[_SAID] = sentence


def attempt(action: Callable[..., None], *given: Any) -> None:
    """Do what a click asks for; an error is told as a sentence."""
    try:
        action(*given)
    except (ExplorerError, OSError) as error:
        st.session_state[_REFUSED] = str(error)


def show_said() -> None:
    """Draw both."""
    if refused := st.session_state.pop(_REFUSED, None):
        show_error(refused)
    if said := st.session_state.pop(_SAID, None):
        st.success(plain(said))
