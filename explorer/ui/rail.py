"""The rail on every page: the steps from a failure to its repair, with what is known of the case at each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

import streamlit as st

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.model.load import ModelSpec
from explorer.trace.alignment import differing_words
from explorer.ui import findings, link, navigation
from explorer.ui.background import background
from explorer.ui.components import rail as draw
from explorer.ui.look_again import look_again
from explorer.ui.session import TRAVELS, current_case, model_spec
from explorer.ui.study import current_study
from explorer.ui.text import one_line

STEPS = (navigation.TRACE, navigation.GRAPH, navigation.TRAINING_DATA, navigation.REPAIR)
EVERY = 3000
"""Milliseconds between two looks whether more is known. Streamlit collects garbage after each, which takes time."""
LONGEST = 1200
"""Characters of a prompt that is looked at in the background."""
_KEY = "rail"
T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """A page, and what is known of the case there; None while that is being computed."""

    page: str
    text: str | None


def rail(current: str) -> None:
    """Draw the rail; it fills itself in while something is being computed.

    Args:
        current: name of the page on screen.
    """
    spec, failure = model_spec(), current_case().question
    _draw(current, spec, failure, current == navigation.TRACE and findings.disputed.known(spec, failure) is None)


@st.fragment
def _draw(current: str, spec: ModelSpec, failure: Failure, marks_wait: bool) -> None:
    """``marks_wait``: the map on screen was drawn before it was known which signs the rules dispute."""
    navigation.follow()  # a click runs this fragment alone
    steps = _steps(spec, failure) if is_short(failure) else [Step(page, "") for page in STEPS]
    if marks_wait and findings.disputed.known(spec, failure):
        st.rerun()  # to mark them
    params = {name: link.get(name) for name in ("study", *TRAVELS) if link.has(name)}
    data = {
        "steps": [
            {
                "page": step.page,
                "title": navigation.PAGES[step.page][0],
                "text": "…" if step.text is None else one_line(step.text, 60),
                "href": f"/{'' if step.page == navigation.TRACE else step.page}?{urlencode(params)}",
            }
            for step in steps
        ],
        "failure": [one_line(side, 40) for side in differing_words(failure.wrong, failure.right)],
        "current": current,
    }
    draw(key=_KEY, data=data, on_go_change=_go)
    look_again("rail-look", EVERY if None in {step.text for step in steps} else None)


def _go() -> None:
    page = st.session_state[_KEY]["go"]
    if page in STEPS:
        navigation.go(page)


def _steps(spec: ModelSpec, failure: Failure) -> list[Step]:
    study = current_study().study
    soon = background.soon
    disputes = _known(lambda: soon(findings.disputed, spec, failure))
    trace = _known(lambda: soon(findings.of_trace, spec, failure))
    return [
        Step(navigation.TRACE, None if disputes is None else trace),
        Step(navigation.GRAPH, _known(lambda: soon(findings.of_graph, spec, failure))),
        Step(navigation.TRAINING_DATA, _known(lambda: soon(findings.of_training_data, spec, study, failure))),
        Step(navigation.REPAIR, _known(lambda: soon(findings.of_repair, study, failure))),
    ]


def _known(ask: Callable[[], T]) -> T | str:
    try:
        return ask()
    except ExplorerError:
        return "not available"  # the page itself says why


def is_short(failure: Failure) -> bool:
    """Whether the background may trace the prompt unasked."""
    return len(failure.prompt) + len(failure.system or "") <= LONGEST
