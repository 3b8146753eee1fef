"""Wrong against right: the contrasts of a survey in a table, to be confirmed or changed."""

from typing import Any

import pandas as pd
import streamlit as st

from explorer.errors import ExplorerError, count
from explorer.safe_text import hold_direction
from explorer.surveys.folder import Case, How, Survey, change_contrast
from explorer.surveys.job import confirm
from explorer.ui.survey.job import begin
from explorer.ui.survey.open_case import REFUSED
from explorer.ui.text import one_line, plain

HOW: dict[How, str] = {
    "given": "from the log",
    "choice": "the choice",
    "aligned": "first difference",
    "corrective": "corrective token",
    "exchanged": "word exchanged",
    "first token": "first token",
    "yours": "yours",
}
"""How the right side was found, in few words."""
HOW_HELP = (
    "First difference: where the model's answer leaves the expected one. Corrective token: the best of the ten "
    "likeliest tokens whose continuation, generated, satisfies what is expected. Word exchanged: the one that could "
    "be the mistake. First token: of the expected answer."
)
WORDS = "Both answers are contrasted at the first token that differs. Write others where these miss the point."


def show_contrasts(survey: Survey, confirming: bool) -> None:
    """Draw the table of contrasts; ``confirming``: measuring waits for it."""
    missing = sum(not case.right for case in survey.cases.values())
    if confirming:
        st.markdown(f"**Wrong against right: are these the contrasts?** {WORDS}")
    else:
        st.caption(f"{WORDS} What is changed is measured again.")
    for problem in survey.settings.log.problems:
        st.caption(f":material/info: {plain(problem)}")
    if missing:
        none = f"{count(missing, 'failure')} of {len(survey.cases):,} without a right side"
        st.warning(f"{none}: fill it in, or it is told as not read.")
    key = f"contrasts-{survey.name}"
    edited = st.data_editor(_table(survey), key=key, column_config=_columns(), hide_index=True)
    changed = _changed(survey, edited)
    label = ("Confirm and measure" if confirming else "Measure the changed ones") + (
        f" ({len(changed)} changed)" if changed else ""
    )
    about = (
        "Your changes are kept with the survey. It can be stopped, and goes on"
        if confirming
        else "The others keep their rows"
    )
    button: dict[str, Any] = {"type": "primary", "key": "survey-confirm", "icon": ":material/check:", "help": about}
    st.button(label, on_click=_confirm, args=(survey, changed), disabled=not (confirming or changed), **button)


def _table(survey: Survey) -> pd.DataFrame:
    return pd.DataFrame([_line(case) for case in survey.cases.values()], index=list(survey.cases))


def _line(case: Case) -> dict[str, str]:
    return {
        "prompt": one_line(hold_direction(case.prompt), 300),
        "wrong": case.wrong,
        "right": case.right,
        "how": HOW[case.how],
        "expected": one_line(hold_direction(" | ".join(case.expected)), 200),
        "said": one_line(hold_direction(case.said or ""), 200),
        "category": one_line(hold_direction(case.category), 60),
    }


def _columns() -> dict[str, Any]:
    text = st.column_config.TextColumn
    return {
        "category": text("Category", disabled=True, width=80, help="Task, subject or tag, from the log"),
        "prompt": text("Prompt", disabled=True, width=230, help="What the model was asked"),
        "said": text("Said", disabled=True, width=150, help="The answer in the log"),
        "expected": text("Expected", disabled=True, width=110, help="The answers that the log accepts"),
        "wrong": text("Wrong ✎", help="What is contrasted as the wrong answer; edit it", width=190),
        "right": text("Right ✎", help="What is contrasted as the right answer; edit it", width=190),
        "how": text("Found by", disabled=True, width=110, help=HOW_HELP),
    }


def _changed(survey: Survey, edited: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Id → (wrong, right) of the cases that were edited."""
    pairs = {
        str(id): (str(wrong or ""), str(right or "")) for id, wrong, right in edited[["wrong", "right"]].itertuples()
    }
    return {id: pair for id, pair in pairs.items() if pair != (survey.cases[id].wrong, survey.cases[id].right)}


def _confirm(survey: Survey, changed: dict[str, tuple[str, str]]) -> None:
    try:
        for id, (wrong, right) in changed.items():
            change_contrast(survey.folder, id, wrong, right)
        confirm(survey.folder)
    except (ExplorerError, OSError) as error:
        st.session_state[REFUSED] = str(error)
    else:
        begin(survey)
