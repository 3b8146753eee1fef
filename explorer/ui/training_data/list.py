"""The ranked list of the Training data page: rows, pages, export."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from explorer.ranking.null import Null
from explorer.ranking.rank import Ranking
from explorer.ranking.shown import END, colour_scale, percentile, score_text
from explorer.ranking.table import row_number
from explorer.ranking.token_evidence import TokenEvidence, TokenScore
from explorer.ui import link, navigation
from explorer.ui.basket import basket, tick
from explorer.ui.components import ranked_list
from explorer.ui.corpus import Corpus
from explorer.ui.icons import icon_alone
from explorer.ui.page_states import RepairState, TrainingDataState
from explorer.ui.training_data.basket import show_basket, show_export

PAGE_ROWS = 20
QUIET = {"", "clean"}
"""Labels that say that nothing is wrong."""
CUT = 260
"""Characters of a line in the list; the opened row shows all."""


def linked_row(corpus: Corpus) -> int | None:
    """Return the number of the row that the link opens; None where it names none that there is."""
    row = row_number(corpus.table, link.get("row"))
    if row is None and link.get("row"):
        link.tell_absent("row")
    return row


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
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        first, last = page * PAGE_ROWS, min((page + 1) * PAGE_ROWS, len(rows))
        total = f"{len(rows):,} of {len(ranking.order):,}" if len(rows) < len(ranking.order) else f"{len(rows):,}"
        st.caption(f"{first + 1 if len(rows) else 0}–{last} of {total}", width="stretch")
        _page_button("back", page - 1, page == 0, "Better ranks")
        _page_button("next", page + 1, page + 1 >= pages, "Further ranks")
        show_basket(corpus, ranking, rows)
        now = TrainingDataState.read()
        same = {name: getattr(now, name) for name in ("behavior", "method", "stage", "layer", "query", "centre")}
        about = "Repair: edit the top of this ranking, train again, measure again"
        navigation.page_link(navigation.REPAIR, "Repair", RepairState(repair="new", **same), about)
        with icon_alone("export").popover(
            "Export the list", icon=":material/download:", help="Export the list", key="export"
        ):
            st.caption(f"All {len(rows):,} listed rows, with rank, score and percentile")
            show_export(corpus, ranking, rows, "ranking", "list")


def _page_button(name: str, page: int, disabled: bool, help: str) -> None:
    icon = {"back": ":material/chevron_left:", "next": ":material/chevron_right:"}[name]
    turn = {"p": str(page + 1) if page else None}
    place, settings = icon_alone(f"{name}-page"), {"disabled": disabled, "on_click": link.put, "kwargs": turn}
    place.button(help, icon=icon, key=f"{name}-page", help=help, **settings)


def show_list(
    corpus: Corpus,
    ranking: Ranking,
    rows: list[int],
    opened: int | None,
    evidence: Mapping[int, TokenEvidence],
    null: Null | None,
) -> None:
    """Draw one page of rows; those with ``evidence`` are coloured. Bars of scores have the null's mark."""
    study = corpus.study.folder
    ticked = set(basket(study))
    full = _full(ranking, null)
    drawn = [
        _row_data(corpus, ranking, number, evidence.get(number), ticked)
        | {"bar": round(max(0.0, min(1.0, float(ranking.scores[number]) / full)), 3)}
        for number in rows
    ]
    ranked_list(
        key="ranked-list",
        data={
            "rows": drawn,
            "open": corpus.table["id"][opened].as_py() if opened is not None else None,
            "scale": colour_scale(evidence, null),
            "mark": max(0.0, null.unusual / full) if null is not None else None,
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


def _full(ranking: Ranking, null: Null | None) -> float:
    """Return the score of a full bar: 1 for cosines; of dot products the largest, and what the null reaches."""
    if ranking.choice.measure == "cosine":
        return 1.0
    return max(float(np.nanmax(np.abs(ranking.scores))), null.unusual if null else 0.0, 1e-30)


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
    if ticked := st.session_state["ranked-list"].get("tick"):
        name, wanted = ticked
        tick(study, name, wanted)
