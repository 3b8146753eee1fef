"""The filters above the table of a survey."""

from typing import Any

import streamlit as st

from explorer.errors import count
from explorer.safe_text import hold_direction
from explorer.surveys.folder import OUTCOMES, PATTERNS
from explorer.surveys.listing import STATES, VERDICTS, Filter
from explorer.surveys.report import MEANING, PATTERN_MEANING, STATE_MEANING, VERDICT_MEANING
from explorer.ui import link
from explorer.ui.survey.view import NO_FILTER, OnScreen, category_keys, divisions
from explorer.ui.text import one_line, plain

_OUTCOMES = "; ".join(f"{name}: {about}" for name, about in MEANING.items())
_PATTERNS = "; ".join(f"{name}: {about}" for name, about in PATTERN_MEANING.items())


def pick_filter(screen: OnScreen) -> None:
    """Draw the filter widgets; those of outcomes, patterns and verdicts where the survey has any."""
    survey = screen.survey
    shown = {key: plain(one_line(hold_direction(name), 60)) for key, name in category_keys(survey).items()}
    judged = divisions(survey)
    fields = [
        ("Category", "category", {key: label or "no category" for key, label in shown.items()}, "these categories"),
        ("Outcome", "outcome", {name: name for name in OUTCOMES}, f"these outcomes. {_OUTCOMES}"),
        ("Pattern", "pattern", {name: name for name in PATTERNS}, f"these patterns. {_PATTERNS}"),
        ("State", "made", {name: STATE_MEANING[name] for name in STATES}, "these states; a gap up to 1 logit is small"),
        ("Verdict", "verdict", {name: VERDICT_MEANING[name] for name in VERDICTS}, "these verdicts"),
    ]
    fields = [field for field in fields if field[1] in ("category", *judged)]
    with st.container(key="survey-filter-bar"):
        columns = st.columns([2, *[1.4] * len(fields), 1.4], gap="small", vertical_alignment="center")
    with columns[0]:
        about = "List only failures with these words: in the prompt, the answers, the strongest words or the note"
        hidden: dict[str, Any] = {"label_visibility": "collapsed"}
        link.text("Search", "find", placeholder="Search", icon=":material/search:", help=about, **hidden)
    for column, (label, name, options, about) in zip(columns[1:], fields, strict=False):
        with column:
            _several(label, name, options, f"List only {about}")
    with columns[-1]:
        link.toggle("Unseen", "unseen", help="Leave out what is marked as seen")


def _several(label: str, name: str, options: dict[str, str], about: str) -> None:
    settings = {"label_visibility": "collapsed", "placeholder": label, "help": about}
    link.multiselect(label, name, options, [], **settings)


def _described(wanted: Filter) -> list[str]:
    """Say in words what is listed; the fields are too narrow for it."""
    parts = [
        ", ".join(name or "no category" for name in wanted.categories),
        ", ".join(wanted.outcomes),
        ", ".join(wanted.patterns),
        ", ".join(STATE_MEANING[state] for state in STATES if state in wanted.states),
        ", ".join(VERDICT_MEANING[name] for name in wanted.verdicts),
        f"profile cluster {', '.join(map(str, wanted.profiles))}" if wanted.profiles else "",
        f"“{wanted.text}”" if wanted.text.strip() else "",
        "unseen" if wanted.unseen else "",
    ]
    return [part for part in parts if part]


def show_count(screen: OnScreen) -> None:
    """Say how many failures are listed and selected, with a way back to all of them."""
    survey, ticked = screen.survey, len(screen.ticked)
    total = f"{len(screen.ids):,} of " if len(screen.ids) < len(survey.cases) else ""
    selected = f" · {ticked:,} selected" if ticked else ""
    words = "".join(f" · {plain(one_line(hold_direction(part), 80))}" for part in _described(screen.wanted))
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="survey-count"):
        st.caption(f"{total}{count(len(survey.cases), 'failure')}{words}{selected}", width="content")
        if link.has(*NO_FILTER):
            clear = {"on_click": link.put, "args": (NO_FILTER,), "type": "tertiary"}
            icon = ":material/filter_alt_off:"
            st.button("Show all", icon=icon, key="survey-clear", help="Take all filters off", **clear)
        if ticked:
            clear = {"on_click": link.put, "kwargs": {"ticked": None}, "type": "tertiary"}
            st.button(
                "Select none", icon=":material/deselect:", key="survey-untick", help="Let go of the selection", **clear
            )
