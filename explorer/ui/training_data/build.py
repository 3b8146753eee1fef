"""Building vectors: in which model and at which layers, and a build behind the page that can be watched and stopped."""

import shlex
import threading
import time
from dataclasses import dataclass, field

import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.progress import Pace, Stopped
from explorer.ui.corpus import Corpus, checkpoint_labels
from explorer.ui.text import plain, show_error
from explorer.ui.training_data.pickers import STAGE_HELP
from explorer.vectors.build import build_index, cut_sentence
from explorer.vectors.find import outdated_indexes
from explorer.vectors.layers import parse_layers

LAYERS_HELP = (
    "Numbers with commas between, from 1 to the last block. Automatic: the layer at 14 fifteenths of the depth. "
    "*rept*: the one that RepT's rule chooses. The lower the lowest layer, the longer it takes."
)


@dataclass
class Build:
    """A build that runs in a thread of its own, for all sessions."""

    began: float = field(default_factory=time.monotonic)
    done: float = 0.0
    total: float = 0.0
    rate: float = 0.0
    error: str = ""
    cut: str = ""
    over: bool = False
    stop: threading.Event = field(default_factory=threading.Event)


@st.cache_resource(show_spinner=False)
def _builds() -> dict[str, Build]:
    return {}


def build_box(corpus: Corpus, why: str) -> None:
    """Draw why to build, in which model and at which layers, the command, and a button that builds here."""
    study = corpus.study
    build = _builds().get(str(study.folder))
    with st.container(border=True):
        if build and not build.over:
            _watch(str(study.folder))
            return
        st.markdown(f"{why} They are made once, in one pass over {corpus.table.num_rows:,} training examples.")
        if old := outdated_indexes(study):
            st.caption(f"Not used: {plain(old)}.")
        stage, text = _pickers(study)
        try:
            layers = parse_layers(text)
        except ExplorerError as error:
            show_error(error)
            return
        left, right = st.columns([4, 1.1], vertical_alignment="center")
        left.code(_command(study, stage, layers), language=None)
        start = {"on_click": start_build, "args": (study, stage, layers)}
        right.button("Build the vectors now", type="primary", key="build", width="stretch", **start)
        if build and build.error:
            show_error(build.error)
        elif build and build.stop.is_set():
            st.caption("Stopped. What was made is kept; a build goes on from there.")
        elif build:
            st.caption(f"Built. Choose them above, under *Vectors in*. {build.cut}")


def _pickers(study: Study) -> tuple[str, str]:
    labels = checkpoint_labels(study)
    before = list(labels).index(study.checkpoint("before")[0])
    left, right = st.columns(2)
    stage = left.selectbox(
        "In the model", list(labels), before, format_func=labels.__getitem__, key="build-stage", help=STAGE_HELP
    )
    return stage, right.text_input("At the layers", key="build-layers", placeholder="Automatic", help=LAYERS_HELP)


def _command(study: Study, stage: str, layers: list[int] | str) -> str:
    words = ["python -m explorer build", shlex.quote(str(study.folder))]
    words += [] if stage == study.checkpoint("before")[0] else ["--stage", shlex.quote(stage)]
    named = layers if isinstance(layers, str) else ",".join(map(str, layers))
    return " ".join(words if named == "auto" else [*words, "--layers", named])


def start_build(study: Study, stage: str, layers: list[int] | str) -> None:
    """Begin a build behind the page, unless one of this study runs."""
    builds = _builds()
    running = builds.get(str(study.folder))
    if running is None or running.over:
        build = builds[str(study.folder)] = Build()
        threading.Thread(target=_run, args=(study, build, stage, layers), daemon=True).start()


def _run(study: Study, build: Build, stage: str, layers: list[int] | str) -> None:
    pace = Pace()

    def progress(what: str, done: float = 0, total: float = 0, /) -> None:
        build.rate = pace.rate(what, done)
        build.done, build.total = done, total
        if build.stop.is_set():
            raise Stopped("The build was stopped.")

    try:
        build.cut = cut_sentence(build_index(study, stage, layers=layers, dtype="auto", progress=progress).manifest)
    except Stopped:
        pass
    except ExplorerError as error:
        build.error = str(error)
    except Exception as error:
        build.error = f"The build failed: {type(error).__name__}: {error}"
        raise
    finally:
        build.over = True


@st.fragment(run_every=1.0)
def _watch(folder: str) -> None:
    build = _builds()[folder]
    if build.over:
        st.rerun()
    if build.stop.is_set():
        text = "Stopping"
    elif not build.total:
        text = f"Reading the model · {_clock(time.monotonic() - build.began)}"
    else:
        text = f"{int(build.done):,} of {int(build.total):,} training examples"
        if build.rate:
            text += f" · {build.rate:.1f} a second · {_clock((build.total - build.done) / build.rate)} left"
    st.progress(build.done / build.total if build.total else 0.0, text)
    st.button("Stop", icon=":material/stop:", key="stop-build", on_click=build.stop.set, disabled=build.stop.is_set())


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
