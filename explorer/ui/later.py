"""What a page shows of long work in the background: how far it is, a way to stop it, a button that asks for it.

The sidebar of every page lists what this session waits for (``waiting``). What was asked for by hand is computed to its
end, also where its page is closed.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from explorer.errors import ExplorerError
from explorer.ui import link
from explorer.ui.background import Wish, background
from explorer.ui.caching import Kept
from explorer.ui.look_again import look_again
from explorer.ui.text import plain

T = TypeVar("T")
EVERY = 1500
"""Milliseconds between two looks how far it is."""
_STOPPED, _ASKED, _WAITING = "later-stopped", "later-asked", "later-waiting"
"""Session keys: the work that was stopped, the one that was asked for although it is long, and all that is awaited."""


@dataclass(frozen=True)
class Awaited:
    """Work that this session waits for: the question that it answers, about what, and where it is shown."""

    asks: str
    about: str
    page: str
    params: dict[str, str]


def awaited(
    function: Kept[..., T], given: tuple[Any, ...], key: str, asks: str, about: str, hint: str, unasked: bool
) -> T | None:
    """Return what a function returns if that is known; else draw what stands there until it is. Call it in a fragment.

    Args:
        given: the function's arguments.
        key: begins the keys of the widgets.
        asks: the question that the work answers, e.g. "Is this map true?".
        about: what it is asked about, for the list of jobs.
        hint: what the button does that asks for it.
        unasked: whether the work begins by itself.
    """
    this = function.key(*given)
    wanted = unasked or st.session_state.get(_ASKED) == this
    if (value := function.known(*given)) is None and (not wanted or st.session_state.get(_STOPPED) == this):
        button: dict[str, Any] = {"key": f"{key}-ask", "icon": ":material/rule:", "help": hint}
        st.button(asks, on_click=_ask, args=(this,), **button)
        return None
    try:
        state = background.later(function, *given) if value is None else value
    except ExplorerError as error:
        st.caption(f"{asks} {plain(str(error))}")
        return None
    waits = state is None or isinstance(state, Wish)
    look_again(f"{key}-look", EVERY if waits else None)
    if state is not None and not isinstance(state, Wish):
        return state
    if st.session_state.get(_ASKED) == this:
        background.keep(this)
    page = link.session_key("").removesuffix("-")  # widgets of the page on screen begin with its name
    shown = Awaited(asks, about, page, st.query_params.to_dict())
    st.session_state.setdefault(_WAITING, {})[this] = shown
    done, total, what = (state.done or 0, state.total, state.what) if state else (0, 0, "")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        share = min(done / total, 1.0) if total else 0.0
        st.progress(share, f"{asks} {plain(what) or 'Waiting for its turn'}")
        stop: dict[str, Any] = {"key": f"{key}-stop", "icon": ":material/close:", "help": "Stop this work"}
        st.button("Stop", on_click=stop_work, args=(this,), **stop)
    return None


def waiting() -> list[tuple[Hashable, Awaited, Wish]]:
    """What this session waits for, each with its key and how far it is."""
    known: dict[Hashable, Awaited] = st.session_state.setdefault(_WAITING, {})
    states = {key: background.state(key) for key in known}
    for key in [key for key, state in states.items() if state is None]:
        del known[key]
    return [(key, awaited, state) for key, awaited in known.items() if (state := states[key])]


def stop_work(this: Hashable) -> None:
    """Give up work, and do not begin it again before it is asked for."""
    background.cancel(this)
    st.session_state[_STOPPED] = this


def _ask(this: Hashable) -> None:
    st.session_state[_STOPPED], st.session_state[_ASKED] = None, this
