"""Buttons of which only the icon is seen; their label is their name to screen readers (``assets/app.css``)."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def icon_alone(key: str) -> DeltaGenerator:
    """Return the place for one such button or popover; ``key``: its own."""
    return st.container(key=f"icon-{key}", width="content")
