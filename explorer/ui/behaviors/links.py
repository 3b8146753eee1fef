"""What is clicked on the Behaviors page, put into the link; and its ways out: to a prompt's trace, to a datapoint."""

from dataclasses import replace

import streamlit as st

from explorer.behaviors.prompts import Subject
from explorer.data.failures import Failure
from explorer.data.study import Study
from explorer.ui import navigation
from explorer.ui.basket import toggle
from explorer.ui.behaviors.state import Scene
from explorer.ui.page_states import TrainingDataState
from explorer.ui.session import OWN, model_spec, put_query, set_case, set_model


def trace(study: Study, subject: Subject) -> None:
    """Put a prompt on screen as a failure of the model under study: what it answers instead of the other answer."""
    if subject.other is None:
        return
    raw = study.template == "raw"
    set_case(Failure(OWN, subject.prompt, subject.answer, subject.other, raw=raw, title=subject.name))
    set_model(replace(model_spec(), source=study.spec.source, adapter=study.spec.adapter))
    navigation.go(navigation.TRACE)


def open_datapoint(name: str) -> None:
    """Open one training example on the Training data page."""
    navigation.go(navigation.TRAINING_DATA, TrainingDataState(row=name))


def take_rows(shown: Scene, key: str) -> None:
    """What was clicked in a list of prompts and datapoints."""
    clicked = st.session_state[key]
    if name := clicked.get("trace"):
        subject = next((s for s in shown.found.clustering.matrix.subjects if s.id == name), None)
        if subject:
            trace(shown.of.study, subject)
    elif name := clicked.get("row"):
        open_datapoint(name)
    elif name := clicked.get("tick"):
        toggle(shown.of.study.folder, name)
    elif name := clicked.get("hand"):
        put_query(view="hand", by=None, prompt=name, datapoint=None)
    elif name := clicked.get("like"):
        put_query(view="hand", by="datapoint", datapoint=name, prompt=None)
