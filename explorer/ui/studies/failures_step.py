"""Step 3: what the model does wrong, typed, pasted or uploaded; and the button that makes the study."""

import pandas as pd
import streamlit as st

from explorer.data.drafts import Draft
from explorer.data.listed import BEHAVIOR, Entry, make_entry, parse_listed, read_listed
from explorer.errors import ExplorerError, count
from explorer.limits import JSON_BYTES
from explorer.ui import link
from explorer.ui.places import Place, allow, places_of
from explorer.ui.session import set_study
from explorer.ui.studies.asking import ask_model, require_not_asking, show_asking
from explorer.ui.studies.draft import NOTES, bound, draft, forget_draft, imported, make_study, uploaded_file
from explorer.ui.studies.from_survey import pick_survey
from explorer.ui.studies.said import attempt, show_said
from explorer.ui.study import study_models
from explorer.ui.text import one_line

NAME_HELP = "What the study is called in the sidebar; its folder is named after it."
BEHAVIOR_HELP = "What goes wrong, in a word or two. Prompts of one behavior are traced, ranked and repaired together."
PROMPT_HELP = "What the model was asked, letter for letter."
WRONG_HELP = "What it answers, or the words of it that are wrong."
RIGHT_HELP = "What it should have answered. Without it the prompt is part of the behavior, but is not traced itself."
PASTE_HELP = (
    "One a line: prompt | wrong answer | right answer, with | or tabs between. Also cells of a spreadsheet, CSV with a "
    "line of names, or JSON lines."
)
FILE_HELP = "JSON lines, CSV, JSON or Parquet with columns such as prompt, wrong (or bad), right (or good), behavior."
ADD_HELP = "Add all of its rows; each has the wrong answer"
ASK_HELP = (
    "For prompts with expected answers (prompt, expected), or the log of an evaluation: the model after training "
    "answers them behind the page, and what it gets wrong is added."
)
HOLD_OUT_HELP = "Every other prompt of a behavior is kept for measuring a repair; its rows need the field exhibits."
CREATE_HELP = "Writes the study's folder beside the others and opens it on every page"
_TYPED = ("prompt", "wrong", "right")


def failures_step() -> bool:
    """Draw the step; returns whether it is complete."""
    of = draft()
    show_said()
    left, right = st.columns([1, 1.35], gap="large")
    with left:
        st.markdown("**What does it do wrong?**")
        st.text_input("Behavior", key="studies-behavior", placeholder=BEHAVIOR, help=BEHAVIOR_HELP)
        st.text_area("Prompt", key="studies-prompt", height=68, help=PROMPT_HELP)
        wrong, right_answer = st.columns(2)
        wrong.text_input("Wrong answer", key="studies-wrong", help=WRONG_HELP)
        right_answer.text_input("Right answer", key="studies-right", help=RIGHT_HELP)
        st.button(
            "Add",
            key="studies-add",
            icon=":material/add:",
            on_click=attempt,
            args=(_add, of),
            help="Add it to the list",
        )
        show_asking(of)
        _lists(of)
        pick_survey(of, _behavior())
    with right:
        _show_entries(of)
        return _create(of)


def _lists(of: Draft) -> None:
    """The fields for whole lists: pasted, uploaded, or asked of the model."""
    with st.expander("Paste a list, or upload one", icon=":material/playlist_add:", key="studies-lists"):
        hint = "What is the capital of Turkey? | Istanbul | Ankara"
        st.text_area("List", key="studies-pasted", placeholder=hint, help=PASTE_HELP)
        paste = {"on_click": attempt, "args": (_paste, of), "help": "Add all of its lines"}
        st.button("Add the list", key="studies-paste", **paste)
        most = JSON_BYTES // 1_000_000
        st.file_uploader("Or a file", key="studies-list-file", max_upload_size=most, help=FILE_HELP)
        with st.container(horizontal=True, gap="small"):
            st.button("Add the file", key="studies-file", on_click=attempt, args=(_add_file, of), help=ADD_HELP)
            ask = {"on_click": attempt, "args": (_ask, of), "icon": ":material/quiz:", "help": ASK_HELP}
            st.button("Ask the model first", key="studies-ask", **ask)


def _behavior() -> str:
    return st.session_state.get("studies-behavior", "").strip() or BEHAVIOR


def _add(of: Draft) -> None:
    row = {field: st.session_state[f"studies-{field}"].strip() for field in _TYPED}
    of.entries.append(make_entry(row, "This entry", _behavior()))
    for field in _TYPED:
        st.session_state[f"studies-{field}"] = ""


def _paste(of: Draft) -> None:
    of.entries += parse_listed(st.session_state["studies-pasted"], _behavior())
    st.session_state["studies-pasted"] = ""


def _ask(of: Draft) -> None:
    ask_model(of, _chosen_file(), _behavior())


def _add_file(of: Draft) -> None:
    with uploaded_file(_chosen_file()) as path:
        of.entries += read_listed(path, _behavior())


def _chosen_file() -> tuple[str, bytes]:
    """(name, content) of the file in the field. Raises ExplorerError for none."""
    file = st.session_state.get("studies-list-file")
    if file is None:
        raise ExplorerError("No file was chosen; expected one above the button.")
    return file.name, file.getvalue()


def _show_entries(of: Draft) -> None:
    failures = sum("right" in entry for entry in of.entries)
    names = len({entry["behavior"] for entry in of.entries})
    st.markdown(f"**{count(len(of.entries), 'prompt')} of {count(names, 'behavior')}, {count(failures, 'failure')}**")
    if not of.entries:
        st.caption(
            "None yet. A study can do without: its page Trace then begins with the examples that come with the program."
        )
        return
    table = pd.DataFrame([_row(entry) for entry in of.entries])
    settings = {"hide_index": True, "on_select": "rerun", "selection_mode": "multi-row", "alt": "What goes wrong"}
    height = "content" if len(table) < 8 else 260
    picked = st.dataframe(table, key="studies-entries", height=height, **settings)
    rows = set(picked["selection"]["rows"])
    with st.container(horizontal=True, gap="small"):
        away = {"on_click": _remove, "args": (of, rows), "disabled": not rows, "help": "Tick rows to remove them"}
        st.button(
            f"Remove {count(len(rows), 'row')}" if rows else "Remove",
            key="studies-remove",
            icon=":material/close:",
            **away,
        )
        clear = {"on_click": of.entries.clear, "help": "Remove all of them", "type": "tertiary"}
        st.button("Clear the list", key="studies-clear", **clear)


def _row(entry: Entry) -> dict[str, str]:
    fields = {"behavior": "Behavior", "prompt": "Prompt", "wrong": "Wrong", "right": "Right"}
    return {label: one_line(entry.get(field, ""), 300) for field, label in fields.items()}


def _remove(of: Draft, rows: set[int]) -> None:
    of.entries[:] = [entry for number, entry in enumerate(of.entries) if number not in rows]
    st.session_state.pop("studies-entries", None)


def _create(of: Draft) -> bool:
    if not of.has_data:
        st.caption("The training data are missing: go back to step 2.")
        return False
    data = imported(of)
    bound(st.text_input, "Name of the study", of, "name", placeholder="My study", help=NAME_HELP)
    if any("exhibits" in entry for entry in of.entries):
        bound(st.checkbox, "Hold every other prompt out", of, "hold_out", help=HOLD_OUT_HELP)
    st.caption(f"{count(data.table.num_rows, 'training example')} · {count(len(of.entries), 'prompt')}")
    make = {"on_click": attempt, "args": (_make, of), "disabled": not of.name.strip(), "help": CREATE_HELP}
    st.button("Create the study", key="studies-create", type="primary", icon=":material/check:", **make)
    return bool(of.name.strip())


def _make(of: Draft) -> None:
    """Write the study, open it with what was typed allowed, and go to its vectors."""
    require_not_asking(of)
    study, notes = make_study(of)
    allow([Place("study", str(study.folder)), *(place for spec in study_models(study) for place in places_of(spec))])
    set_study(study.folder)
    forget_draft()
    link.put(new="1", step="vectors")
    st.session_state[NOTES] = notes
