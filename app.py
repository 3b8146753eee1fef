"""LLM Failure Explorer: navigation, and the pickers that travel along with every page."""

import gc
from pathlib import Path

import streamlit as st

st.set_page_config("LLM Failure Explorer", page_icon="assets/logo.svg", layout="wide")
st.html(Path("assets/app.css"))
st.logo("assets/wordmark.svg", icon_image="assets/logo.svg", size="large")
page = st.navigation(
    [
        st.Page("explorer/ui/pages/trace.py", title="Trace", icon=":material/ink_highlighter:", default=True),
        st.Page("explorer/ui/pages/graph.py", title="Graph", icon=":material/account_tree:"),
        st.Page("explorer/ui/pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
        st.Page("explorer/ui/pages/training_data.py", title="Training data", icon=":material/dataset:"),
        st.Page("explorer/ui/pages/behaviors.py", title="Behaviors", icon=":material/hub:"),
        st.Page("explorer/ui/pages/repair.py", title="Repair", icon=":material/build:"),
    ]
)
with st.spinner("Starting: the first page takes some seconds"):
    # torch is slow to import: after something is on screen
    from explorer.ui.sidebar import sidebar
    from explorer.ui.state import keep_case


@st.cache_resource(show_spinner=False)
def keep_imports() -> None:
    """Take what is imported out of the garbage collector: Streamlit collects after every run, 0.2 s each with it."""
    gc.collect()
    gc.freeze()


keep_imports()
keep_case(page.title)
sidebar()
page.run()
