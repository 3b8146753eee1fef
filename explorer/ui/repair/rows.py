"""Datapoints of a repair as a table of plain text, and what is known of them all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from explorer.ranking.table import column
from explorer.ui.corpus import Corpus
from explorer.ui.text import plain

SHOWN_ROWS = 200
CELL_CHARACTERS = 400
_WIDTHS = {"prompt": 240, "response": 240, "chosen": 240, "rejected": 240, "id": 90}


def counts_by(corpus: Corpus, rows: Sequence[int]) -> list[str]:
    """Count the rows by source and by label, in sentences, as far as the study has them."""
    sentences = []
    for name in ("source", "label"):
        counts = Counter(value or "none" for value in column(corpus.table, name)[list(rows)].tolist())
        if set(counts) - {"none"}:
            listed = ", ".join(f"{plain(value)} {n:,}" for value, n in counts.most_common(6))
            sentences.append(f"By {name}: {listed}{', …' if len(counts) > 6 else ''}")
    return sentences


def show_rows(
    corpus: Corpus, rows: Sequence[int], key: str, more: Mapping[str, Mapping[str, str]] | None = None
) -> None:
    """Draw the datapoints with these row numbers. ``more``: further columns, by name and datapoint's id."""
    table = [_cells(place, corpus.row(row), more or {}) for place, row in enumerate(rows[:SHOWN_ROWS], 1)]
    config: dict[str, Any] = {"": st.column_config.NumberColumn(width=44)}
    config |= {name: st.column_config.TextColumn(width=width) for name, width in _WIDTHS.items()}
    st.dataframe(table, hide_index=True, height=320, row_height=72, key=key, column_config=config, placeholder="")
    if len(rows) > SHOWN_ROWS:
        st.caption(f"The first {SHOWN_ROWS:,} of {len(rows):,}.")


def _cells(place: int, row: Mapping[str, Any], more: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    answers = ("response",) if row.get("response") is not None else ("chosen", "rejected")
    cells = {name: row[name] for name in ("id", "prompt", *answers)}
    cells |= {name: texts[row["id"]] for name, texts in more.items() if row["id"] in texts}
    cells |= {name: str(row[name]) for name in ("source", "label") if row.get(name)}
    cut = {name: text[:CELL_CHARACTERS] if isinstance(text, str) else text for name, text in cells.items()}
    return {"": place, **cut}
