"""Ways out of the Behaviors page: to a prompt's trace, to a datapoint; and what is clicked in its lists."""

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from explorer.behaviors.prompts import AnsweredPrompt
from explorer.data.failures import Failure
from explorer.data.study import Study
from explorer.ui import link, navigation
from explorer.ui.basket import toggle
from explorer.ui.behaviors.state import ClusteredStudy
from explorer.ui.components import cluster_rows
from explorer.ui.page_states import TrainingDataState
from explorer.ui.session import model_spec, set_case, set_model


def trace(study: Study, prompt: AnsweredPrompt) -> None:
    """Trace a prompt as a failure of the model under study: its answer instead of the other one, where it has one."""
    if prompt.other is None:
        return
    raw = study.template == "raw"
    set_case(Failure(prompt.prompt, prompt.answer, prompt.other, raw=raw, title=prompt.name))
    set_model(replace(model_spec(), source=study.spec.source, adapter=study.spec.adapter))
    navigation.go(navigation.TRACE)


def open_datapoint(name: str) -> None:
    """Open one training example on the Training data page."""
    navigation.go(navigation.TRAINING_DATA, TrainingDataState(row=name))


def show_rows(clustered: ClusteredStudy, key: str, **data: object) -> None:
    """Draw lists of prompts and datapoints; a click traces, opens, ticks, or looks for what is similar."""
    actions: dict[str, Callable[[str], None]] = {
        "trace": lambda name: trace(clustered.study, clustered.prompts[clustered.prompt_rows[name]]),
        "row": open_datapoint,
        "tick": lambda name: toggle(clustered.study.folder, name),
        "hand": lambda name: link.put(view="hand", by=None, prompt=name, datapoint=None),
        "like": lambda name: link.put(view="hand", by="datapoint", datapoint=name, prompt=None),
    }

    def act() -> None:
        for event, action in actions.items():
            if name := st.session_state[key].get(event):
                action(name)

    cluster_rows(key=key, data=data, **{f"on_{event}_change": act for event in actions})
