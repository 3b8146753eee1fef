"""Lists of prompts and datapoints on the Behaviors page: what a cluster holds, or what something is similar to."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from explorer.behaviors.prompts import AnsweredPrompt
from explorer.data.failures import Failure
from explorer.data.study import Study
from explorer.ui import link, navigation
from explorer.ui.basket import basket, tick
from explorer.ui.behaviors.state import ClusteredStudy
from explorer.ui.components import cluster_rows
from explorer.ui.icons import icon_alone
from explorer.ui.page_states import TrainingDataState
from explorer.ui.session import model_spec, set_case, set_model

CUT = 700
"""Characters of an answer that are shown."""


def trace(study: Study, prompt: AnsweredPrompt) -> None:
    """Trace a prompt as a failure of the model under study: its answer instead of the other one, where it has one."""
    if prompt.other is not None:
        raw = study.template == "raw"
        set_case(Failure(prompt.prompt, prompt.answer, prompt.other, raw=raw, title=prompt.name))
        on_screen = model_spec()
        set_model(replace(study.spec, device=on_screen.device, dtype=on_screen.dtype))
        navigation.go(navigation.TRACE)


def open_datapoint(name: str) -> None:
    """Open one training example on the Training data page."""
    navigation.go(navigation.TRAINING_DATA, TrainingDataState(row=name))


def icon_button(icon: str, about: str, key: str, act: Callable[..., None], *args: Any, disabled: bool = False) -> None:
    """A button with an icon alone; ``about``: what it does."""
    settings = {"on_click": act, "args": args, "disabled": disabled}
    icon_alone(key).button(about, icon=f":material/{icon}:", help=about, key=key, **settings)


def prompt_section(
    clustered: ClusteredStudy, title: str, prompts: Sequence[AnsweredPrompt], scores: Sequence[float] = ()
) -> dict[str, Any]:
    """Prompts with both answers, and their scores if there are any."""
    rows = [
        {
            "id": prompt.id,
            "prompt": prompt.prompt[:CUT],
            "heads": clustered.answer_heads(prompt),
            "now": prompt.answer[:CUT],
            "then": (prompt.other if prompt.other is not None else "–")[:CUT],
            "score": f"{scores[i]:+.2f}" if scores else "",
        }
        for i, prompt in enumerate(prompts)
    ]
    return {"kind": "prompts", "title": title, "rows": rows, "empty": "None."}


def datapoint_section(
    clustered: ClusteredStudy, title: str, datapoints: Sequence[dict[str, Any]], scores: Sequence[float | None]
) -> dict[str, Any]:
    """Datapoints, as rows of the study's table, with their scores; None for one that has no score."""
    ticked = set(basket(clustered.study.folder))
    rows = [
        {
            "id": str(row["id"]),
            "prompt": str(row.get("prompt") or "")[:300],
            "answer": str(row.get("response") or row.get("chosen") or "")[:300],
            "score": "–" if score is None else f"{score:+.2f}",
            "chips": [str(row[name])[:60] for name in ("source", "label") if row.get(name)],
            "ticked": str(row["id"]) in ticked,
        }
        for row, score in zip(datapoints, scores, strict=True)
    ]
    return {"kind": "datapoints", "title": title, "rows": rows, "empty": "None."}


def show_lists(clustered: ClusteredStudy, key: str, **data: Any) -> None:
    """Draw sections; a click traces a prompt, opens or ticks a datapoint, or looks for what is similar to one."""
    actions: dict[str, Callable[[Any], None]] = {
        "trace": lambda name: trace(clustered.study, clustered.prompts[clustered.prompt_rows[name]]),
        "row": open_datapoint,
        "tick": lambda ticked: tick(clustered.study.folder, *ticked),
        "hand": lambda name: link.put(view="hand", by=None, prompt=name, datapoint=None),
        "like": lambda name: link.put(view="hand", by="datapoint", datapoint=name, prompt=None),
    }

    def act() -> None:
        for event, action in actions.items():
            if name := st.session_state[key].get(event):
                action(name)

    cluster_rows(key=key, data=data, **{f"on_{event}_change": act for event in actions})
