"""Streamlit components (v2) of the app. Their data is text and numbers; text is drawn with textContent only."""

from pathlib import Path

import streamlit as st

from explorer.figures.style import coloured
from explorer.files import shipped

_HERE = Path(__file__).parent


def _component(name: str, html: str | None = None, stem: Path | None = None, uses: tuple[str, ...] = ()):  # noqa: ANN202
    """``uses``: what several components share: ``<part>.js`` and, where there is one, ``<part>.css`` come first."""
    stem = stem or _HERE / name
    markup = html or stem.with_suffix(".html").read_text(encoding="utf-8")
    files = [*(_HERE / part for part in uses), stem]
    css, js = (
        coloured(
            "".join(path.read_text(encoding="utf-8") for file in files if (path := file.with_suffix(kind)).exists())
        )
        for kind in (".css", ".js")
    )
    return st.components.v2.component(f"explorer.{name}", html=markup, css=css, js=js)  # pyright: ignore[reportAttributeAccessIssue]


token_map = _component("token_map", uses=("walk", "table"))
tries = _component("tries")
marked_prompts = _component("marked_prompts", '<div class="marked"></div>')
bars = _component("bars", '<div class="bars"></div>', uses=("walk",))
case_bar = _component("case_bar")
answers = _component("answers", '<div class="answers" role="group" aria-label="Both answers"></div>', uses=("walk",))
copy_link = _component("copy_link")
rail = _component("rail")
poll = _component("poll", "<i hidden></i>")
told = _component("told", "<i hidden></i>")
failure_picker = _component("failure_picker")
sentence = _component("sentence", '<p class="sentence"></p>')
graph = _component("graph", stem=shipped("graph/canvas"))
ranked_list = _component("ranked_list", uses=("walk",))
sources = _component("sources", '<div class="sources"></div>', uses=("walk",))
similarity = _component("similarity")
datapoint_map = _component("datapoint_map")
cluster_list = _component("cluster_list", '<div class="cards"></div>', uses=("walk",))
cluster_rows = _component("cluster_rows", '<div class="rows"></div>', uses=("walk",))
picture_table = _component("picture_table", uses=("table",))
outcome_bars = _component("outcome_bars", '<div class="stacks"></div>', uses=("walk",))
xy_plot = _component("xy_plot", '<div class="plot"></div>', uses=("walk",))
survey_table = _component("survey_table", '<div class="cases"></div>', uses=("walk",))
