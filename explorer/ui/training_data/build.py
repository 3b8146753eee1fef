"""Building vectors: in which model and at which layers, and a build behind the page that can be watched and stopped."""

import shlex
import threading
import time
from dataclasses import dataclass, field

import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.ui.session import plain
from explorer.ui.training_data.bar import STAGE
from explorer.ui.training_data.state import Corpus, stage_words
from explorer.vectors.build import Pace, build_index
from explorer.vectors.layers import parse_layers

LAYERS = (
    "Numbers with commas between, from 1 to the last block. Automatic: RepT's layer, the one half-way, and the one at "
    "14 fifteenths of the depth. More layers take more room on the disk and little more time."
)


@dataclass
class Build:
    """A build that runs in a thread of its own, for all sessions."""

    began: float
    pace: Pace | None = None
    error: str = ""
    over: bool = False
    stop: threading.Event = field(default_factory=threading.Event)


@st.cache_resource(show_spinner=False)
def _builds() -> dict[str, Build]:
    return {}


def build_box(of: Corpus, why: str) -> None:
    """Why to build, in which model and at which layers, the command that does it, and a button that runs it here."""
    study = of.study
    build = _builds().get(str(study.folder))
    with st.container(border=True):
        if build and not build.over:
            _watch(str(study.folder))
            return
        st.markdown(f"{why} They are made once, in one pass over {of.table.num_rows:,} training examples.")
        stage, layers = _pickers(study)
        try:
            chosen = parse_layers(layers)
        except ExplorerError as error:
            st.error(plain(str(error)), icon=":material/error:")
            return
        left, right = st.columns([4, 1.1], vertical_alignment="center")
        line = f"python -m explorer build {shlex.quote(str(study.folder))}"
        line += "" if stage == study.checkpoint("before")[0] else f" --stage {shlex.quote(stage)}"
        left.code(line + (f" --layers {','.join(map(str, chosen))}" if chosen else ""), language=None)
        right.button(
            "Build the vectors now",
            type="primary",
            key="build",
            width="stretch",
            on_click=lambda: start_build(study, stage, chosen),
        )
        if build and build.error:
            st.error(plain(build.error), icon=":material/error:")
        elif build and build.stop.is_set():
            st.caption("Stopped. What was made is kept; a build goes on from there.")
        elif build:
            st.caption("Built. Choose them above, under *Vectors in*.")


def _pickers(study: Study) -> tuple[str, str]:
    words = stage_words(study)
    before = list(words).index(study.checkpoint("before")[0])
    left, right = st.columns(2)
    stage = left.selectbox(
        "In the model", list(words), before, format_func=lambda name: words[name], key="build-stage", help=STAGE
    )
    return stage, right.text_input("At the layers", key="build-layers", placeholder="Automatic", help=LAYERS)


def start_build(study: Study, stage: str, layers: list[int]) -> None:
    """Begin a build behind the page, unless one of this study runs; no layers: the automatic ones."""
    builds = _builds()
    running = builds.get(str(study.folder))
    if running is None or running.over:
        build = builds[str(study.folder)] = Build(time.monotonic())
        threading.Thread(target=_run, args=(study, build, stage, layers), daemon=True).start()


def _run(study: Study, build: Build, stage: str, layers: list[int]) -> None:
    def tell(pace: Pace) -> None:
        build.pace = pace
        if build.stop.is_set():
            raise KeyboardInterrupt

    try:
        build_index(study, stage, tell, layers=layers)
    except KeyboardInterrupt:
        pass  # what is written is whole
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
    seconds = time.monotonic() - build.began
    pace = build.pace
    if build.stop.is_set():
        text = "Stopping"
    elif pace is None:
        text = f"Reading the model · {_clock(seconds)}"
    else:
        text = f"{pace.done:,} of {pace.rows:,} training examples · {pace.rate:.1f} a second · {_clock(pace.left)} left"
    st.progress(pace.done / pace.rows if pace else 0.0, text)
    st.button("Stop", icon=":material/stop:", key="stop-build", on_click=build.stop.set, disabled=build.stop.is_set())


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
