"""Both answers of a case in full: the contrasted token is marked, other places where they differ can be chosen."""

from typing import Any

import streamlit as st

from explorer.data.failures import Failure
from explorer.trace.alignment import chosen_place, marked_pieces, wording
from explorer.trace.explain import Explanation
from explorer.ui.components import answers
from explorer.ui.session import set_place

_KEY = "answers"


def answers_row(failure: Failure, explanation: Explanation | None = None) -> None:
    """Draw the answers one above the other; a click contrasts them at another place, in the link too.

    Args:
        explanation: gives every place its gap, and says of whole answers that they are not equally long.

    Raises ExplorerError where the case names a place that there is not.
    """
    current = chosen_place(failure.wrong, failure.right, failure.place)
    gaps, tokens, notes = {}, ("", ""), [wording(failure.wrong, failure.right)]
    if explanation:
        gaps = {place.number: place.gap for place in explanation.places}
        tokens = explanation.contrast.target_text, explanation.contrast.foil_text
        notes.append(explanation.lengths_sentence)
    sides, told = [], {current}
    both = zip(("wrong", "right"), marked_pieces(failure.wrong, failure.right), tokens, strict=True)
    for side, pieces, token in both:
        cells = [_cell(text, place, gaps, current, told) for text, place in pieces]
        told |= {place for _, place in pieces if place is not None}
        sides.append({"side": side, "label": side.title(), "token": token.strip(), "pieces": cells})
    whole = bool(explanation and explanation.whole)
    data = {"sides": sides, "current": None if whole else current, "note": " ".join(filter(None, notes))}
    answers(key=_KEY, data=data, on_place_change=_take_place)


def _cell(text: str, place: int | None, gaps: dict[int, float], current: int, told: set[int]) -> list[Any]:
    """Return [text, place, gap to be shown, description] of one piece; places ``told`` show their gap elsewhere."""
    if place is None:
        return [text, None, "", ""]
    gap = f"{gaps[place]:+.1f}" if place in gaps else ""
    about = "contrasted here" if place == current else "contrast the answers here"
    return [text, place, "" if place in told else gap, f"{about}, Δℓ = {gap} logits" if gap else about]


def _take_place() -> None:
    place = st.session_state[_KEY]["place"]
    if place is not None:
        set_place(int(place))
