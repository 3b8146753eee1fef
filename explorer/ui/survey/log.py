"""The log that a survey begins with: dropped or named by its path, recognised, and shown before anything runs."""

import re
import tempfile
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from explorer.data.logs.recognise import read_log
from explorer.errors import ExplorerError, count
from explorer.files import Version, version_of, writing
from explorer.limits import UPLOAD_MEGABYTES
from explorer.safe_text import hold_direction
from explorer.surveys.contrasts import LogCases, cases_of
from explorer.surveys.folder import Case
from explorer.ui.caching import cached
from explorer.ui.study import whole_path
from explorer.ui.text import one_line, plain, show_error

KINDS = ["jsonl", "json", "eval", "csv", "tsv", "zip"]
FORMATS = (
    "lm-evaluation-harness `samples_*.jsonl`, Inspect `.eval` and `.json`, promptfoo `output.json`, OpenAI evals, a "
    "HELM run folder (by its path), or JSONL / CSV with prompt and expected answer."
)
PATH_HELP = (
    f"A log or run folder on the machine that this app runs on: for logs of more than {UPLOAD_MEGABYTES} MB, and "
    "HELM's folders."
)
PREVIEW = 5
"""Failures that are shown before anything runs."""
_WIDTHS = {"prompt": 230, "said": 190, "expected": 100, "category": 90}
"""Pixels of a column."""


def pick_log(name: str, label: str, about: str) -> LogCases | None:
    """Draw the field for a file and the one for a path, and read what is given; says why it can't be read."""
    settings: dict[str, Any] = {"type": KINDS, "max_upload_size": UPLOAD_MEGABYTES, "help": about}
    uploaded = st.file_uploader(label, key=f"survey-{name}-file", **settings)
    hint = "/path/to/samples_task.jsonl"
    typed = st.text_input("or its path on this machine", key=f"survey-{name}-path", placeholder=hint, help=PATH_HELP)
    try:
        path = _kept(uploaded, name) if uploaded else whole_path(typed) if typed.strip() else None
        if path is None:
            return None
        return _read(path, version_of(path))
    except (ExplorerError, OSError) as error:
        show_error(error)
        return None


def _kept(uploaded: UploadedFile, name: str) -> Path:
    """Path of an uploaded file, which lies in a folder of this session as long as that lasts."""
    key = f"survey-{name}-kept"
    file_id, folder = st.session_state.get(key, ("", None))
    safe_name = re.sub(r"[^\w.-]+", "-", Path(uploaded.name).name).lstrip(".")[-120:] or "log"
    if file_id != uploaded.file_id:
        folder = tempfile.TemporaryDirectory(prefix="explorer-log-", ignore_cleanup_errors=True)
        path = Path(folder.name) / safe_name
        with writing(path):
            path.write_bytes(uploaded.getbuffer())
        st.session_state[key] = uploaded.file_id, folder  # the folder goes with the session
    return Path(folder.name) / safe_name


@cached("Reading the log")
def _read(path: Path, _version: Version | None) -> LogCases:
    return cases_of(read_log(path))


def show_log(opened: LogCases) -> None:
    """Say what was recognised, and draw the first failures."""
    about, shown = opened.about, lambda text: plain(one_line(hold_direction(text), 80))
    said = [shown(" ".join(filter(None, (about.harness, about.version))))]
    said += [f"task {shown(about.task)}"] if about.task else []
    said += [f"model {shown(about.model)}"] if about.model else []
    metric = f" under {shown(about.metric)}" if about.metric else ""
    st.markdown(f":material/task: {' · '.join(said)}")
    unasked = sum(case.said is None for case in opened.cases)
    if unasked:
        st.markdown(f"**{count(unasked, 'prompt')} without an answer**: the model is asked first.")
    if failed := about.failed - unasked:
        st.markdown(f"**{failed:,} of {count(about.samples, 'sample')} failed**{metric}.")
    for problem in about.problems:
        st.caption(f":material/info: {plain(problem)}")
    if opened.cases:
        preview = [_line(case) for case in opened.cases[:PREVIEW]]
        widths = {name: st.column_config.TextColumn(width=width) for name, width in _WIDTHS.items()}
        st.dataframe(preview, hide_index=True, key="survey-preview", column_config=widths)
        if len(opened.cases) > PREVIEW:
            st.caption(f"The first {PREVIEW} of {len(opened.cases):,}.")


def _line(case: Case) -> dict[str, str]:
    texts = {
        "prompt": case.prompt,
        "said": case.said or "",
        "expected": " | ".join(case.expected),
        "category": case.category,
    }
    return {name: one_line(hold_direction(text), 160) for name, text in texts.items()}
