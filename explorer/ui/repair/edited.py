"""The datapoints that a repair edits: a table of them, and what was done to them in a repair that is there."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa
import streamlit as st

from explorer.data.study import Study
from explorer.repair.arms import CORRECTED
from explorer.repair.plan import DROP, EDITS, PRESETS, REPLACE, SWAP, TOP, Plan, run_folder
from explorer.repair.results import Result
from explorer.ui import link
from explorer.ui.basket import add_all
from explorer.ui.corpus import Corpus
from explorer.ui.page_states import RepairState
from explorer.ui.repair.job import NEW_REPAIR
from explorer.ui.text import plain

EDIT_LABELS = {DROP: "Drop", SWAP: "Swap", REPLACE: "Replace"}
SHOWN_ROWS = 200
CELL_CHARACTERS = 400
_TEXTS = ("id", "prompt", "response", "chosen", "rejected")


def show_edited(corpus: Corpus, plan: Plan, result: Result | None) -> None:
    """Draw the set-up of this repair, and the datapoints that its top arm edits."""
    ids = plan.top.ids
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(plain(f"Datapoints {plan.source()}. {plan.summary()}"), width="stretch")
        if plan.by_hand:
            add = lambda: add_all(corpus.study.folder, ids)  # noqa: E731
            st.button("Put these into the basket", icon=":material/add_shopping_cart:", key="rebasket", on_click=add)
        else:
            again = lambda: _set_up_again(plan)  # noqa: E731
            st.button("Change and train again", icon=":material/tune:", key="again", on_click=again)
    if not ids:
        return
    edited = set(ids)
    rows = [row for row, name in enumerate(corpus.table["id"].to_pylist()) if name in edited]
    if missing := len(ids) - len(rows):
        st.caption(f"{missing:,} of the {len(ids):,} are no longer among the study's datapoints.")
    corrected = _corrected(corpus.study, result) if plan.edit == REPLACE and result else {}
    about = f"{EDIT_LABELS.get(plan.edit, plain(plan.edit))}: {EDITS.get(plan.edit, '')}"
    show_rows(corpus, rows, "edited-rows", about, corrected)


def _corrected(study: Study, result: Result) -> dict[str, str]:
    """Read the generated corrected answers by id; empty where the run is not on this machine."""
    run = next((row.run for row in result.arms if row.arm == TOP and row.seed == 0), "")
    try:
        return json.loads((run_folder(study, run) / CORRECTED).read_text(encoding="utf-8")) if run else {}
    except (OSError, ValueError):
        return {}


def _set_up_again(plan: Plan) -> None:
    """Open the form with this repair's choices."""
    ranking = plan.ranking
    state = RepairState(
        repair=NEW_REPAIR,
        behavior=plan.behavior,
        edit=plan.edit,
        top=",".join(map(str, sorted({arm.k for arm in plan.arms if arm.arm == TOP}))),
        train=plan.stage,
        size=next((name for name, preset in PRESETS.items() if preset.share == plan.share), "full"),
        method=ranking.get("method") or "",
        stage=ranking.get("checkpoint") or "",
        layer=str(ranking.get("layer") or ""),
        query=ranking.get("query") or "",
        centre="" if ranking.get("centre") is None else str(int(ranking["centre"])),
    )
    link.put(dict.fromkeys(RepairState.keys()) | state.params())


def show_rows(
    corpus: Corpus, rows: Sequence[int], key: str, about: str = "", corrected: Mapping[str, str] | None = None
) -> None:
    """Draw the datapoints with these row numbers under what is known of them all.

    ``corrected``: a further column by the datapoint's id.
    """
    st.caption(" · ".join(filter(None, [about, *_counts_by(corpus, rows)])))
    few, names = list(rows[:SHOWN_ROWS]), [name for name in _TEXTS if name in corpus.table.column_names]
    table = corpus.table.select(names).take(pa.array(few, pa.int64())).to_pandas()
    table["corrected"] = table["id"].map(corrected or {})
    table = table.assign(source=corpus.sources[few], label=corpus.labels[few]).replace("", None)
    table = table.dropna(axis=1, how="all").map(lambda text: text[:CELL_CHARACTERS] if isinstance(text, str) else None)
    table.insert(0, "", range(1, len(few) + 1))
    config = {"": st.column_config.NumberColumn(width=44), "id": st.column_config.TextColumn(width=90)}
    config |= {name: st.column_config.TextColumn(width=240) for name in _TEXTS[1:]}
    st.dataframe(table, hide_index=True, height=320, row_height=72, key=key, column_config=config, placeholder="")
    if len(rows) > SHOWN_ROWS:
        st.caption(f"The first {SHOWN_ROWS:,} of {len(rows):,}.")


def _counts_by(corpus: Corpus, rows: Sequence[int]) -> list[str]:
    """Count the rows by source and by label, in sentences, as far as the study has them."""
    sentences = []
    for name, values in (("source", corpus.sources), ("label", corpus.labels)):
        counts = Counter(value or "none" for value in values[list(rows)].tolist())
        if set(counts) - {"none"}:
            listed = ", ".join(f"{plain(value)} {n:,}" for value, n in counts.most_common(6))
            sentences.append(f"By {name}: {listed}{', …' if len(counts) > 6 else ''}")
    return sentences
