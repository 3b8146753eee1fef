"""What can be taken along from a repair: figure, numbers, edited data, a retrained model for Trace and Compare."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import streamlit as st

from explorer.data.study import Study
from explorer.figures.repair import export_repair
from explorer.repair.checks import BEHAVIOR, held_out
from explorer.repair.export import plan_zip, zipped
from explorer.repair.job import repair_json
from explorer.repair.plan import NONE, TOP, Plan, arm_label
from explorer.repair.results import Result, trained_models
from explorer.ui import navigation
from explorer.ui.downloads import format_buttons
from explorer.ui.page_states import CompareState
from explorer.ui.session import model_spec, set_case, set_model
from explorer.ui.study import one_word_apart


def show_files(study: Study, folder: Path, plan: Plan, result: Result | None) -> None:
    """Draw a popover with all downloads; each file is made when it is clicked."""
    with st.popover("", icon=":material/download:", help="Download", key="repair-files"):
        _download("Edited data and a script", lambda: plan_zip(study, plan), f"{folder.name}.zip", "edited-zip")
        if result:
            values = lambda: json.dumps(repair_json(folder), ensure_ascii=False, indent=1).encode()  # noqa: E731
            _download("Result (JSON)", values, f"{folder.name}.json", "result-json")
            st.caption("The figure")
            format_buttons(lambda kind: export_repair(result, kind), folder.name, "figure")


def _download(label: str, make: Callable[[], bytes], name: str, key: str) -> None:
    kind = f"application/{name.rpartition('.')[2]}"
    st.download_button(label, make, name, kind, key=key, on_click="ignore", width="stretch")


def show_models(study: Study, result: Result) -> None:
    """Draw a popover with the retrained models that are here: open one in Trace or Compare, or download it."""
    adapters = trained_models(study, result.arms)
    with st.popover("Models", icon=":material/memory:", key="repair-models"):
        if not adapters:
            st.caption(
                "The retrained models are not on this machine: only their figures and answers were shipped. Set the "
                "same repair up again to train them here."
            )
            return
        rows = [row for row in result.arms if row.run in adapters]
        names = {row.run: arm_label(row.arm, row.k, result.by_hand, row.seed) for row in rows}
        first = next((i for i, row in enumerate(rows) if row.arm == TOP), 0)
        run = st.selectbox("Retrained model", list(names), first, format_func=names.__getitem__, key="which-model")
        unedited = next((row.run for row in rows if row.arm == NONE and row.run != run), "")

        def trace() -> None:
            _put_case(study, result.behavior)
            set_model(replace(model_spec(), source=study.model, adapter=str(adapters[run])))
            navigation.go(navigation.TRACE)

        def compare() -> None:
            _put_case(study, result.behavior)
            navigation.go(navigation.COMPARE, CompareState(models=f"{unedited},{run}"))

        def adapter_zip() -> bytes:
            return zipped({path.name: path.read_bytes() for path in sorted(adapters[run].iterdir()) if path.is_file()})

        icon, width = ":material/ink_highlighter:", "stretch"
        st.button("Open in Trace", icon=icon, key="open-in-trace", width=width, on_click=trace)
        label, icon, off = "Compare with the unedited", ":material/compare_arrows:", not unedited
        st.button(label, icon=icon, key="open-in-compare", width=width, disabled=off, on_click=compare)
        _download("Adapter (zip)", adapter_zip, f"adapter-{run}.zip", "adapter-zip")


def _put_case(study: Study, behavior: str) -> None:
    """Put a failure of the study on a held-out prompt of the behavior on screen, if there is one; plain ones first."""
    prompts = {check.prompt for check in held_out(study, behavior) if check.kind == BEHAVIOR}
    cases = [case for case in study.failures().values() if case.prompt in prompts]
    if cases:
        set_case(next(filter(one_word_apart, cases), cases[0]))
