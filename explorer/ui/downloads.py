"""Download buttons: files are made when they are clicked, not before."""

import streamlit as st

from explorer.explanation import Explanation
from explorer.graph.export import GRAPH_FORMATS, export_graph
from explorer.graph.layout import Column
from explorer.graph.prune import Drawing
from explorer.graph.schema import Marks
from explorer.report import FORMATS, export_heatmap


def download_heatmap(shown: Explanation, name: str) -> None:
    """A row of buttons, one a format; PDF and SVG are vector graphics, HTML needs nothing else."""
    with st.container(horizontal=True, gap="small"):
        for kind, mime in FORMATS.items():
            st.download_button(
                kind.upper(),
                lambda kind=kind: export_heatmap(shown, kind),
                file_name=f"{name}-{shown.rule}.{kind}",
                mime=mime,
                on_click="ignore",
                key=f"download-{kind}",
            )


def download_graph(shown: Explanation, drawing: Drawing, columns: list[Column], marks: Marks, name: str) -> None:
    """A row of buttons for the graph as drawn; HTML is interactive and opens offline."""
    with st.container(horizontal=True, gap="small"):
        for kind, mime in GRAPH_FORMATS.items():
            st.download_button(
                kind.upper(),
                lambda kind=kind: export_graph(shown, drawing, columns, marks, kind),
                file_name=f"{name}-graph.{kind}",
                mime=mime,
                on_click="ignore",
                key=f"graph-{kind}",
            )
