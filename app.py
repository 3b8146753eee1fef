"""LLM Failure Explorer: what ``streamlit run`` serves. The frame of every page is ``explorer/ui/main.py``."""

from pathlib import Path

import streamlit as st

import explorer  # before torch: it says how torch's threads wait
from explorer.ui.server.guard import middleware
from explorer.ui.warm_up import warm_up

app = st.App(Path(explorer.__file__).parent / "ui" / "main.py", lifespan=warm_up, middleware=middleware())
