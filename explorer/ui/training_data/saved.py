"""The evaluation that is saved with a study: its table is shown at once, and says which layer did best."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.ranking.evaluate import Score
from explorer.ui.training_data.state import Corpus

SAVED = "evaluation.json"
FIELDS = {field.name for field in fields(Score)}


def saved_evaluation(of: Corpus) -> list[dict[str, Any]] | None:
    """The rows of the table that is saved with the study, or None."""
    saved = of.study.folder / SAVED
    return _saved(str(saved), saved.stat().st_mtime_ns) if saved.is_file() else None


@st.cache_resource(max_entries=4, show_spinner=False)
def _saved(path: str, _changed: int) -> list[dict[str, Any]] | None:
    """The rows of a saved evaluation; None where the file holds none."""
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))["rows"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = [row for row in rows if isinstance(row, dict) and set(row) >= FIELDS] if isinstance(rows, list) else []
    return whole or None
