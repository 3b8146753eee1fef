"""The jobs of repairs: the study's list, starting one and how long it takes, following it through its files."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go
import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.figures.style import ACCENT, FAINT
from explorer.jobs import DONE, FAILED, NEW, QUEUED, STARTING, log_tail, stop, told_to_stop
from explorer.repair.arms import ANSWERING, TRAINING, read_losses
from explorer.repair.estimate import estimate
from explorer.repair.job import Status, start, status
from explorer.repair.plan import REPAIRS, Plan, arm_label, read_plan, repair_folders, run_folder, save_plan
from explorer.repair.results import Result
from explorer.ui import link
from explorer.ui.picture_table import as_table
from explorer.ui.repair.result import show_chart
from explorer.ui.study import distinct
from explorer.ui.text import duration, plain, show_error
from explorer.ui.training_data.charts import safe

NEW_REPAIR = "new"
"""Value of the link key ``repair`` where another one is being set up."""
EVERY = "2s"
START_HELP = "Trains every model of the plan, one after the other, then lets each answer the held-out prompts"
_TRAINING_SHARE = 0.85
"""Share of an arm's bar that is training; the rest is answering."""
_REFUSED = "repair-refused"


def titles(study: Study) -> dict[str, str]:
    """Return the title of each repair of the study by its folder's name, the latest first."""
    return distinct({folder.name: _title(folder) for folder in repair_folders(study)})


def _title(folder: Path) -> str:
    try:
        title, now = read_plan(folder).title(), status(folder)
    except ExplorerError:
        return f"{folder.name} (broken)"
    if now.active:
        return f"{title} · at work"  # how far is said beside it, and changes while this stands
    trained = f"{now.done} of {now.total} trained" if now.total else "not trained"
    return title + {DONE: "", NEW: f" · {trained}"}.get(now.state, f" · {now.state}, {trained}")


def show_start(study: Study, plan: Plan) -> None:
    """Draw the button that starts a plan, or leads to the repair that is there already."""
    now = status(study.folder / REPAIRS / plan.name)
    label, icon = "Start" if now.state == NEW else "Go on", ":material/play_arrow:"
    if now.active or now.state == DONE:
        st.caption("This repair is done already." if now.state == DONE else "This repair is at work already.")
        label, icon = "Show it", ":material/visibility:"
    begin = lambda: _start(study, plan)  # noqa: E731
    st.button(label, type="primary", key="start", width="stretch", icon=icon, on_click=begin, help=START_HELP)
    _show_refusal()
    if label != "Show it":
        st.caption("It trains in the background, and goes on when this page or the app is closed.")


def _start(study: Study, repair: Plan | Path) -> None:
    """Start a plan, or resume the repair of a folder, and show it; ``_show_refusal`` says in the next run why not."""
    try:
        folder = save_plan(study, repair) if isinstance(repair, Plan) else repair
        if status(folder).state != DONE:
            start(study, folder)
        link.put(repair=folder.name)
    except (ExplorerError, OSError) as error:
        st.session_state[_REFUSED] = str(error)


def _stop(folder: Path) -> None:
    try:
        stop(folder)
    except ExplorerError as error:
        st.session_state[_REFUSED] = str(error)


def _show_refusal() -> None:
    if refused := st.session_state.pop(_REFUSED, None):
        show_error(refused)


@dataclass
class _Timing:
    """A measurement that runs in a thread of its own; ``error``: why it failed."""

    error: str = ""
    over: bool = False


@st.cache_resource(show_spinner=False)
def _timings() -> dict[str, _Timing]:
    return {}


def show_time(study: Study, plan: Plan) -> None:
    """Say how long a plan takes here: at once at the remembered pace; measured on demand, behind the page."""
    timing = _timings().get(str(study.folder))
    if timing and not timing.over:
        _watch_timing(str(study.folder))
    try:
        known = estimate(study, plan)
    except ExplorerError as error:
        show_error(f"The time can't be estimated: {error}")
        return
    if timing and timing.error:
        show_error(f"The time can't be estimated: {timing.error}")
    if known:
        ago = duration(max(time.time() - known.at, 0.0))
        st.markdown(f"About **{duration(known.seconds)}** on this machine, as busy as it was {ago} ago.")
    if timing is None or timing.over:
        label = "Measure again" if known else "Estimate the time"
        help = "Times a step of the training and a few answers on this machine, behind the page: some 10 seconds."
        begin = {"on_click": _begin_timing, "args": (study, plan)}
        st.button(label, icon=":material/timer:", key="estimate", help=help, type="tertiary", **begin)


def _begin_timing(study: Study, plan: Plan) -> None:
    timing = _timings()[str(study.folder)] = _Timing()
    threading.Thread(target=_time, args=(study, plan, timing), daemon=True).start()


def _time(study: Study, plan: Plan, timing: _Timing) -> None:
    try:
        estimate(study, plan, measure=True)
    except (ExplorerError, OSError, RuntimeError) as error:
        timing.error = str(error)
    finally:
        timing.over = True


@st.fragment(run_every=EVERY)
def _watch_timing(folder: str) -> None:
    if _timings()[folder].over:
        st.rerun()
    st.caption(":material/timer: Timing a step of the training and a few answers; go on meanwhile.")


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
            word = "Not started" if now.state == NEW else now.state.capitalize()
            trained = f"{now.done} of {now.total} trainings are done" if now.total else "No training is done"
            st.markdown(f"**{word}.** {trained}; it goes on where it was.", width="stretch")
        label, resume = "Start" if now.state == NEW else "Resume", lambda: _start(study, folder)
        st.button(
            label,
            type="primary",
            key="resume",
            icon=":material/play_arrow:",
            on_click=resume,
            help="What is done already is kept",
        )
    _show_refusal()


@st.fragment(run_every=EVERY)
def _watch(folder: Path, done: int, by_hand: bool) -> None:
    """Draw the bar; the whole page is drawn anew when an arm is done or the job is over."""
    try:
        now = status(folder)
    except ExplorerError:  # the result is being looked at while it breaks; the page says so
        st.rerun()
    if now.done != done or not now.active:
        st.rerun()
    stopping = told_to_stop(folder)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.progress(_share(now), _sentence(now, by_hand, stopping))
        help = "Stops after this step. What is done is kept, and Resume goes on from there."
        cancel = {"on_click": _stop, "args": (folder,), "disabled": stopping, "help": help}
        st.button("Cancel", icon=":material/stop:", key="cancel", **cancel)
    _show_refusal()


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
    icon = ":material/show_chart:"
    box = st.expander("Training: loss and log", now.active, key="training", icon=icon, on_change="rerun")
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
        _show_losses(curves, _label(now, plan.by_hand) if now.active else "")
        st.caption("Each line is one model's training" + ("; the coloured one is at work." if now.active else "."))
    else:
        st.caption("No loss has been measured yet." if now.active else "Its training is not on this machine.")
    if link.toggle("Log", "log", help="The last lines that the training wrote"):
        if text := log_tail(folder, 60):
            st.code(text, language=None, height=260)
        else:
            st.caption("No log here: it was started from a terminal, or has not begun.")


def _show_losses(curves: Mapping[str, Sequence[Mapping[str, float]]], current: str) -> None:
    """Draw the training loss by step, a line an arm; ``current`` is the one in training."""
    figure = go.Figure()
    for name, points in sorted(curves.items(), key=lambda item: item[0] == current):
        live = name == current
        figure.add_scatter(
            x=[p["step"] for p in points],
            y=[p["loss"] for p in points],
            mode="lines+markers" if live else "lines",
            marker={"size": 4},
            line={"color": ACCENT if live else FAINT, "width": 2 if live else 1.4},
            hovertemplate="step %{x}: %{y:.3f}<extra>" + safe(name) + "</extra>",
        )
    figure.update_xaxes(title="step", rangemode="tozero")
    figure.update_yaxes(title="loss", rangemode="tozero")
    show_chart(figure, "losses", "Training loss by step", 190, uirevision="loss")
    ends = ([name, p["step"], f"{p['loss']:.3f}"] for name, points in curves.items() for p in (points[0], points[-1]))
    as_table("losses", ["arm", "step", "loss"], ends, "As a table, the first and the last step")
