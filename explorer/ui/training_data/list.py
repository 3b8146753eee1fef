"""The ranked list of the Training data page: filters, rows, pages, basket, export."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from explorer.ranking.table import FILES, Filter, Ranked, ranked_table, write_rows
from explorer.ui import navigation
from explorer.ui.basket import add_all, basket, clear, toggle
from explorer.ui.components import ranked_list
from explorer.ui.page_states import RepairState
from explorer.ui.session import put_query
from explorer.ui.training_data.state import Coloured, Corpus

SHEET = 20
"""Rows a page."""
QUIET = {"", "clean"}
"""Labels that say that nothing is wrong."""
CUT = 260
"""Characters of a line in the list; the opened row shows all."""
REPAIRED = ("behavior", "method", "layer", "stage", "query", "centre")
"""Query parameters that say what is ranked; a repair takes them over."""


def filters(of: Corpus) -> Filter:
    """The filter widgets; each stands in the link."""
    chosen = {}
    for name, options in (("source", of.source_names), ("label", of.label_names)):
        chosen[name] = (
            st.multiselect(
                name, options, key=name, bind="query-params", placeholder=f"All {name}s", on_change=first_page,
                label_visibility="collapsed",
            )
            if options
            else []
        )  # fmt: skip
    text = st.text_input(
        "Search", key="find", bind="query-params", placeholder="Search prompts and answers", on_change=first_page,
        label_visibility="collapsed", icon=":material/search:",
    )  # fmt: skip
    least = st.number_input(
        "Least score", value=None, step=0.05, format="%.3f", key="above", bind="query-params",
        placeholder="Least score", on_change=first_page, label_visibility="collapsed",
    )  # fmt: skip
    return Filter(tuple(chosen["source"]), tuple(chosen["label"]), text or "", least)


def first_page() -> None:
    """Back to the first rows, as what is listed has changed."""
    put_query(p=None)


def sheet_of(rows: np.ndarray) -> tuple[int, int]:
    """(page, pages) of the list, from 0; the link's where there is such a page."""
    pages = max(1, -(-len(rows) // SHEET))
    said = st.query_params.get("p", "")
    return (min(max(int(said), 1), pages) - 1 if said.isdecimal() and len(said) < 9 else 0), pages


def list_head(of: Corpus, ranked: Ranked, rows: np.ndarray) -> None:
    """How many rows, which page, the basket, the export."""
    sheet, pages = sheet_of(rows)
    ticked = basket(of.study.folder)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        first, last = sheet * SHEET, min((sheet + 1) * SHEET, len(rows))
        total = f"{len(rows):,} of {len(ranked.order):,}" if len(rows) < len(ranked.order) else f"{len(rows):,}"
        st.caption(f"{first + 1 if len(rows) else 0}–{last} of {total}", width="stretch")
        st.button("", icon=":material/chevron_left:", disabled=sheet == 0, key="back-page", help="Better ranks",
                  on_click=lambda: put_query(p=str(sheet) if sheet > 1 else None))  # fmt: skip
        st.button("", icon=":material/chevron_right:", disabled=sheet + 1 >= pages, key="next-page",
                  help="Further ranks", on_click=lambda: put_query(p=str(sheet + 2)))  # fmt: skip
        with st.popover(f"Basket: {len(ticked)}", icon=":material/shopping_basket:", help="Ticked datapoints"):
            _basket(of, rows, ticked)
        asked = {name: st.query_params[name] for name in REPAIRED if name in st.query_params}
        navigation.page_link(navigation.REPAIR, label="Repair",
                     help="Repair: edit the top of this ranking, train again, measure again",
                     state=RepairState(**asked, repair="new"))  # fmt: skip
        with st.popover("", icon=":material/download:", help="Export the list", key="export"):
            st.caption(f"All {len(rows):,} listed rows, with rank, score and percentile")
            _export(of, ranked, rows, "ranking", "list")


def _basket(of: Corpus, rows: np.ndarray, ticked: list[str]) -> None:
    study = of.study.folder
    k = st.number_input("How many", 1, max(len(rows), 1), min(50, max(len(rows), 1)), key="basket-k")
    best = rows[: int(k)]
    st.button(
        f"Add the top {int(k)} of the list", key="add-top", width="stretch", disabled=not len(rows),
        on_click=lambda: add_all(study, of.table["id"].take(best.tolist()).to_pylist()),
    )  # fmt: skip
    st.button("Clear", key="clear", width="stretch", disabled=not ticked, on_click=lambda: clear(study))
    if ticked:
        ids = "\n".join(ticked) + "\n"
        st.download_button(
            "Download the ids", ids, "basket.txt", "text/plain", key="ids", width="stretch", on_click="ignore"
        )
        navigation.page_link(navigation.REPAIR, label="Repair: edit these",
                     state=RepairState(repair="new", by="basket"))  # fmt: skip
    st.caption("What is in the basket can be dropped or swapped in a repair. It lasts as long as this session.")


def _export(of: Corpus, ranked: Ranked, rows: np.ndarray, name: str, key: str) -> None:
    with st.container(horizontal=True, gap="small"):
        for kind, mime in FILES.items():
            st.download_button(
                kind.upper(),
                lambda kind=kind: write_rows(ranked_table(of.table, ranked, rows), kind),
                file_name=f"{name}.{kind}",
                mime=mime,
                on_click="ignore",
                key=f"{key}-{kind}",
            )


def show_list(
    of: Corpus, ranked: Ranked, rows: np.ndarray, opened: int | None, coloured: Mapping[int, Coloured], scale: float
) -> None:
    """One page of rows; ``coloured`` are those whose tokens are scored."""
    study, ticked = of.study.folder, set(basket(of.study.folder))
    sheet, _ = sheet_of(rows)
    shown = rows[sheet * SHEET : (sheet + 1) * SHEET]
    drawn, ids = [], []
    for number in shown.tolist():
        row, colours = of.row(number), coloured.get(number)
        answer = row.get("response") if row.get("response") is not None else row.get("chosen")
        ids.append(row["id"])
        drawn.append(
            {
                "id": row["id"],
                "rank": f"{ranked.ranks[number]:,}",
                "score": f"{ranked.scores[number]:.3f}",
                "percentile": percentile(ranked, number),
                "source": of.sources[number],
                "label": of.labels[number],
                "quiet": of.labels[number] in QUIET,
                "ticked": row["id"] in ticked,
                "prompt": _line(colours.prompt if colours else None, row["prompt"]),
                "answer": _line(colours.answer if colours else None, answer or ""),
            }
        )
    ranked_list(
        key="ranked-list",
        data={
            "rows": drawn,
            "open": of.table["id"][opened].as_py() if opened is not None else None,
            "scale": scale,
            "sheet": str(hash(tuple(ids))),
            "coloured": all(number in coloured for number in shown.tolist()),
            "empty": "No datapoint fits these filters.",
        },
        on_open_change=_open,
        on_tick_change=lambda: _tick(study),
    )


def percentile(ranked: Ranked, row: int) -> str:
    """Share of the corpus that scores lower, rounded down so that only the best row may say 100."""
    value = np.floor(10 * ranked.percentiles[row]) / 10
    return f"{value:.1f} %"


def _line(tokens: list | None, text: str) -> list[list]:
    """(text, score) pieces of one line, cut."""
    if not tokens:
        return [[text[:CUT], 0.0]]
    made, length = [], 0
    for token in tokens:
        made.append([token.text, float(f"{token.score:.3g}")])
        length += len(token.text)
        if length > CUT:
            break
    return made


def _open() -> None:
    if name := st.session_state["ranked-list"].get("open"):
        put_query(row=name)


def _tick(study) -> None:  # noqa: ANN001
    if name := st.session_state["ranked-list"].get("tick"):
        toggle(study, name)
