"""Streamlit components (v2) of the app. Their data is text and numbers; text is drawn with textContent only."""

from pathlib import Path

import streamlit as st

from explorer.figures.style import coloured
from explorer.files import shipped

_HERE = Path(__file__).parent


def _component(name: str, html: str | None = None, stem: Path | None = None):  # noqa: ANN202
    stem = stem or _HERE / name
    markup = html or stem.with_suffix(".html").read_text(encoding="utf-8")
    css, js = (coloured(stem.with_suffix(f".{kind}").read_text(encoding="utf-8")) for kind in ("css", "js"))
    return st.components.v2.component(f"explorer.{name}", html=markup, css=css, js=js)  # pyright: ignore[reportAttributeAccessIssue]


token_map = _component("token_map")
bars = _component("bars", '<div class="bars"></div>')
case_bar = _component("case_bar")
graph = _component("graph", stem=shipped("graph/canvas"))
ranked_list = _component("ranked_list")
sources = _component("sources", '<div class="sources"></div>')
similarity = _component("similarity")
datapoint_map = _component("datapoint_map")
cluster_list = _component("cluster_list", '<div class="cards"></div>')
cluster_rows = _component("cluster_rows", '<div class="rows"></div>')
