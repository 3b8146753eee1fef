"""The basket: datapoints that were ticked, kept by study for the session; what a repair drops or swaps."""

from collections.abc import Iterable
from pathlib import Path

import streamlit as st


def basket(study: Path) -> list[str]:
    """Return the ids of the ticked datapoints of a study, in the order in which they were ticked."""
    return list(_ticked(study))


def toggle(study: Path, name: str) -> None:
    """Tick a datapoint, or take its tick away."""
    ticked = _ticked(study)
    if ticked.pop(name, "absent"):
        ticked[name] = None


def add_all(study: Path, names: Iterable[str]) -> None:
    """Tick several; those that are ticked stay."""
    _ticked(study).update(dict.fromkeys(names))


def clear(study: Path) -> None:
    """Take all ticks away."""
    _ticked(study).clear()


def _ticked(study: Path) -> dict[str, None]:
    return st.session_state.setdefault("baskets", {}).setdefault(str(study), {})
