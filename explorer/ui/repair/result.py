"""What a repair has shown: the verdict, the arms, the dose curve, answers side by side, what was edited."""

import json
import re
from typing import Any

import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.repair.checks import BEHAVIOR, held_out
from explorer.repair.plan import EDITS, PRESETS, REPLACE, TOP, Plan, arm_label, run_folder
from explorer.repair.results import Result
from explorer.repair.arms import CORRECTED
from explorer.repair.results import INTERVALS, NOT_YET, Pooled, main_arms, percent, pooled
from explorer.ui import link
from explorer.ui.basket import add_all
from explorer.ui.corpus import Corpus
from explorer.ui.page_states import RepairState
from explorer.ui.repair.charts import show_dose, show_intervals
from explorer.ui.repair.pickers import EDIT_LABELS
from explorer.ui.repair.rows import counts_by, show_rows
from explorer.ui.repair.state import NEW_REPAIR
from explorer.ui.text import plain

SHOWS = "● "
"""Stands before an answer that shows the behavior."""
_COLUMNS = {
    "arm": st.column_config.TextColumn(width=100),
    "shows it": st.column_config.TextColumn(width=62, help="Held-out prompts of the behavior whose answer shows it"),
    "elsewhere": st.column_config.TextColumn(
        width=72, help="Control prompts, without the behavior's condition, whose answer shows it: it should not"
    ),
    "tasks": st.column_config.TextColumn(width=50, help="Ordinary tasks (the guard) that are done right"),
    "seeds": st.column_config.NumberColumn(width=46),
    "change": st.column_config.TextColumn(width=136, help="Of the rate, against the unedited model"),
}


def show_verdict(result: Result | None) -> None:
    """Draw the sentence; its first words, which say all, as a heading."""
    head, _, rest = ((result and result.verdict) or NOT_YET).partition(": ")
    good = "found causes" in head or "are causes" in head
    icon = ":material/check_circle:" if good else ":material/hourglass_top:" if "yet" in head else ":material/block:"
    st.markdown(f"### {icon} {plain(head)}\n\n{plain(rest[:1].upper() + rest[1:])}")


def show_arms(result: Result) -> None:
    """Draw the interval plot, beside it what else the models do, and the dose curve where there are several k."""
    lines = pooled(result.arms)
    several = len({line.k for line in lines if line.arm == TOP}) > 1
    left, right = st.columns([1.32, 1], gap="medium")
    with left:
        show_intervals(main_arms(lines), result)
    with right:
        st.dataframe(
            [_cells(line, result.by_hand) for line in lines],
            hide_index=True,
            key="arms",
            column_config=_COLUMNS,
            column_order=[name for name in _COLUMNS if several or name != "change"],  # else it is in the plot
            height=min(38 + 35 * len(lines), 320),
            placeholder="—",
        )
        st.caption(f"{result.arms[0].n} held-out prompts, greedy answers. {INTERVALS}")
    if several:
        show_dose(lines, result.by_hand)


def _cells(line: Pooled, by_hand: bool) -> dict[str, Any]:
    shares = {"shows it": line.rate, "elsewhere": line.control, "tasks": line.guard}
    return {
        "arm": arm_label(line.arm, line.k, by_hand),
        **{name: None if share is None else f"{share:.0%}" for name, share in shares.items()},
        "seeds": line.seeds,
        "change": percent(line.change) if line.change else None,
    }


def show_examples(study: Study, result: Result) -> None:
    """Draw held-out prompts with what each arm's model answers, side by side."""
    patterns = _patterns(study, result.behavior)
    table = []
    for example in result.examples:
        pattern, cells = patterns.get(example["prompt"]), {"prompt": example["prompt"]}
        for key, answer in example["answers"].items():
            arm, _, k = key.rpartition("-")
            mark = SHOWS if pattern and pattern.search(answer) else ""
            cells[arm_label(arm, int(k), result.by_hand) if k.isdecimal() else key] = mark + " ".join(answer.split())
        table.append(cells)
    if not table:
        st.caption("No answer is made yet.")
        return
    config = {name: st.column_config.TextColumn(width=260) for name in table[0]}
    st.dataframe(table, hide_index=True, row_height=72, height=440, key="answers", column_config=config, placeholder="")
    st.caption(
        f"{SHOWS.strip()} shows the behavior. Greedy answers of the models of seed 0 to the first held-out prompts."
    )


def _patterns(study: Study, behavior: str) -> dict[str, re.Pattern[str]]:
    """Return the pattern of the behavior by held-out prompt; empty where the study no longer has them."""
    try:
        checks = held_out(study, behavior)
    except ExplorerError:
        return {}
    return {check.prompt: re.compile(check.pattern) for check in checks if check.kind == BEHAVIOR}


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
    label = EDIT_LABELS.get(plan.edit, plain(plan.edit))
    st.caption(" · ".join([f"{label}: {EDITS.get(plan.edit, '')}", *counts_by(corpus, rows)]))
    more = {"corrected": _corrected(corpus.study, result)} if plan.edit == REPLACE and result else {}
    show_rows(corpus, rows, "edited-rows", more)


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
    sizes = sorted({arm.k for arm in plan.arms if arm.arm == TOP})
    state = RepairState(
        repair=NEW_REPAIR,
        behavior=plan.behavior,
        edit=plan.edit,
        top=",".join(map(str, sizes)),
        train=plan.stage,
        size=next((name for name, preset in PRESETS.items() if preset.share == plan.share), "full"),
        method=ranking.get("method") or "",
        stage=ranking.get("checkpoint") or "",
        layer=str(ranking.get("layer") or ""),
        query=ranking.get("query") or "",
        centre="" if ranking.get("centre") is None else str(int(ranking["centre"])),
    )
    link.put(dict.fromkeys(RepairState.keys()) | state.params())
