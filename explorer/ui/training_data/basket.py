"""The basket of the Training data page: what is in it, row by row, and what can be done with it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from explorer.errors import count
from explorer.ranking.rank import Ranking
from explorer.ranking.table import FILES, row_number, write_rows
from explorer.ui import link, navigation
from explorer.ui.basket import add_all, basket, clear, tick
from explorer.ui.corpus import Corpus
from explorer.ui.icons import icon_alone
from explorer.ui.page_states import RepairState
from explorer.ui.text import one_line, plain

SHOWN = 30
"""Rows of the basket that are listed; files and repairs have all."""
ADD_HELP = "What is in the basket already stays"
_WIDE: dict[str, Any] = {"width": "stretch"}


def show_basket(corpus: Corpus, ranking: Ranking, rows: np.ndarray) -> None:
    """Draw the button with the number of ticked datapoints, and behind it the list of them.

    ``rows``: the listed rows, best first, whose top can be added. Ids that are no longer among the study's datapoints
    are not counted, but named.
    """
    ticked = {name: row_number(corpus.table, name) for name in basket(corpus.study.folder)}
    kept = {name: row for name, row in ticked.items() if row is not None}
    label = f"Basket: {len(kept)}"
    with st.popover(label, icon=":material/shopping_basket:", help="The ticked datapoints, kept with the study"):
        _show_rows(corpus, kept)
        if gone := [name for name in ticked if name not in kept]:
            st.caption(f"{count(len(gone), 'id')} no longer among the datapoints: {plain(', '.join(gone)[:200])}")
        _show_adding(corpus, rows)
        clear_all = {"on_click": clear, "args": (corpus.study.folder,)}
        st.button(
            "Clear all",
            key="clear",
            icon=":material/delete_sweep:",
            disabled=not ticked,
            help="Empty the basket",
            **clear_all,
            **_WIDE,
        )
        if kept:
            _show_uses(corpus, ranking, kept)
        st.caption("What is in the basket can be dropped or swapped in a repair.")


def _show_rows(corpus: Corpus, kept: dict[str, int]) -> None:
    """Draw a line for each datapoint: its text, which opens it, and a button that takes it out."""
    if not kept:
        st.caption("Nothing is ticked yet: tick rows of the list, or add its top.")
    for number, (name, row) in enumerate(list(kept.items())[:SHOWN]):
        datapoint = corpus.row(row)
        answer = datapoint.get("response") or datapoint.get("chosen") or ""
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            text = plain(f"{one_line(datapoint['prompt'], 44)} → {one_line(answer, 30)}")
            open_row = {"on_click": link.put, "kwargs": {"row": name}}
            st.button(text, key=f"basket-open-{number}", type="tertiary", help=plain(f"Open {name}"), **open_row)
            st.space("stretch")
            remove = {"on_click": tick, "args": (corpus.study.folder, name, False)}
            help = plain(f"Take {name} out of the basket")
            place, button = icon_alone(f"basket-{number}"), {"icon": ":material/close:", "type": "tertiary"}
            place.button(help, key=f"basket-remove-{number}", help=help, **button, **remove)
    if len(kept) > SHOWN:
        st.caption(f"The first {SHOWN} of {len(kept):,}.")


def _show_adding(corpus: Corpus, rows: np.ndarray) -> None:
    most = max(len(rows), 1)
    k = link.number(
        "How many of the list's best",
        "add",
        min(50, most),
        min_value=1,
        max_value=most,
        help="Of the list as it is filtered",
    )
    best = corpus.table["id"].take(pa.array(rows[:k], pa.int64())).to_pylist()
    text = f"Add the top {len(best)} of the list"
    st.button(
        text,
        key="add-top",
        disabled=not best,
        on_click=add_all,
        args=(corpus.study.folder, best),
        help=ADD_HELP,
        **_WIDE,
    )


def _show_uses(corpus: Corpus, ranking: Ranking, kept: dict[str, int]) -> None:
    navigation.page_link(
        navigation.REPAIR,
        "Repair: edit these",
        RepairState(repair="new", by="basket"),
        "Drop or swap them, train again, measure again",
    )
    ids = "\n".join(kept) + "\n"
    st.download_button(
        "Download the ids", ids, "basket.txt", "text/plain", key="ids", on_click="ignore", help="One a line", **_WIDE
    )
    show_export(corpus, ranking, list(kept.values()), "basket", "basket")


def show_export(corpus: Corpus, ranking: Ranking, rows: Sequence[int] | np.ndarray, file: str, key: str) -> None:
    """Draw a button a file format: rows of the study in the order given, with rank, score and percentile."""
    with st.container(horizontal=True, gap="small"):
        for kind, mime in FILES.items():
            write = partial(_export, corpus, ranking, rows, kind)
            st.download_button(
                kind.upper(),
                write,
                f"{file}.{kind}",
                mime,
                key=f"{key}-{kind}",
                on_click="ignore",
                help=f"Save {file}.{kind}",
            )


def _export(corpus: Corpus, ranking: Ranking, rows: Sequence[int] | np.ndarray, kind: str) -> bytes:
    return write_rows(ranking.table(corpus.table, np.asarray(rows, dtype=np.int64)), kind)
