"""Streamlit components (v2) of the app. Their data is text and numbers; text is drawn with textContent only."""

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent


def _component(name: str, html: str | None = None):  # noqa: ANN202
    markup = html or (_HERE / f"{name}.html").read_text(encoding="utf-8")
    css, js = ((_HERE / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    return st.components.v2.component(f"explorer.{name}", html=markup, css=css, js=js)  # pyright: ignore[reportAttributeAccessIssue]


token_map = _component("token_map")
bars = _component("bars", '<div class="bars"></div>')
case_bar = _component("case_bar")
graph = _component("graph")
ranked_list = _component("ranked_list")
sources = _component("sources", '<div class="sources"></div>')
similarity = _component("similarity")
datapoint_map = _component("datapoint_map")
cluster_list = _component("cluster_list", '<div class="cards"></div>')
cluster_rows = _component("cluster_rows", '<div class="rows"></div>')
