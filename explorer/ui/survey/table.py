"""The table of a survey's cases: what fits the filters, a row a case; a click opens Trace."""

from dataclasses import replace
from typing import Any

import streamlit as st

from explorer.errors import ExplorerError
from explorer.figures.labels import visible
from explorer.figures.survey import cluster_colour
from explorer.limits import NOTE_CHARS
from explorer.safe_text import hold_direction
from explorer.surveys.folder import Note, Row, Survey, note
from explorer.surveys.listing import is_seen
from explorer.surveys.report import MEANING, PATTERN_MEANING, STATE_MEANING, VERDICT_MEANING, segment_shares
from explorer.trace.alignment import differing_words
from explorer.ui import link
from explorer.ui.components import survey_table
from explorer.ui.session import current_case
from explorer.ui.survey.open_case import REFUSED, open_trace
from explorer.ui.survey.opened import opened_survey
from explorer.ui.survey.view import SORT, OnScreen, tick
from explorer.ui.text import one_line

KEY = "survey-table"
_LAST = "survey-last-change"
"""Session key of the last mark, note or tick that was taken over, by the time at which it was made."""
WRONG_WORDS, RIGHT_WORDS = 3, 2
COLUMNS = (
    ("gap", "Δℓ", "The logit gap, wrong minus right. Red: the model prefers the wrong answer", "c-gap"),
    ("outcome", "Outcome", "; ".join(f"{name}: {about}" for name, about in MEANING.items()), "c-outcome"),
    ("prompt", "Failure", "The prompt; the answers that are contrasted; the category", "c-texts"),
    ("", "Strongest words", "Red pushes towards the wrong answer, blue towards the right one", "c-words"),
    ("", "Segments", "Which part of the prompt carries which share of |relevance|", "c-segments"),
    ("sink", "Sink", "Share of |relevance| on the first token, mean over the inner layers", "c-sink"),
    ("seen", "Seen, note", "Kept with the study. Opening a failure marks it as seen", "c-note"),
)
"""(sort key, head, help, class) of each column."""


def show_table(screen: OnScreen) -> None:
    """Draw the listed cases."""
    heads = [dict(zip(("key", "label", "help", "className"), column, strict=True)) for column in COLUMNS]
    rows = [_row_data(screen, id) for id in screen.ids]
    current, prefix = current_case().id, f"{screen.survey.name}/"
    data = {
        "caption": f"Failures of {screen.survey.settings.title}: arrows walk, Enter opens Trace, Space selects, "
        "S marks as seen, N writes a note",
        "columns": heads,
        "rows": rows,
        "sort": screen.sort,
        "current": current.removeprefix(prefix) if current.startswith(prefix) else "",
        "sheet": f"{screen.survey.name} {screen.wanted} {screen.sort}",
        "most": NOTE_CHARS,
        "empty": "No failure fits these filters.",
    }
    acts = dict.fromkeys(("on_open_change", "on_sort_change"), lambda: _act(screen))
    survey_table(key=KEY, data=data, on_changes_change=lambda: _take_changes(screen), **acts)
    if _take_changes(screen):  # what a run that was cut short has left
        st.rerun()


def _row_data(screen: OnScreen, id: str) -> dict[str, Any]:
    survey = screen.survey
    case, row, kept = survey.cases[id], survey.rows.get(id), survey.notes.get(id, Note(id))
    number = screen.labels.get(id)
    wrong, right = differing_words(case.wrong, case.right) if case.wrong and case.right else (case.wrong, case.right)
    texts = {"prompt": case.prompt, "wrong": wrong, "right": right, "category": case.category}
    return {
        "id": id,
        "ticked": id in screen.ticked,
        "can": bool(case.right),
        "profile": str(number) if number else "",
        "colour": cluster_colour(number) if number else "",
        "whole": one_line(hold_direction(case.prompt), 500),
        "seen": is_seen(survey, id),
        "note": one_line(hold_direction(kept.text), NOTE_CHARS),
        **{name: one_line(hold_direction(text), 160) for name, text in texts.items()},
        **(_figures(row) if row else _NOTHING | {"mark": STATE_MEANING["waiting"]}),
    }


_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("gap", "sign", "mark", "outcome", "meaning", "pattern", "verdict", "figures", "sink"), ""),
    "words": [],
    "segments": [],
}


def _figures(row: Row) -> dict[str, Any]:
    if row.error or row.gap is None:
        return _NOTHING | {"mark": row.error or STATE_MEANING["unreadable"]}
    strongest = (*row.reddest[:WRONG_WORDS], *row.bluest[:RIGHT_WORDS])
    pattern = row.pattern if row.pattern and row.pattern != "neither" else ""
    figures = [
        PATTERN_MEANING[row.pattern] if row.pattern else "",
        f"map: {VERDICT_MEANING[row.verdict]}" if row.verdict else "",
        row.verdict_figures,
    ]
    return {
        "gap": f"{row.gap:+.2f}",
        "sign": "wrong" if row.gap > 0 else "right",
        "mark": row.mark,
        "outcome": row.outcome or "",
        "meaning": _meaning(row),
        "pattern": pattern,
        "verdict": VERDICT_MEANING[row.verdict] if row.verdict else "",
        "figures": ". ".join(filter(None, figures)),
        "sink": "" if row.sink_share is None else f"{row.sink_share:.0%}",
        "words": [[visible(text.strip() or text, 24), float(f"{value:.3g}")] for text, value in strongest],
        "segments": [[name, round(share, 3)] for name, share in segment_shares(row).items()],
    }


def _meaning(row: Row) -> str:
    """What the outcome says, with the shares of random masks and ablations that close the gap less."""
    if not row.outcome:
        return ""
    shares = ((row.percentile, "random masks"), (row.graph_percentile, "random ablations"))
    better = [f"better than {share:.0%} of {what}" for share, what in shares if share is not None]
    return f"{MEANING[row.outcome]} ({', '.join(better)})" if better else MEANING[row.outcome]


def _act(screen: OnScreen) -> None:
    """Open the failure that was pressed, or sort by the head that was."""
    event = st.session_state[KEY]
    if sort := event.get("sort"):
        link.put(sort=None if sort == SORT else sort)
    if id := event.get("open"):
        open_trace(screen.survey, id, screen.ids)


def _take_changes(screen: OnScreen) -> bool:
    """Take over marks, notes and ticks: what is newer than the last that was taken. Return whether there was any.

    A run can end in any line here, because another begins. A change counts as taken only once it is done.
    """
    last = st.session_state.get(_LAST, 0)
    new = [change for change in st.session_state[KEY].get("changes") or () if change[0] > last]
    for turn, kind, id, value in new:
        try:
            _take(screen, kind, id, value)
        except (ExplorerError, OSError) as error:
            st.session_state[REFUSED] = str(error)
        st.session_state[_LAST] = turn
    return bool(new)


def _take(screen: OnScreen, kind: str, id: str, value: Any) -> None:
    if kind == "seen":
        _note(screen.survey, id, seen=bool(value))
    elif kind == "note":
        _note(screen.survey, id, text=str(value)[:NOTE_CHARS])
    else:
        tick(screen.survey, screen.ids if kind == "all" else [id], bool(value))


def _note(survey: Survey, id: str, **changed: Any) -> None:
    """Change a mark or note; the other one is as it stands now, which may be newer than what is on screen."""
    now = opened_survey(survey.folder)
    if id in now.cases:
        note(now.folder, replace(now.notes.get(id, Note(id)), **changed))
