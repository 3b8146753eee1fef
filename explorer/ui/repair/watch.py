"""A repair at work, read from its files: where it is, its losses, its log; stopping it and going on with it."""

from pathlib import Path

import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.repair.arms import ANSWERING, TRAINING, read_losses
from explorer.repair.plan import Plan, arm_label, run_folder
from explorer.repair.results import Result
from explorer.repair.job import DONE, FAILED, NEW, QUEUED, STARTING, STOP, STOPPED, Status, log_tail, status, stop
from explorer.ui import link
from explorer.ui.repair.charts import show_losses
from explorer.ui.repair.start import show_refusal, start_job
from explorer.ui.text import duration, plain, show_error

EVERY = "2s"
_TRAINING_SHARE = 0.85
"""Share of an arm's bar that is training; the rest is answering."""


def show_state(study: Study, folder: Path, now: Status, by_hand: bool) -> None:
    """Draw nothing for a repair that is done; else where it is, with a way to stop it or to go on."""
    if now.state == DONE:
        return
    if now.active:
        _watch(folder, now.done, by_hand)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if now.state == FAILED:
            show_error(f"It failed: {now.error or 'see the log below.'}")
        else:
            word = {STOPPED: "Stopped", NEW: "Not started"}.get(now.state, now.state)
            trained = f"{now.done} of {now.total} trainings are done" if now.total else "No training is done"
            st.markdown(f"**{word}.** {trained}; it goes on where it was.", width="stretch")
        st.button(
            "Start" if now.state == NEW else "Resume",
            type="primary",
            key="resume",
            icon=":material/play_arrow:",
            on_click=lambda: start_job(study, folder),
        )
    show_refusal()


@st.fragment(run_every=EVERY)
def _watch(folder: Path, done: int, by_hand: bool) -> None:
    """Draw the bar; the whole page is drawn anew when an arm is done or the job is over."""
    try:
        now = status(folder)
    except ExplorerError:  # the result is being looked at while it breaks; the page says so
        st.rerun()
    if now.done != done or not now.active:
        st.rerun()
    stopping = (folder / STOP).exists()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.progress(_share(now), _sentence(now, by_hand, stopping))
        st.button(
            "Cancel",
            icon=":material/stop:",
            key="cancel",
            disabled=stopping or now.state == STARTING,
            on_click=lambda: stop(folder),
            help="Stops after this step. What is done is kept, and Resume goes on from there.",
        )


def _share(now: Status) -> float:
    """Return the share of the whole repair that is done, 0..1."""
    part = now.step / max(now.steps, 1)
    arm = {TRAINING: _TRAINING_SHARE * part, ANSWERING: _TRAINING_SHARE + (1 - _TRAINING_SHARE) * part}
    return min(1.0, (now.done + arm.get(now.what, 0.0)) / max(now.total, 1))


def _sentence(now: Status, by_hand: bool, stopping: bool) -> str:
    if now.state == STARTING:
        return "Starting: reading the model"
    if now.state == QUEUED:
        return "Stopping" if stopping else "Queued: another repair is training; this one begins when that is done"
    sentence = f"Training {min(now.done + 1, now.total)} of {now.total}"
    if now.arm:
        sentence += f": {plain(_label(now, by_hand).lower())}"
    if unit := {TRAINING: "step", ANSWERING: "answer"}.get(now.what if now.steps else ""):
        sentence += f" · {unit} {now.step:,} of {now.steps:,}"
    if stopping:
        return f"{sentence} · stopping after this step"
    return sentence if now.left is None else f"{sentence} · about {duration(now.left)} left"


def _label(now: Status, by_hand: bool) -> str:
    return arm_label(now.arm.arm, now.arm.k, by_hand, now.arm.seed) if now.arm else ""


def show_training(study: Study, folder: Path, plan: Plan, result: Result | None, now: Status) -> None:
    """Draw losses, followed while it trains, and the log, folded."""
    box = st.expander(
        "Training: loss and log", expanded=now.active, key="training", icon=":material/show_chart:", on_change="rerun"
    )
    if box.open:
        with box:
            draw = st.fragment(_show_losses_and_log, run_every=EVERY) if now.active else _show_losses_and_log
            draw(study, folder, plan, result)


def _show_losses_and_log(study: Study, folder: Path, plan: Plan, result: Result | None) -> None:
    now = status(folder)
    runs = {arm_label(r.arm, r.k, plan.by_hand, r.seed): r.run for r in (result.arms if result else [])}
    if now.arm and now.run:
        runs[_label(now, plan.by_hand)] = now.run
    curves = {label: losses for label, run in runs.items() if (losses := read_losses(run_folder(study, run)))}
    if curves:
        show_losses(curves, _label(now, plan.by_hand) if now.active else "")
        st.caption("Each line is one model's training" + ("; the coloured one is at work." if now.active else "."))
    else:
        st.caption("No loss has been measured yet." if now.active else "Its training is not on this machine.")
    if link.toggle("Log", "log"):
        if text := log_tail(folder, 60):
            st.code(text, language=None, height=260)
        else:
            st.caption("No log here: it was started from a terminal, or has not begun.")
