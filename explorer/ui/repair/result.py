"""What a repair has shown: the verdict, the arms, the dose curve, answers side by side, what was edited."""

import json
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.repair import job
from explorer.repair.arms import CORRECTED
from explorer.repair.plan import EDITS, NONE, REPLACE, TOP, Arm, Plan
from explorer.repair.results import Pooled, percent, pooled
from explorer.ui.basket import add_all
from explorer.ui.corpus import Corpus
from explorer.ui.repair.charts import METHOD, show_dose, show_intervals
from explorer.ui.repair.pickers import NAMES
from explorer.ui.repair.setup import counts_of, show_rows
from explorer.ui.repair.state import NEW, arm_words, example_arm, patterns, run_folder
from explorer.ui.session import plain, put_query

_UNKNOWN = "Not shown yet: the unedited and the edited model are still to be trained."
SHOWS = "● "
"""Stands before an answer that shows the behavior."""


def show_verdict(said: str | None) -> None:
    """The sentence; its first words, which say all, as a heading."""
    head, _, rest = (said or _UNKNOWN).partition(": ")
    good = "found causes" in head or "are causes" in head
    icon = ":material/check_circle:" if good else ":material/hourglass_top:" if "yet" in head else ":material/block:"
    st.markdown(f"### {icon} {plain(head)}\n\n{plain(rest[:1].upper() + rest[1:])}")


def main_arms(found: list[Pooled]) -> list[Pooled]:
    """The arms of the largest k, which the verdict is about, and the unedited one."""
    most = max((p.k for p in found), default=0)
    return [p for p in found if p.k == most or p.arm == NONE]


def show_arms(result: dict[str, Any], by_hand: bool) -> None:
    """The interval plot, and beside it what else the models do."""
    rows = result["rows"]
    found = pooled(rows)
    left, right = st.columns([1.32, 1], gap="medium")
    with left:
        show_intervals(main_arms(found), rows, by_hand)
    several = len({p.k for p in found if p.arm == TOP}) > 1
    with right:
        order = (
            None if several else [name for name in _line(found[0], by_hand) if name != "change"]
        )  # it is in the plot
        st.dataframe([_line(p, by_hand) for p in found], hide_index=True, key="arms", column_config=_COLUMNS,
                     column_order=order, height=min(38 + 35 * len(found), 320), placeholder="—")  # fmt: skip
        st.caption(f"{rows[0].n} held-out prompts, greedy answers. {METHOD}")
    if several:
        show_dose(found, by_hand)


_COLUMNS = {
    "arm": st.column_config.TextColumn(width=100),
    "seeds": st.column_config.NumberColumn(width=46),
    "shows it": st.column_config.TextColumn(width=62, help="Held-out prompts of the behavior whose answer shows it"),
    "elsewhere": st.column_config.TextColumn(
        width=72, help="Control prompts, without the behavior's condition, whose answer shows it: it should not"
    ),
    "tasks": st.column_config.TextColumn(width=50, help="Ordinary tasks (the guard) that are done rightly"),
    "change": st.column_config.TextColumn(width=136, help="Of the rate, against the unedited model"),
}  # fmt: skip


def _line(p: Pooled, by_hand: bool) -> dict[str, Any]:
    def share(value: float | None) -> str | None:
        return None if value is None else f"{value:.0%}"

    return {
        "arm": arm_words(p.arm, p.k, by_hand),
        "shows it": share(p.rate.rate),
        "elsewhere": share(p.control),
        "tasks": share(p.guard),
        "seeds": p.seeds,
        "change": percent(p.change) if p.change else None,
    }


def show_examples(of: Corpus, result: dict[str, Any], by_hand: bool) -> None:
    """Held-out prompts with what each arm's model answers, side by side."""
    known = patterns(of.study, str(result.get("behavior", "")))
    table = []
    for example in result.get("examples", []):
        pattern = known.get(example["prompt"])
        cells = {"prompt": example["prompt"]}
        for key, answer in example["answers"].items():
            mark = SHOWS if pattern and pattern.search(answer) else ""
            cells[example_arm(key, by_hand)] = mark + " ".join(answer.split())
        table.append(cells)
    if not table:
        st.caption("No answer is made yet.")
        return
    config = {name: st.column_config.TextColumn(width=260) for name in table[0]}
    st.dataframe(table, hide_index=True, row_height=72, height=440, key="answers", column_config=config, placeholder="")
    st.caption(f"{SHOWS.strip()} shows the behavior. Greedy answers of the models of seed 0 to the first held-out "
               "prompts.")  # fmt: skip


def show_edited(of: Corpus, plan: Plan, result: dict[str, Any] | None) -> None:
    """The set-up of this repair, and the datapoints that its top arm edits."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(plain(setup_words(plan)), width="stretch")
        ids = max((arm for arm in plan.arms if arm.arm == TOP), key=lambda arm: arm.k, default=Arm(TOP, 0, 0)).ids
        if plan.ranking:
            st.button("Change and train again", icon=":material/tune:", key="again", on_click=lambda: _again(plan))
        else:
            st.button("Put these into the basket", icon=":material/add_shopping_cart:", key="rebasket",
                      on_click=lambda: add_all(of.study.folder, ids))  # fmt: skip
    if not ids:
        return
    numbers = [number for number, name in enumerate(of.table["id"].to_pylist()) if name in set(ids)]
    if missing := len(ids) - len(numbers):
        st.caption(f"{missing:,} of the {len(ids):,} are no longer among the study's datapoints.")
    about = [f"{NAMES.get(plan.edit, plain(plan.edit))}: {EDITS.get(plan.edit, '')}", *counts_of(of, numbers)]
    st.caption(" · ".join(about))
    more = {"corrected": _corrected(of, result)} if plan.edit == REPLACE and result else {}
    show_rows(of, numbers, "edited-rows", 320, more)


def _corrected(of: Corpus, result: dict[str, Any]) -> dict[str, str]:
    """Id → the answer that was put in, where the run is on this machine and the data have none of their own."""
    run = next((row.run for row in result["rows"] if row.arm == TOP and row.seed == 0), "")
    path = run_folder(of.study, run) / CORRECTED
    try:
        return json.loads(path.read_text(encoding="utf-8")) if run else {}
    except (OSError, ValueError):
        return {}


def setup_words(plan: Plan) -> str:
    """How a repair was set up, in a sentence."""
    how = plan.ranking
    if how:
        told = [str(how.get("method", ""))]
        told += [f"layer {how['layer']}"] if how.get("layer") else []
        told += ["centred" if how.get("centre") else "not centred"] if how.get("layer") else []
        told += [f"vectors in {how['checkpoint']}"] if how.get("checkpoint") else []
        source = f"ranked by {', '.join(told)}"
    else:
        source = "chosen by hand"
    ks = ", ".join(str(k) for k in sorted({arm.k for arm in plan.arms if arm.k}))
    seeds = len({arm.seed for arm in plan.arms})
    data = f"{plan.rows:,} rows" + (f" ({plan.share:.0%} of the stage)" if plan.share < 1 else "")
    return (
        f"{plan.behavior}: {plan.edit} {ks} datapoints {source}; stage {plan.stage} trained again on {data}, "
        f"{seeds} seed{'s' if seeds != 1 else ''}."
    )


def _again(plan: Plan) -> None:
    """Open the form with this repair's choices."""
    how = plan.ranking
    tops = sorted({arm.k for arm in plan.arms if arm.arm == TOP})
    put_query(
        repair=NEW, behavior=plan.behavior, by=None, edit=plan.edit, top=",".join(map(str, tops)), train=plan.stage,
        size="small" if plan.share < 1 else "full", method=how.get("method"), stage=how.get("checkpoint"),
        layer=str(how["layer"]) if how.get("layer") else None, query=how.get("query"),
        centre=None if how.get("centre") is None else str(int(how["centre"])),
    )  # fmt: skip


def read(folder: Path) -> dict[str, Any] | None:
    """The result so far; None before the first arm is done. Raises ExplorerError."""
    found = job.read_result(folder)
    return found if found and found["rows"] else None
