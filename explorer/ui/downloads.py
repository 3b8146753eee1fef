"""Download buttons: files are made when they are clicked, not before."""

from collections.abc import Callable, Mapping
from functools import partial

import pandas as pd
import pyarrow as pa
import streamlit as st

from explorer.figures.save import FORMATS
from explorer.ranking.table import FILES, write_rows


def format_buttons(make: Callable[[str], bytes], name: str, key: str, formats: Mapping[str, str] = FORMATS) -> None:
    """A row of buttons, one a format: ``make`` is given the format and returns the file ``<name>.<format>``."""
    with st.container(horizontal=True, gap="small"):
        for kind, mime in formats.items():
            file, button = f"{name}.{kind}", f"{key}-{kind}"
            st.download_button(
                kind.upper(), partial(make, kind), file, mime, on_click="ignore", key=button, help=f"Save {file}"
            )


def table_button(table: pd.DataFrame, name: str, key: str) -> None:
    """A button for a table on screen as ``<name>.csv``; Streamlit's own, which writes formulas too, is switched off."""
    make = lambda: write_rows(pa.Table.from_pandas(table, preserve_index=False), "csv")  # noqa: E731
    st.download_button(
        "CSV",
        make,
        f"{name}.csv",
        FILES["csv"],
        icon=":material/download:",
        on_click="ignore",
        key=key,
        help="Save this table",
    )
