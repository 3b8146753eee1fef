"""Download buttons: files are made when they are clicked, not before."""

import streamlit as st

from explorer.explanation import Explanation
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
