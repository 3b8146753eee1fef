"""The files of a repair to take along, and its retrained models: opened on other pages, or downloaded."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import streamlit as st

from explorer.data.study import Study
from explorer.figures.repair import export_repair
from explorer.repair.checks import BEHAVIOR, held_out
from explorer.repair.export import zipped
from explorer.repair.job import repair_json
from explorer.repair.plan import NONE, TOP, Plan, arm_label
from explorer.repair.results import Result, trained_models
from explorer.ui import navigation
from explorer.ui.downloads import format_buttons
from explorer.ui.icons import icon_alone
from explorer.ui.link_names import shared_address
from explorer.ui.page_states import CompareState
from explorer.ui.repair.export import show_plan_export
from explorer.ui.session import model_spec, set_case, set_model

NOT_HERE = (
    "The retrained models are not on this machine: only their figures and answers were shipped. Set the same repair up "
    "again to train them here."
)


def show_files(study: Study, folder: Path, plan: Plan, result: Result | None) -> None:
    """Draw a popover with all downloads; each file is made when it is clicked."""
    about, key = "Download data, result and figure", "repair-files"
    with icon_alone(key).popover(about, icon=":material/download:", help=about, key=key):
        show_plan_export(study, plan, folder.name)
        if result:
            values = lambda: json.dumps(repair_json(folder), ensure_ascii=False, indent=1).encode()  # noqa: E731
            _download("Result (JSON)", values, f"{folder.name}.json", "result-json")
            st.caption("The figure")
            address = shared_address()
            format_buttons(lambda kind: export_repair(result, kind, address), folder.name, "figure")


def _download(label: str, make: Callable[[], bytes], name: str, key: str) -> None:
    kind = f"application/{name.rpartition('.')[2]}"
    st.download_button(label, make, name, kind, key=key, on_click="ignore", width="stretch", help=f"Save {name}")


def show_models(study: Study, result: Result) -> None:
    """Draw a popover with the retrained models that are here: open one in Trace or Compare, or download it."""
    adapters = trained_models(study, result.arms)
    help = "The retrained models: open or download one"
    with st.popover("Models", icon=":material/memory:", key="repair-models", help=help):
        if not adapters:
            st.caption(NOT_HERE)
            return
        rows = [row for row in result.arms if row.run in adapters]
        names = {row.run: arm_label(row.arm, row.k, result.by_hand, row.seed) for row in rows}
        first = next((i for i, row in enumerate(rows) if row.arm == TOP), 0)
        about = {"format_func": names.__getitem__, "key": "which-model", "help": "Named by its edit and its seed"}
        run = st.selectbox("Retrained model", list(names), first, **about)
        unedited = next((row.run for row in rows if row.arm == NONE and row.run != run), "")
        _open_buttons(study, result.behavior, run, adapters[run], unedited)
        _download("Adapter (zip)", partial(_adapter_zip, adapters[run]), f"adapter-{run}.zip", "adapter-zip")


def _open_buttons(study: Study, behavior: str, run: str, adapter: Path, unedited: str) -> None:
    """Draw the ways to Trace and Compare; ``unedited``: the run to compare with, empty where there is none."""

    def trace() -> None:
        _put_case(study, behavior)
        set_model(replace(model_spec(), source=study.model, adapter=str(adapter)))
        navigation.go(navigation.TRACE)

    def compare() -> None:
        _put_case(study, behavior)
        navigation.go(navigation.COMPARE, CompareState(models=f"{unedited},{run}"))

    tracing = {"key": "open-in-trace", "on_click": trace, "help": "Trace a failure with it"}
    st.button("Open in Trace", icon=":material/ink_highlighter:", width="stretch", **tracing)
    comparing = {"key": "open-in-compare", "on_click": compare, "help": "One failure read by both"}
    label, icon = "Compare with the unedited", ":material/compare_arrows:"
    st.button(label, icon=icon, width="stretch", disabled=not unedited, **comparing)


def _adapter_zip(adapter: Path) -> bytes:
    return zipped({path.name: path.read_bytes() for path in sorted(adapter.iterdir()) if path.is_file()})


def _put_case(study: Study, behavior: str) -> None:
    """Put a failure of the study on a held-out prompt of the behavior on screen, if there is one."""
    prompts = {check.prompt for check in held_out(study, behavior) if check.kind == BEHAVIOR}
    cases = [case for case in study.failures().values() if case.prompt in prompts]
    if cases:
        set_case(cases[0])
