"""Which column of the training data is what, chosen by hand where the usual names do not tell."""

from typing import Any

import pandas as pd
import streamlit as st

from explorer.data.drafts import Draft
from explorer.data.preview import column_names
from explorer.errors import ExplorerError
from explorer.ui.studies.draft import rows_as_they_are
from explorer.ui.text import one_line

FIELDS = {
    "prompt": "What the model was asked: text or messages.",
    "response": "The answer that it was trained on.",
    "chosen": "The preferred answer of a pair.",
    "rejected": "The other answer of a pair.",
    "messages": "A whole conversation in one column.",
    "system": "The system prompt.",
    "context": "What is put behind the prompt, after a blank line.",
    "label": "What is known of the row, such as whether it is bad; only for counting.",
    "source": "Where the row is from; only for counting.",
    "id": "A name of the row.",
}
"""Field that a column can be chosen for → what it is."""
_AUTOMATIC = ""


def pick_columns(of: Draft, unclear: bool) -> None:
    """Draw the map of columns, open where the usual names told nothing or something was chosen."""
    with st.expander(
        "Columns, chosen by hand",
        expanded=unclear or bool(of.columns),
        icon=":material/view_column:",
        key="studies-map",
    ):
        try:
            rows = rows_as_they_are(of)
        except ExplorerError:
            st.caption("The file can't be read, so its columns are not known.")
            return
        names = column_names(rows)
        fields = st.columns(5)
        for number, (name, help) in enumerate(FIELDS.items()):
            with fields[number % 5]:
                _pick(of, name, names, help)
        cut = [{column: one_line(str(row.get(column, "")), 200) for column in names} for row in rows]
        st.dataframe(pd.DataFrame(cut), hide_index=True, key="studies-raw-rows", height="content", alt="As in the file")


def _pick(of: Draft, name: str, columns: list[str], help: str) -> None:
    key = f"studies-column-{name}"
    chosen = of.columns.get(name, _AUTOMATIC)
    options = list(dict.fromkeys([_AUTOMATIC, *columns, chosen]))
    st.session_state[key] = chosen

    def changed() -> None:
        column = st.session_state[key]
        if column == _AUTOMATIC:
            of.columns.pop(name, None)
        else:
            of.columns[name] = column

    settings: dict[str, Any] = {"format_func": lambda column: column or "Auto", "key": key, "help": help}
    st.selectbox(name.capitalize(), options, on_change=changed, **settings)
