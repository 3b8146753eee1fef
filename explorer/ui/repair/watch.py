"""A repair at work, read from its files: where it is, its losses, its log; stopping it and going on with it."""

from pathlib import Path

import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.repair import job
from explorer.repair.arms import losses
from explorer.repair.job import Status
from explorer.repair.plan import Plan
from explorer.repair.results import Row
from explorer.ui.repair.charts import show_losses
from explorer.ui.repair.setup import REFUSED
from explorer.ui.repair.state import STARTING, arm_words, duration, is_active, run_folder, state_of
from explorer.ui.session import plain

EVERY = "2s"
_TRAINING = 0.85
"""Share of an arm's bar that is training; the rest is answering."""


def show_state(study: Study, folder: Path, found: Status, by_hand: bool) -> None:
    """Nothing for a repair that is done; else where it is, with a way to stop it or to go on."""
    if found.state == job.DONE:
        return
    if is_active(found):
        _watch(folder, found.done, by_hand)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        counted = f"{found.done} of {found.of} trainings are done" if found.of else "No training is done"
        if found.state == job.FAILED:
            st.error(plain(f"It failed: {found.error or 'see the log below.'}"), icon=":material/error:")
        else:
            word = {job.STOPPED: "Stopped", job.NEW: "Not started"}.get(found.state, found.state)
            st.markdown(f"**{word}.** {counted}; it goes on where it was.", width="stretch")
        st.button(
            "Start" if found.state == job.NEW else "Resume", type="primary", key="resume",
            icon=":material/play_arrow:", on_click=lambda: _resume(study, folder),
        )  # fmt: skip
    if refused := st.session_state.pop(REFUSED, None):
        st.error(plain(refused), icon=":material/error:")


def _resume(study: Study, folder: Path) -> None:
    try:
        job.start(study, folder)
    except (ExplorerError, OSError) as error:
        st.session_state[REFUSED] = str(error)


@st.fragment(run_every=EVERY)
def _watch(folder: Path, done: int, by_hand: bool) -> None:
    """The bar; the whole page is drawn anew when an arm is done or the job is over."""
    try:
        found = state_of(folder)
    except ExplorerError:  # the result is being looked at while it breaks; the page says so
        st.rerun()
    if found.done != done or not is_active(found):
        st.rerun()
    stopping = (folder / job.STOP).exists()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.progress(_share(found), _words(found, by_hand, stopping))
        st.button(
            "Cancel", icon=":material/stop:", key="cancel", disabled=stopping or found.what == STARTING,
            on_click=lambda: job.stop(folder),
            help="Stops after this step. What is done is kept, and Resume goes on from there.",
        )  # fmt: skip


def _share(found: Status) -> float:
    part = found.step / max(found.steps, 1)
    arm = {"training": _TRAINING * part, "answering": _TRAINING + (1 - _TRAINING) * part}.get(found.what, 0.0)
    return min(1.0, (found.done + arm) / max(found.of, 1))


def _words(found: Status, by_hand: bool, stopping: bool) -> str:
    if found.what == STARTING:
        return "Starting: reading the model"
    if found.state == job.QUEUED:
        return "Stopping" if stopping else "Queued: another repair is training; this one begins when that is done"
    arm = found.arm or {}
    said = f"Training {min(found.done + 1, found.of)} of {found.of}"
    if arm:
        said += f": {arm_words(arm['arm'], arm['k'], by_hand).lower()}, seed {arm['seed']}"
    if found.what in ("training", "answering") and found.steps:
        unit = "step" if found.what == "training" else "answer"
        said += f" · {unit} {found.step:,} of {found.steps:,}"
    if stopping:
        return f"{said} · stopping after this step"
    return said if found.left is None else f"{said} · about {duration(found.left)} left"


def show_training(study: Study, folder: Path, rows: list[Row], found: Status, plan: Plan) -> None:
    """Losses, followed while it trains, and the log, folded."""
    active = is_active(found)
    draw = st.fragment(_training, run_every=EVERY) if active else _training
    box = st.expander(
        "Training: loss and log", expanded=active, key="training", icon=":material/show_chart:", on_change="rerun"
    )
    if not box.open:
        return
    with box:
        draw(study, folder, rows, not plan.ranking)


def _training(study: Study, folder: Path, rows: list[Row], by_hand: bool) -> None:
    found = state_of(folder)
    curves = {f"{arm_words(r.arm, r.k, by_hand)}, seed {r.seed}": losses(run_folder(study, r.run)) for r in rows}
    now = ""
    if found.arm and found.run:
        now = f"{arm_words(found.arm['arm'], found.arm['k'], by_hand)}, seed {found.arm['seed']}"
        curves[now] = losses(run_folder(study, found.run))
    curves = {name: points for name, points in curves.items() if points}
    if curves:
        show_losses(curves, now if is_active(found) else "", "losses")
        st.caption("Each line is one model's training; the coloured one is at work." if is_active(found) else
                   "Each line is one model's training.")  # fmt: skip
    else:
        st.caption("No loss has been measured yet." if is_active(found) else "Its training is not on this machine.")
    if st.toggle("Log", key="log", bind="query-params"):
        if text := job.log_tail(folder, 60):
            st.code(text, language=None, height=260)
        else:
            st.caption("No log here: it was started from a terminal, or has not begun.")


def only_models(study: Study, rows: list[Row]) -> dict[str, Path]:
    """Run → folder of the adapter, of those that are on this machine."""
    there = {row.run: run_folder(study, row.run) / "adapter" for row in rows}
    return {run: path for run, path in there.items() if (path / "adapter_model.safetensors").is_file()}
