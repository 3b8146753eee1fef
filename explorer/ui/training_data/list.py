"""The ranked list of the Training data page: rows, pages, basket, export."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st

from explorer.ranking.rank import Ranking
from explorer.ranking.table import FILES, write_rows
from explorer.ranking.token_evidence import TokenEvidence, TokenScore
from explorer.ui import link, navigation
from explorer.ui.basket import add_all, basket, clear, toggle
from explorer.ui.components import ranked_list
from explorer.ui.corpus import Corpus
from explorer.ui.page_states import RepairState, TrainingDataState

PAGE_ROWS = 20
QUIET = {"", "clean"}
"""Labels that say that nothing is wrong."""
END = " ◼"
"""How the token that ends an answer is drawn."""
CUT = 260
"""Characters of a line in the list; the opened row shows all."""


def page_number(rows: np.ndarray) -> tuple[int, int]:
    """Return (page, pages) of the list, from 0; the link's page where there is such a one."""
    pages = max(1, -(-len(rows) // PAGE_ROWS))
    page = link.whole(link.get("p")) or 1
    return min(max(page, 1), pages) - 1, pages


def page_rows(rows: np.ndarray) -> list[int]:
    """Return the row numbers on this page of the list."""
    page, _ = page_number(rows)
    return rows[page * PAGE_ROWS : (page + 1) * PAGE_ROWS].tolist()


def show_head(corpus: Corpus, ranking: Ranking, rows: np.ndarray) -> None:
    """Draw how many rows there are, which page this is, the basket, the export."""
    page, pages = page_number(rows)
    ticked = basket(corpus.study.folder)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        first, last = page * PAGE_ROWS, min((page + 1) * PAGE_ROWS, len(rows))
        total = f"{len(rows):,} of {len(ranking.order):,}" if len(rows) < len(ranking.order) else f"{len(rows):,}"
        st.caption(f"{first + 1 if len(rows) else 0}–{last} of {total}", width="stretch")
        _page_button("back", page - 1, page == 0, "Better ranks")
        _page_button("next", page + 1, page + 1 >= pages, "Further ranks")
        with st.popover(f"Basket: {len(ticked)}", icon=":material/shopping_basket:", help="Ticked datapoints"):
            _show_basket(corpus, rows, ticked)
        now = TrainingDataState.read()
        same = {name: getattr(now, name) for name in ("behavior", "method", "stage", "layer", "query", "centre")}
        about = "Repair: edit the top of this ranking, train again, measure again"
        navigation.page_link(navigation.REPAIR, "Repair", RepairState(repair="new", **same), about)
        with st.popover("", icon=":material/download:", help="Export the list", key="export"):
            st.caption(f"All {len(rows):,} listed rows, with rank, score and percentile")
            _show_export(corpus, ranking, rows)


def _page_button(name: str, page: int, disabled: bool, help: str) -> None:
    icon = {"back": ":material/chevron_left:", "next": ":material/chevron_right:"}[name]
    turn = {"p": str(page + 1) if page else None}
    st.button("", icon=icon, key=f"{name}-page", disabled=disabled, help=help, on_click=link.put, kwargs=turn)


def _show_basket(corpus: Corpus, rows: np.ndarray, ticked: list[str]) -> None:
    study, most = corpus.study.folder, max(len(rows), 1)
    k = int(st.number_input("How many", 1, most, min(50, most), key="basket-k"))
    best = corpus.table["id"].take(pa.array(rows[:k], pa.int64())).to_pylist()
    wide: dict[str, Any] = {"width": "stretch"}
    add = f"Add the top {k} of the list"
    st.button(add, key="add-top", disabled=not best, on_click=add_all, args=(study, best), **wide)
    st.button("Clear", key="clear", disabled=not ticked, on_click=clear, args=(study,), **wide)
    if ticked:
        ids = "\n".join(ticked) + "\n"
        st.download_button("Download the ids", ids, "basket.txt", "text/plain", key="ids", on_click="ignore", **wide)
        navigation.page_link(navigation.REPAIR, "Repair: edit these", RepairState(repair="new", by="basket"))
    st.caption("What is in the basket can be dropped or swapped in a repair. It is kept with the study.")


def _show_export(corpus: Corpus, ranking: Ranking, rows: np.ndarray) -> None:
    with st.container(horizontal=True, gap="small"):
        for kind, mime in FILES.items():
            write = partial(_export, corpus, ranking, rows, kind)
            st.download_button(kind.upper(), write, f"ranking.{kind}", mime, key=f"list-{kind}", on_click="ignore")


def _export(corpus: Corpus, ranking: Ranking, rows: np.ndarray, kind: str) -> bytes:
    return write_rows(ranking.table(corpus.table, rows), kind)


def show_list(
    corpus: Corpus, ranking: Ranking, rows: list[int], opened: int | None, evidence: Mapping[int, TokenEvidence]
) -> None:
    """Draw one page of rows; those with ``evidence`` are coloured."""
    study = corpus.study.folder
    ticked = set(basket(study))
    drawn = [_row_data(corpus, ranking, number, evidence.get(number), ticked) for number in rows]
    ranked_list(
        key="ranked-list",
        data={
            "rows": drawn,
            "open": corpus.table["id"][opened].as_py() if opened is not None else None,
            "scale": colour_scale(evidence),
            "sheet": str(hash(tuple(row["id"] for row in drawn))),
            "coloured": all(number in evidence for number in rows),
            "empty": "No datapoint fits these filters.",
        },
        on_open_change=_open,
        on_tick_change=lambda: _tick(study),
    )


def _row_data(
    corpus: Corpus, ranking: Ranking, number: int, evidence: TokenEvidence | None, ticked: set[str]
) -> dict[str, Any]:
    row, label = corpus.row(number), corpus.labels[number]
    answer = row.get("response") if row.get("response") is not None else row.get("chosen")
    return {
        "id": row["id"],
        "rank": f"{ranking.ranks[number]:,}",
        "score": score_text(ranking.scores[number]),
        "percentile": percentile(ranking, number),
        "source": corpus.sources[number],
        "label": label,
        "quiet": label in QUIET,
        "ticked": row["id"] in ticked,
        "prompt": _line(evidence.prompt if evidence else (), row["prompt"]),
        "answer": _line(evidence.answer if evidence else (), answer or ""),
    }


def score_text(score: float) -> str:
    """Return a score with three decimals; without any where dot products are long."""
    return f"{score:.3f}" if abs(score) < 100 or np.isnan(score) else f"{score:,.0f}"


def percentile(ranking: Ranking, row: int) -> str:
    """Return the share of the corpus that scores lower, rounded down so that only the best row may say 100."""
    return f"{np.floor(10 * ranking.percentiles[row]) / 10:.1f} %"


def colour_scale(evidence: Mapping[int, TokenEvidence]) -> float:
    """Return the largest |score| among the rows: where colours saturate."""
    tokens = (t for row in evidence.values() for t in (*row.prompt, *row.answer, *row.rejected))
    return max((abs(token.score) for token in tokens), default=0.0)


def _line(tokens: Sequence[TokenScore], text: str) -> list[list[Any]]:
    """Return the (text, score) pieces of one line, cut."""
    if not tokens:
        return [[text[:CUT], 0.0]]
    pieces, length = [], 0
    for token in tokens:
        pieces.append([END if token.part == "end" else token.text, float(f"{token.score:.3g}")])
        length += len(token.text)
        if length > CUT:
            break
    return pieces


def _open() -> None:
    if name := st.session_state["ranked-list"].get("open"):
        link.put(row=name)


def _tick(study: Path) -> None:
    if name := st.session_state["ranked-list"].get("tick"):
        toggle(study, name)
