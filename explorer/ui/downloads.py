"""Download buttons: files are made when they are clicked, not before."""

from collections.abc import Callable, Mapping
from functools import partial

import streamlit as st

from explorer.figures.save import FORMATS


def format_buttons(make: Callable[[str], bytes], name: str, key: str, formats: Mapping[str, str] = FORMATS) -> None:
    """A row of buttons, one a format: ``make`` is given the format and returns the file ``<name>.<format>``."""
    with st.container(horizontal=True, gap="small"):
        for kind, mime in formats.items():
            file, button = f"{name}.{kind}", f"{key}-{kind}"
            st.download_button(kind.upper(), partial(make, kind), file, mime, on_click="ignore", key=button)
