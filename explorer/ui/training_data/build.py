"""Building vectors: in which model, for which methods, at which layers; watched and stopped on the page."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError, file_size
from explorer.jobs import DONE, FAILED, log_tail, stop, told_to_stop
from explorer.ui.builds import (
    begin_build,
    begun_builds,
    estimate_of,
    latest_build,
    made_rows,
    sentence,
    start_estimate,
)
from explorer.ui.corpus import Corpus, checkpoint_labels
from explorer.ui.look_again import look_again
from explorer.ui.text import duration, plain, show_error
from explorer.ui.training_data.pickers import METHOD_HELP, STAGE_HELP
from explorer.vectors.find import outdated_indexes
from explorer.vectors.job import BuildSettings, BuildStatus, status
from explorer.vectors.layers import parse_layers
from explorer.vectors.methods import DEFAULT_PARTS, METHODS, parts_of

LAYERS_HELP = (
    "Numbers with commas between, from 1 to the last block. Automatic: the layer at 14 fifteenths of the depth. "
    "*rept*: the one that RepT's rule chooses. The lower the lowest layer, the longer it takes."
)
METHODS_HELP = f"Empty: all but the LoRA baseline, which takes longest. Fewer take less disk.\n\n{METHOD_HELP}"
ESTIMATE_HELP = "Loads the model and times two dozen rows, behind the page; nothing is written."
BUILD_HELP = "In a process of its own: it can be stopped, and goes on when the page or the app is closed"
_REFUSED = "build-refused"
EVERY = 1000
"""Milliseconds between two looks how far it is."""


def build_box(corpus: Corpus, why: str) -> None:
    """Draw why to build, in which model and at which layers, the command, and a button that builds here."""
    study = corpus.study
    build = latest_build(study.folder)
    with st.container(border=True):
        if refused := st.session_state.pop(_REFUSED, None):
            show_error(refused)
        if build and build[1].active:
            _watch(build[0])
            return
        st.markdown(f"{why} They are made once, in one pass over {corpus.table.num_rows:,} training examples.")
        if old := outdated_indexes(study):
            st.caption(f"Not used: {plain(old)}.")
        try:
            settings, methods = _pickers(study)
        except ExplorerError as error:
            show_error(error)
            return
        left, right = st.columns([3, 1.5], vertical_alignment="center")
        left.code(_command(study, settings, methods), language=None)
        start = {"on_click": _attempt, "args": (begin_build, study, settings), "help": BUILD_HELP}
        right.button("Build the vectors now", type="primary", key="build", width="stretch", **start)
        _show_estimate(study, settings)
        if build:
            _show_end(*build)
        for _, manifest, running in begun_builds(study.folder):
            state = "Another process builds" if running else "A build was begun"
            where = f"in {plain(manifest.checkpoint)} at layer {', '.join(map(str, manifest.layers))}"
            done = f"{made_rows(manifest):,} of {manifest.n:,} rows are made"
            st.caption(f"{state} {where}: {done}. The same settings go on from there.")


def _pickers(study: Study) -> tuple[BuildSettings, list[str]]:
    """The settings, and the methods by name. Raises ExplorerError for what can be no layers."""
    labels = checkpoint_labels(study)
    before = list(labels).index(study.checkpoint("before")[0])
    left, middle, right = st.columns(3)
    stage = left.selectbox(
        "In the model", list(labels), before, format_func=labels.__getitem__, key="build-stage", help=STAGE_HELP
    )
    titles = {method.name: method.title for method in METHODS.values() if method.parts}
    methods = middle.multiselect(
        "For the methods",
        list(titles),
        format_func=titles.__getitem__,
        key="build-methods",
        placeholder="All but LoRA gradient",
        help=METHODS_HELP,
    )
    text = right.text_input("At the layers", key="build-layers", placeholder="Automatic", help=LAYERS_HELP)
    layers = parse_layers(text)
    return BuildSettings(stage, layers if isinstance(layers, str) else tuple(layers), parts_of(methods)), methods


def _command(study: Study, settings: BuildSettings, methods: list[str]) -> str:
    words = ["python -m explorer build", shlex.quote(str(study.folder))]
    words += [] if settings.parts == DEFAULT_PARTS else ["--methods", ",".join(methods)]
    stage, layers = settings.stage, settings.layers
    words += [] if stage == study.checkpoint("before")[0] else ["--stage", shlex.quote(stage)]
    named = layers if isinstance(layers, str) else ",".join(map(str, layers))
    return " ".join(words if named == "auto" else [*words, "--layers", named])


@st.fragment
def _show_estimate(study: Study, settings: BuildSettings) -> None:
    """What a build of these settings takes, on demand."""
    work = estimate_of(study.folder)
    waits = work is not None and not work.over
    look_again("estimate-look", EVERY if waits else None)
    if waits:
        st.caption(":material/timer: Loading the model and timing a few rows.")
        return
    mine = work if work and work.settings == settings else None
    if mine and mine.error:
        show_error(f"The time can't be estimated: {mine.error}")
    elif mine and (known := mine.result):
        layers = ", ".join(map(str, known.layers))
        rows = f"for {known.rows:,} rows at layer {layers}"
        disk = f"**{file_size(known.bytes)}** of disk"
        st.markdown(f"About **{duration(known.seconds)}** on this machine as busy as it is now, and {disk}, {rows}.")
    label = "Estimate again" if mine and mine.result else "Estimate time and disk"
    begin = {"on_click": start_estimate, "args": (study, settings), "help": ESTIMATE_HELP}
    st.button(label, icon=":material/timer:", key="build-estimate", type="tertiary", **begin)


@st.fragment
def _watch(folder: Path) -> None:
    now = status(folder)
    if not now.active:
        st.rerun()
    look_again("build-look", EVERY)
    st.progress(min(now.done / now.total, 1.0) if now.total else 0.0, sentence(folder, now))
    off = told_to_stop(folder)
    halt = {"on_click": _attempt, "args": (stop, folder), "disabled": off, "help": "What is made is kept"}
    st.button("Stop", icon=":material/stop:", key="stop-build", **halt)
    st.caption("It goes on when this page, or the app, is closed; the sidebar of every page shows how far it is.")


def _show_end(folder: Path, now: BuildStatus) -> None:
    """What became of the latest build."""
    if now.state == FAILED:
        show_error(now.error or "The build failed.")
        if not now.error and (text := log_tail(folder)):
            with st.expander("Log", icon=":material/article:"):
                st.code(text, language=None, height=160)
    elif now.state == DONE:
        st.caption(f"Built. *Vectors in*, on the page Training data, offers them. {now.told}")
    else:
        st.caption("Stopped. What was made is kept; a build goes on from there.")


def _attempt(action: Callable[..., None], *given: Any) -> None:
    """Do what a click asks for; the next run says why it can't be done."""
    try:
        action(*given)
    except (ExplorerError, OSError) as error:
        st.session_state[_REFUSED] = str(error)
