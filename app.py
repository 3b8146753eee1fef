"""LLM Failure Explorer: what ``streamlit run`` serves. The pages begin in ``explorer/ui/main.py``."""

import streamlit as st

import explorer  # noqa: F401 - first: it says how torch's threads wait
from explorer.ui.warm_up import warm_up

app = st.App("explorer/ui/main.py", lifespan=warm_up)
