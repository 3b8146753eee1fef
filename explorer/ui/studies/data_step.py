"""Step 2: the training data: uploaded or by path, what was recognised in them, and their first rows."""

from typing import Any

import pandas as pd
import streamlit as st

from explorer.data.drafts import Draft
from explorer.data.importer import ImportedData
from explorer.data.numbers import NUMBERS
from explorer.errors import ExplorerError, file_size
from explorer.limits import TRAINING_TOKENS, UPLOAD_BYTES
from explorer.ui.studies.column_map import pick_columns
from explorer.ui.studies.draft import bound, draft, imported
from explorer.ui.studies.said import attempt, show_said
from explorer.ui.text import one_line, plain, show_error

UPLOAD_HELP = (
    f"JSON lines, JSON, CSV, TSV, Parquet, Arrow; also .gz, .zst; up to {UPLOAD_BYTES // 1_000_000} MB each. Several "
    "are read one after the other."
)
PATH_HELP = (
    "On the machine that runs the app: a file, a pattern such as data/*.parquet, a folder that save_to_disk wrote, or "
    "one as it is cloned from the hub."
)
TURNS = {"all": "One row, loss on all answers", "each": "A row for each answer"}
TURNS_HELP = "How a conversation of several answers becomes training examples: as its training read it."
TEMPLATES = {"auto": "As the model's tokenizer says", "chat": "Chat template", "raw": "Raw text"}
TEMPLATE_HELP = "How prompt and answer were put together in training. Raw: one after the other, without a template."
TOKENS_HELP = "Of a longer example the middle of its prompt is left out; fewer tokens are quicker."
SHOWN = 8
"""Rows of the preview."""
_TAKEN = "studies-uploads-taken"
"""Session key: how often files were taken out of the field."""
_COLUMNS = ("prompt", "response", "chosen", "rejected", "system", "history", "label", "source")


def data_step() -> bool:
    """Draw the step; returns whether it is complete."""
    of = draft()
    left, right = st.columns([1, 1.6], gap="large")
    with left:
        st.markdown("**Which examples was it trained on?**")
        show_said()
        _uploads(of)
        if not of.uploads:
            st.caption("or")
            example = "/data/train.jsonl"
            bound(st.text_input, "Path of the training data", of, "path", placeholder=example, help=PATH_HELP)
        labels = {"format_func": TURNS.__getitem__, "help": TURNS_HELP}
        bound(st.selectbox, "A conversation is", of, "turns", options=list(TURNS), **labels)
        labels = {"format_func": TEMPLATES.__getitem__, "help": TEMPLATE_HELP}
        bound(st.selectbox, "Read as", of, "template", options=list(TEMPLATES), **labels)
        least, most = NUMBERS["max_tokens"]
        limits = {"min_value": least, "max_value": most, "placeholder": f"{TRAINING_TOKENS:,}", "help": TOKENS_HELP}
        bound(st.number_input, "Tokens of an example that are read", of, "max_tokens", step=1, **limits)
    with right:
        if not of.has_data:
            st.markdown("**What was recognised**")
            st.caption("Upload a file or name its path: its format, its columns and its first rows are shown here.")
            return False
        try:
            data = imported(of)
        except ExplorerError as error:
            show_error(error)
            pick_columns(of, unclear=True)
            return False
        _preview(data)
        pick_columns(of, unclear=False)
        return True


def _uploads(of: Draft) -> None:
    """The files that were sent, each with a way to remove it, and the field that takes more."""
    for number, file in enumerate(of.files):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            size = file_size(file.stat().st_size) if file.is_file() else "gone"
            st.markdown(f":material/description: {plain(one_line(file.name))} · {size}", width="stretch")
            remove = {"on_click": attempt, "args": (of.remove_upload, file.name), "help": "Leave this file out"}
            with st.container(key=f"icon-studies-file-{number}", width="content"):
                label = f"Remove file {number + 1}"
                st.button(label, key=f"studies-remove-upload-{number}", icon=":material/close:", **remove)
    taken = st.session_state.setdefault(_TAKEN, 0)
    most, label = UPLOAD_BYTES // 1_000_000, "More files" if of.uploads else "Training data"
    settings = {"accept_multiple_files": True, "max_upload_size": most, "help": UPLOAD_HELP}
    if files := st.file_uploader(label, key=f"studies-upload-{taken}", **settings):
        attempt(_take, of, files)
        st.session_state[_TAKEN] += 1  # an empty field for more
        st.rerun()


def _take(of: Draft, files: Any) -> None:
    if not of.uploads:
        of.columns.clear()
    for file in files:
        of.upload(file.name, file.getvalue())


def _preview(data: ImportedData) -> None:
    st.markdown(f"**What was recognised: {data.table.num_rows:,} training examples**")
    st.markdown("\n".join(f"- {plain(line)}" for line in data.lines()))
    if data.broken_rows:
        with st.expander(f"Rows left out: {data.broken:,}", icon=":material/warning:"):
            st.markdown("\n".join(f"- {plain(line)}" for line in data.broken_rows))
    names = [name for name in _COLUMNS if name in data.table.column_names]
    rows = data.table.slice(0, SHOWN).select(names).to_pylist()
    cut = [
        {name: one_line(str(value), 300) if value is not None else "" for name, value in row.items()} for row in rows
    ]
    st.dataframe(pd.DataFrame(cut), hide_index=True, key="studies-rows", height="content", alt="The first rows")
