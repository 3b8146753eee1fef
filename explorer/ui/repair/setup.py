"""Setting up a repair: what will be edited, how many trainings that means, how long they take; then starting it."""

import shlex
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import Ranking
from explorer.ranking.table import row_number
from explorer.repair.checks import BEHAVIOR, CONTROL, GUARD, Check, held_out
from explorer.repair.choose import plan_repair
from explorer.repair.export import edited_zip, plan_zip
from explorer.repair.plan import DROP, EDITS, REPLACE, SWAP, Plan
from explorer.repair.stages import Stage, read_stages
from explorer.ui.caching import HASHES
from explorer.ui.corpus import Corpus, ranked
from explorer.ui.repair.pickers import EDIT_LABELS, Source, pick_edit, pick_ks, pick_preset, pick_source, pick_train
from explorer.ui.repair.rows import counts_by, show_rows
from explorer.ui.repair.start import show_start, show_time
from explorer.ui.text import count, plain, show_error
from explorer.vectors.index import Index

_HASHES: dict[Any, Any] = HASHES | {Ranking: lambda ranking: ranking.choice}
"""A ranking is told by the source that it was made from, which is hashed beside it."""
_CHECKS = {BEHAVIOR: "held-out prompts", CONTROL: "controls", GUARD: "ordinary tasks"}


def show_setup(corpus: Corpus, indexes: Mapping[str, Index], problem: str) -> None:
    """Draw the form of a new repair. ``problem``: what is wrong with the study's vectors, if anything."""
    if not indexes:
        unbuilt = "The vectors of this study are not built yet, so only words can be compared (BM25) until they are"
        st.caption(plain(problem) or f"{unbuilt}; see *Training data*.")
    try:
        if stages := read_stages(corpus.study):
            _set_up(corpus, indexes, stages)
        else:
            _set_up_export(corpus, indexes)
    except ExplorerError as error:
        show_error(error)


def _set_up(corpus: Corpus, indexes: Mapping[str, Index], stages: Mapping[str, Stage]) -> None:
    study, source = corpus.study, pick_source(corpus, indexes, measured=True)
    columns = st.columns([1.6, 1.7, 1.3, 2.3], gap="small", vertical_alignment="bottom")
    with columns[0]:
        ks = () if source.chosen else pick_ks()
    with columns[2]:
        train = pick_train(stages)
    with columns[3]:
        preset = pick_preset()
    checks, ranking = held_out(study, source.behavior), _ranking(study, source)
    plan = _planned(study, source, ranking, ks, train, preset)
    with columns[1]:
        plan = replace(plan, edit=pick_edit(stages[plan.stage].edits))
    left, right = st.columns([2.3, 1], gap="medium")
    with left:
        _show_preview(corpus, _in_order(corpus, source, ranking, plan.top.ids), plan.edit, plan.stage)
    with right:
        st.markdown(plain(plan.summary()))
        st.caption(_checks_sentence(checks))
        show_time(study, plan)
        show_start(study, plan)
        _export_button(lambda: plan_zip(study, plan))
    if not source.chosen and source.choice.centre is None and source.choice.query is None:
        st.code(_command(study, plan, source, train, preset), language=None)


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs=_HASHES)
def _planned(
    study: Study, source: Source, ranking: Ranking | None, ks: tuple[int, ...], train: str | None, preset: str
) -> Plan:
    """Plan the repair as one that drops: which datapoints are edited does not depend on the edit.

    Raises ExplorerError.
    """
    return plan_repair(
        study, source.behavior, DROP, ks, preset=preset, train=train, chosen=source.chosen, ranking=ranking
    )


def _set_up_export(corpus: Corpus, indexes: Mapping[str, Index]) -> None:
    """Draw the same choice without the trainings: the edited data for the user's own trainer."""
    st.info(
        "The study does not tell how its model was trained (it has no training.json), so the training can't be "
        "repeated here; the edited data can be exported with a script for your own trainer.",
        icon=":material/info:",
    )
    study, source = corpus.study, pick_source(corpus, indexes, measured=False)
    columns = st.columns([1.6, 1.7, 3.6], gap="small", vertical_alignment="bottom")
    with columns[0]:
        ks = () if source.chosen else pick_ks()
    order = _in_order(corpus, source, _ranking(study, source))
    k = len(order) if source.chosen else max(ks, default=0)
    if not 0 < k <= len(order):
        raise ExplorerError(f"k is {k}; expected 1 to {len(order):,}, the datapoints that are ranked.")
    rows = order[:k]
    with columns[1]:
        edit = pick_edit(_possible_edits(corpus, rows))
    ids = corpus.table["id"].take(rows).to_pylist()
    how = {} if source.chosen else {"method": source.choice.method, "layer": source.choice.layer}
    _show_preview(corpus, rows, edit, "")
    _export_button(lambda: edited_zip(study, ids, edit, {"behavior": source.behavior, "ranking": how}))


def _possible_edits(corpus: Corpus, rows: Sequence[int]) -> list[str]:
    names = corpus.table.column_names
    pairs = "chosen" in names and any(corpus.row(row).get("chosen") is not None for row in rows)
    return [DROP, *([SWAP] if pairs else []), *([REPLACE] if "corrected" in names else [])]


def _ranking(study: Study, source: Source) -> Ranking | None:
    """Return the ranking whose top is edited; None for the basket."""
    if source.chosen:
        return None
    with st.spinner("Ranking the training data", show_time=True):
        return ranked(study, AboutBehavior(source.behavior), source.index, source.choice)


def _in_order(corpus: Corpus, source: Source, ranking: Ranking | None, ids: Collection[str] | None = None) -> list[int]:
    """Return the row numbers of these datapoints (None: all), the best first; the basket's as they were ticked."""
    if ranking is None:
        rows = [row_number(corpus.table, name) for name in source.chosen]
        return [row for row in rows if row is not None]
    if ids is None:
        return ranking.order.tolist()
    edited = np.isin(np.array(corpus.table["id"].to_pylist(), dtype=object), list(ids))
    return ranking.order[edited[ranking.order]].tolist()


def _show_preview(corpus: Corpus, rows: Sequence[int], edit: str, stage: str) -> None:
    of_stage = f" of stage {plain(stage)}" if stage else ""
    st.markdown(f"**{EDIT_LABELS[edit]} {count(len(rows), 'datapoint')}**{of_stage}: {EDITS[edit]}")
    st.caption(" · ".join(counts_by(corpus, rows)))
    show_rows(corpus, rows, "preview")


def _checks_sentence(checks: Sequence[Check]) -> str:
    kinds = Counter(check.kind for check in checks)
    return f"Each model then answers {', '.join(f'{kinds[k]} {words}' for k, words in _CHECKS.items() if kinds[k])}."


def _export_button(make: Callable[[], bytes]) -> None:
    st.download_button(
        "Edited data and a script",
        make,
        "edited.zip",
        "application/zip",
        key="export-edited",
        on_click="ignore",
        icon=":material/download:",
        help="All datapoints with the edits done, which they are, and a TRL script.",
    )


def _command(study: Study, plan: Plan, source: Source, train: str | None, preset: str) -> str:
    """Return the command line that does the same."""
    words = ["python", "-m", "explorer", "repair", str(study.folder), "--behavior", plan.behavior]
    words += ["--edit", plan.edit, "--top", ",".join(map(str, plan.ks))]
    words += ["--method", source.choice.method] if source.choice.method != "explorer" else []
    words += ["--layer", str(source.choice.layer)] if source.choice.layer else []
    words += ["--stage", source.index.manifest.checkpoint] if source.index else []
    words += ["--train", train] if train else []
    return shlex.join([*words, *(["--small"] if preset == "small" else [])])
