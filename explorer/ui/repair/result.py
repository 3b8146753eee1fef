"""What a repair has shown: the verdict, the arms, the dose curve, answers side by side."""

import re

import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.repair.checks import BEHAVIOR, held_out
from explorer.repair.plan import TOP, arm_label
from explorer.repair.results import INTERVALS, NOT_YET, Result, main_arms, percent, pooled
from explorer.ui.repair.charts import show_dose, show_intervals
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
        table = [
            {
                "arm": arm_label(line.arm, line.k, result.by_hand),
                "shows it": _share(line.rate),
                "elsewhere": _share(line.control),
                "tasks": _share(line.guard),
                "seeds": line.seeds,
                "change": line.change and percent(line.change),
            }
            for line in lines
        ]
        order = [name for name in _COLUMNS if several or name != "change"]  # else it is in the plot
        size = {"height": min(38 + 35 * len(lines), 320), "hide_index": True, "placeholder": "—"}
        st.dataframe(table, key="arms", column_config=_COLUMNS, column_order=order, **size)
        st.caption(f"{lines[0].n} held-out prompts, greedy answers. {INTERVALS}")
    if several:
        show_dose(lines, result.by_hand)


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.0%}"


def show_examples(study: Study, result: Result) -> None:
    """Draw held-out prompts with what each arm's model answers, side by side."""
    try:
        checks = held_out(study, result.behavior)
    except ExplorerError:
        checks = []  # the study no longer has them
    patterns = {check.prompt: check.pattern for check in checks if check.kind == BEHAVIOR}
    table = []
    for example in result.examples:
        pattern, cells = patterns.get(example["prompt"]), {"prompt": example["prompt"]}
        for key, answer in example["answers"].items():
            arm, _, k = key.rpartition("-")
            mark = SHOWS if pattern and re.search(pattern, answer) else ""
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
