"""A graph.json of the failure on screen, opened from a file."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.graph.graph_json import check_same, read_graph_json
from explorer.graph.prune import Drawing
from explorer.trace.explain import Explanation
from explorer.ui.graph.state import change, write_groups
from explorer.ui.text import show_error

_OPENED = "graph-opened"


def open_file(explanation: Explanation) -> Drawing | None:
    """Draw the field for a file; returns its drawing. Its marks go into the link when it is opened."""
    uploaded = st.file_uploader("Open a graph.json", type="json", max_upload_size=20)
    if not uploaded:
        return None
    try:
        file = read_graph_json(uploaded.getvalue(), uploaded.name)
        check_same(file, explanation)
    except ExplorerError as error:
        show_error(error)
        return None
    if st.session_state.get(_OPENED) != uploaded.file_id:
        st.session_state[_OPENED] = uploaded.file_id
        change(pins=file.marks.pinned, groups=write_groups(file.marks.groups))
        st.rerun()
    return file.drawing
