"""The download of a repair's edited data, and of what has to be made first."""

from collections.abc import Callable

import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError, count
from explorer.repair.export import missing_corrections, plan_zip
from explorer.repair.plan import Plan
from explorer.ui.progress_bar import progress_bar
from explorer.ui.text import show_error

HELP = "The rows as they are trained on, which of them were edited, and a TRL script."


def show_plan_export(study: Study, plan: Plan, name: str = "edited") -> None:
    """Draw the download; where corrected answers are still to be generated, a button that does this first."""
    try:
        missing = missing_corrections(study, plan)
        if missing:
            help = "The data have none of these datapoints; the model that the stage starts from gives them."
            label, icon = f"Make {count(missing, 'corrected answer')} to export", ":material/edit_note:"
            if st.button(label, key="make-corrections", icon=icon, help=help):
                with progress_bar() as progress:
                    plan_zip(study, plan, progress)
                st.rerun()
            return
    except ExplorerError as error:
        show_error(error)
        return
    show_export(lambda: plan_zip(study, plan), name)


def show_export(make: Callable[[], bytes], name: str = "edited") -> None:
    """Draw the download button; the file is made when it is clicked."""
    icon, label = ":material/download:", "Edited data and a script"
    kind, key = "application/zip", "export-edited"
    st.download_button(label, make, f"{name}.zip", kind, key=key, on_click="ignore", icon=icon, help=HELP)
