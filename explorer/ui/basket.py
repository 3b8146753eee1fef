"""The basket on screen: kept with the study, and in the session where the study can't be written."""

from collections.abc import Callable, Iterable
from pathlib import Path

import streamlit as st

from explorer.data.basket import change_basket, read_basket
from explorer.errors import ExplorerError
from explorer.ui.text import plain


def basket(study: Path) -> list[str]:
    """Return the ids of the ticked datapoints of a study, in the order in which they were ticked."""
    session = st.session_state.get("baskets", {})
    if str(study) in session:
        return list(session[str(study)])
    try:
        return read_basket(study)
    except ExplorerError as error:
        st.toast(plain(str(error)))
        return []


def tick(study: Path, name: str, wanted: bool) -> None:
    """Tick a datapoint, or take its tick away. Doing so twice changes nothing, as a callback may run twice."""
    if wanted:
        add_all(study, [name])
    else:
        _change(study, lambda ids: ids.pop(name, None))


def add_all(study: Path, names: Iterable[str]) -> None:
    """Tick several; those that are ticked stay."""
    _change(study, lambda ids: ids.update(dict.fromkeys(names)))


def clear(study: Path) -> None:
    """Take all ticks away."""
    _change(study, dict.clear)


def _change(study: Path, change: Callable[[dict[str, None]], object]) -> None:
    session = st.session_state.setdefault("baskets", {})
    try:
        if str(study) not in session:
            change_basket(study, change)
            return
    except ExplorerError as error:  # a study that can't be written
        st.toast(f"The basket lasts as long as this session: {plain(str(error))}")
        session[str(study)] = dict.fromkeys(basket(study))
    change(session[str(study)])
