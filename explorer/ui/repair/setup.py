"""Setting up a repair: what will be edited, how many trainings that means, how long they take; then starting it."""

import shlex
from collections import Counter

import numpy as np
import streamlit as st

from explorer.cli.repair import said
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.table import column, row_number
from explorer.repair import job
from explorer.repair.checks import BEHAVIOR, CONTROL, GUARD, held_out
from explorer.repair.estimate import estimate
from explorer.repair.export import edited_zip, zip_of
from explorer.repair.plan import DROP, EDITS, REPAIRS, REPLACE, SWAP, TOP, Plan, save_plan
from explorer.repair.stages import read_stages
from explorer.ui.corpus import Corpus, ranked
from explorer.ui.repair.pickers import (
    NAMES,
    Source,
    edit_picker,
    edits_of,
    how_many,
    size_picker,
    source_pickers,
    stage_picker,
)
from explorer.ui.repair.state import duration, planned, state_of
from explorer.ui.session import plain, put_query
from explorer.vectors.index import Index

ROWS = 200
"""Rows of a preview."""
CUT = 400
"""Characters of a cell in it."""
_ASKED = {BEHAVIOR: "held-out prompts", CONTROL: "controls", GUARD: "ordinary tasks"}
REFUSED, TIMED = "repair-refused", "repair-timed"


def show_setup(of: Corpus, indexes: dict[str, Index], why: str) -> None:
    """The form of a new repair. ``why``: what is wrong with the study's vectors, if anything."""
    if not indexes:
        none = "The vectors of this study are not built yet, so only words can be compared (BM25) until they are; see "
        st.caption(f"{why or none + '*Training data*.'}")
    try:
        stages = read_stages(of.study)
        if not stages:
            _not_repeatable(of, indexes)
            return
        source = source_pickers(of, indexes, True)
        columns = st.columns([1.6, 1.7, 1.3, 2.3], gap="small", vertical_alignment="bottom")
        with columns[0]:
            ks = () if source.chosen or source.by == "basket" else how_many()
        with columns[2]:
            stage = stage_picker(stages)
        with columns[3]:
            size = size_picker()
        if source.by == "basket" and not source.chosen:
            _empty_basket()
        checks = held_out(of.study, source.behavior)
        plan = planned(of, source.behavior, DROP, ks, source.index, source.choice, source.chosen, stage, size)
        with columns[1]:
            edit = edit_picker(edits_of(stages[plan.stage]))
        plan = planned(of, source.behavior, edit, ks, source.index, source.choice, source.chosen, stage, size)
        top = max((arm for arm in plan.arms if arm.arm == TOP), key=lambda arm: arm.k)
        numbers = _in_order(of, source, set(top.ids))
    except ExplorerError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    left, right = st.columns([2.3, 1], gap="medium")
    with left:
        _preview(of, numbers, edit, plan.stage)
    with right:
        st.markdown(plain(said(plan)))
        kinds = Counter(check.kind for check in checks)
        asked = [f"{kinds[kind]} {word}" for kind, word in _ASKED.items() if kinds[kind]]
        st.caption(f"Each model then answers {', '.join(asked)}.")
        _time(of.study, plan)
        _start(of.study, plan)
        _export_button(lambda: edited_zip(of.study, plan))
    if source.by == "ranking" and source.choice.centre is None and source.choice.query is None:
        st.code(_command(of.study, plan, source, stage, size), language=None)


def _not_repeatable(of: Corpus, indexes: dict[str, Index]) -> None:
    """The same choice without the trainings: the edited data for somebody's own trainer."""
    st.info(
        "The study does not tell how its model was trained (it has no training.json), so the training can't be "
        "repeated here; the edited data can be exported with a script for your own trainer.",
        icon=":material/info:",
    )
    source = source_pickers(of, indexes, False)
    columns = st.columns([1.6, 1.7, 3.6], gap="small", vertical_alignment="bottom")
    with columns[0]:
        ks = () if source.by == "basket" else how_many()
    if source.by == "basket" and not source.chosen:
        _empty_basket()
    order = _in_order(of, source, set(source.chosen) or None)
    k = len(order) if source.by == "basket" else max(ks, default=0)
    if not 0 < k <= len(order):
        raise ExplorerError(f"k is {k}; expected 1 to {len(order):,}, the datapoints that are ranked.")
    numbers = order[:k]
    names = of.table.column_names
    edits = [DROP]
    edits += [SWAP] if "chosen" in names and any(of.row(n).get("chosen") is not None for n in numbers) else []
    edits += [REPLACE] if "corrected" in names else []
    with columns[1]:
        edit = edit_picker(edits)
    ids = tuple(of.table["id"].take(numbers).to_pylist())
    how = {"method": source.choice.method, "layer": source.choice.layer} if source.by == "ranking" else {}
    _preview(of, numbers, edit, "")
    _export_button(lambda: zip_of(of.study, ids, edit, {"behavior": source.behavior, "ranking": how}))


def _empty_basket() -> None:
    raise ExplorerError("The basket is empty; tick datapoints on the Training data page, or edit the top of a ranking.")


def _in_order(of: Corpus, source: Source, ids: set[str] | None) -> list[int]:
    """Row numbers of datapoints (None: all), the best of the ranking first, the basket's as they were ticked."""
    if source.by == "basket":
        rows = [row_number(of.table, name) for name in source.chosen]
        return [row for row in rows if row is not None]
    with st.spinner("Ranking the training data", show_time=True):
        order = ranked(of.study, AboutBehavior(source.behavior), source.index, source.choice).order
    if ids is None:
        return order.tolist()
    mine = np.isin(np.array(of.table["id"].to_pylist(), dtype=object), list(ids))
    return order[mine[order]].tolist()


def _preview(of: Corpus, numbers: list[int], edit: str, stage: str) -> None:
    of_stage = f" of stage {plain(stage)}" if stage else ""
    st.markdown(
        f"**{NAMES[edit]} {len(numbers):,} datapoint{'s' if len(numbers) != 1 else ''}**{of_stage}: {EDITS[edit]}"
    )
    st.caption(" · ".join(counts_of(of, numbers)))
    show_rows(of, numbers, "preview", 320)


def counts_of(of: Corpus, numbers: list[int]) -> list[str]:
    """How many of some datapoints are from which source and have which label, where the study says it."""
    counts = []
    for name in ("source", "label"):
        found = Counter(value or "none" for value in column(of.table, name)[numbers].tolist())
        if set(found) - {"none"}:
            listed = ", ".join(f"{plain(value)} {count:,}" for value, count in found.most_common(6))
            counts.append(f"By {name}: {listed}{', …' if len(found) > 6 else ''}")
    return counts


def show_rows(
    of: Corpus, numbers: list[int], key: str, height: int, more: dict[str, dict[str, str]] | None = None
) -> None:
    """Datapoints as a table of plain text; ``more``: column → id → text."""
    table = []
    for place, number in enumerate(numbers[:ROWS], 1):
        row = of.row(number)
        cells = {"": place, "id": row["id"], "prompt": row["prompt"]}
        pair = row.get("response") is None
        cells |= {name: row[name] for name in (("chosen", "rejected") if pair else ("response",))}
        cells |= {name: found[row["id"]] for name, found in (more or {}).items() if row["id"] in found}
        cells |= {name: str(row[name]) for name in ("source", "label") if row.get(name)}
        table.append({name: text[:CUT] if isinstance(text, str) else text for name, text in cells.items()})
    config = {"": st.column_config.NumberColumn(width=44), "id": st.column_config.TextColumn(width=90)}
    config |= {name: st.column_config.TextColumn(width=240) for name in ("prompt", "response", "chosen", "rejected")}
    st.dataframe(table, hide_index=True, height=height, row_height=72, key=key, column_config=config, placeholder="")
    if len(numbers) > ROWS:
        st.caption(f"The first {ROWS:,} of {len(numbers):,}.")


def _time(study: Study, plan: Plan) -> None:
    """How long it takes here: measured on demand, once for each kind of training."""
    timed = st.session_state.setdefault(TIMED, set())
    key = (str(study.folder), plan.stage, plan.share)
    if key not in timed:
        st.button("Estimate the time", icon=":material/timer:", key="estimate", on_click=lambda: timed.add(key),
                  help="Times a step of the training and a few answers on this machine: some 10 seconds.")  # fmt: skip
        return
    try:
        with st.spinner("Timing a step of the training and a few answers", show_time=True):
            seconds = _seconds(str(study.folder), plan.name, study, plan)
    except (ExplorerError, OSError, RuntimeError) as error:
        timed.discard(key)
        st.error(plain(f"The time can't be estimated: {error}"), icon=":material/error:")
        return
    if seconds:
        st.markdown(f"About **{duration(seconds)}** on this machine, as busy as it is now.")


@st.cache_data(ttl=60, max_entries=32, show_spinner=False)
def _seconds(folder: str, name: str, _study: Study, _plan: Plan) -> float:
    return estimate(_study, _plan)


def _start(study: Study, plan: Plan) -> None:
    folder = study.folder / REPAIRS / plan.name
    state = state_of(folder).state if (folder / "plan.json").is_file() else ""
    there = state in (job.QUEUED, job.RUNNING, job.DONE)
    if there:
        st.caption("This repair is done already." if state == job.DONE else "This repair is at work already.")
    st.button(
        "Show it" if there else "Go on" if state else "Start", type="primary", key="start", width="stretch",
        icon=":material/visibility:" if there else ":material/play_arrow:", on_click=lambda: _go(study, plan, there),
    )  # fmt: skip
    if refused := st.session_state.pop(REFUSED, None):
        st.error(plain(refused), icon=":material/error:")
    if not there:
        st.caption("It trains in the background, and goes on when this page or the app is closed.")


def _go(study: Study, plan: Plan, there: bool) -> None:
    try:
        if not there:
            folder = save_plan(study, plan)
            job.start(study, folder)
    except (ExplorerError, OSError) as error:
        st.session_state[REFUSED] = str(error)
    else:
        put_query(repair=plan.name)


def _export_button(make) -> None:  # noqa: ANN001
    st.download_button(
        "Edited data and a script", make, "edited.zip", "application/zip", key="export-edited", on_click="ignore",
        icon=":material/download:", help="All datapoints with the edits done, which they are, and a TRL script.",
    )  # fmt: skip


def _command(study: Study, plan: Plan, source: Source, stage: str | None, size: str) -> str:
    ks = ",".join(str(k) for k in sorted({arm.k for arm in plan.arms if arm.k}))
    line = ["python -m explorer repair", shlex.quote(str(study.folder)), "--behavior", shlex.quote(plan.behavior)]
    line += ["--edit", plan.edit, "--top", ks]
    line += ["--method", source.choice.method] if source.choice.method != "explorer" else []
    line += ["--layer", str(source.choice.layer)] if source.choice.layer else []
    line += ["--stage", shlex.quote(source.index.manifest.checkpoint)] if source.index else []
    line += ["--train", shlex.quote(stage)] if stage else []
    return " ".join([*line, *(["--small"] if size == "small" else [])])
