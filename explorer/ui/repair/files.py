"""What can be taken along from a repair: figure, numbers, edited data, a retrained model for Trace and Compare."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.data.study import Study
from explorer.figures.repair import figure_file
from explorer.repair.checks import BEHAVIOR, held_out
from explorer.repair.export import edited_zip
from explorer.repair.job import as_json
from explorer.repair.plan import NONE, TOP, Plan
from explorer.repair.results import Row, pooled
from explorer.ui import navigation
from explorer.ui.downloads import format_buttons
from explorer.ui.page_states import CompareState
from explorer.ui.repair.charts import METHOD
from explorer.ui.repair.result import main_arms
from explorer.ui.repair.state import arm_words
from explorer.ui.repair.watch import only_models
from explorer.ui.session import model_spec, set_case, set_model
from explorer.ui.study import one_word_apart


def files(study: Study, folder: Path, plan: Plan, result: dict[str, Any] | None) -> None:
    """A popover with all downloads; each file is made when it is clicked."""
    with st.popover("", icon=":material/download:", help="Download", key="repair-files"):
        st.download_button(
            "Edited data and a script", lambda: edited_zip(study, plan), f"{folder.name}.zip", "application/zip",
            key="edited-zip", on_click="ignore", width="stretch",
        )  # fmt: skip
        if not result:
            return
        st.download_button(
            "Result (JSON)", lambda: json.dumps(as_json(folder), ensure_ascii=False, indent=1).encode(),
            f"{folder.name}.json", "application/json", key="result-json", on_click="ignore", width="stretch",
        )  # fmt: skip
        st.caption("The figure")
        format_buttons(lambda kind: _figure(result, not plan.ranking, kind), folder.name, "figure")


def _figure(result: dict[str, Any], by_hand: bool, kind: str) -> bytes:
    found = main_arms(pooled(result["rows"]))
    names = [arm_words(p.arm, p.k, by_hand) for p in found]
    title = f"{result.get('behavior', '')}: {result.get('verdict', '')}"
    return figure_file(found, result["rows"], names, title, METHOD, kind)


def models(study: Study, result: dict[str, Any], by_hand: bool) -> None:
    """A popover with the retrained models that are here: open one in Trace or Compare, or take it along."""
    rows: list[Row] = result["rows"]
    there = only_models(study, rows)
    with st.popover("Models", icon=":material/memory:", key="repair-models"):
        if not there:
            st.caption(
                "The retrained models are not on this machine: only their figures and answers were shipped. Set the "
                "same repair up again to train them here."
            )
            return
        own = [row for row in rows if row.run in there]
        names = {row.run: f"{arm_words(row.arm, row.k, by_hand)}, seed {row.seed}" for row in own}
        usual = next((i for i, row in enumerate(own) if row.arm == TOP), 0)
        run = st.selectbox("Retrained model", list(names), usual, format_func=lambda run: str(names.get(run, run)),
                           key="which-model")  # fmt: skip
        st.button("Open in Trace", icon=":material/ink_highlighter:", key="open-in-trace", width="stretch",
                  on_click=lambda: _trace(study, result["behavior"], there[run]))  # fmt: skip
        against = next((row.run for row in own if row.arm == NONE and row.run != run), "")
        st.button("Compare with the unedited", icon=":material/compare_arrows:", key="open-in-compare", width="stretch",
                  disabled=not against, on_click=lambda: _compare(study, result["behavior"], against, run))  # fmt: skip
        st.download_button(
            "Adapter (zip)", lambda: _zipped(there[run]), f"adapter-{run}.zip", "application/zip", key="adapter-zip",
            on_click="ignore", width="stretch",
        )  # fmt: skip


def _trace(study: Study, behavior: str, adapter: Path) -> None:
    _put_case(study, behavior)
    set_model(replace(model_spec(), source=study.model, adapter=str(adapter)))
    navigation.go(navigation.TRACE)


def _compare(study: Study, behavior: str, unedited: str, run: str) -> None:
    _put_case(study, behavior)
    navigation.go(navigation.COMPARE, CompareState(models=f"{unedited},{run}"))


def _put_case(study: Study, behavior: str) -> None:
    """Show the behavior: a failure of the study on a held-out prompt of it, where there is one; plain ones first."""
    held = {check.prompt for check in held_out(study, behavior) if check.kind == BEHAVIOR}
    cases = [case for case in study.failures().values() if case.prompt in held]
    if cases:
        set_case(next(filter(one_word_apart, cases), cases[0]))


def _zipped(folder: Path) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            if path.is_file():
                archive.write(path, path.name)
    return held.getvalue()
