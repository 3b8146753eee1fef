"""No vectors yet: what to do, and a build that goes on behind the page, with its rate, time left and a way to stop."""

import shlex
import threading
import time
from dataclasses import dataclass, field

import streamlit as st

from explorer.errors import ExplorerError
from explorer.study import Study
from explorer.ui.data_state import Corpus
from explorer.ui.state import plain
from explorer.vectors.build import Pace, build_index


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


def build_box(of: Corpus, why: str = "") -> None:
    """What is missing, the command that makes it, and a button that runs it here."""
    study = of.study
    build = _builds().get(str(study.folder))
    with st.container(border=True):
        if build and not build.over:
            _watch(str(study.folder))
            return
        name = study.checkpoint("before")[0]
        st.markdown(
            f"{why or 'The vectors of this study are not built yet.'} They are made once, in one pass over "
            f"{of.table.num_rows:,} training examples in {plain(name)}; until then only words can be compared (BM25)."
        )
        left, right = st.columns([4, 1.1], vertical_alignment="center")
        left.code(f"python -m explorer build {shlex.quote(str(study.folder))}", language=None)
        right.button(
            "Build the vectors now", type="primary", key="build", width="stretch", on_click=lambda: start_build(study)
        )
        if build and build.error:
            st.error(plain(build.error), icon=":material/error:")
        elif build and build.stop.is_set():
            st.caption("Stopped. What was made is kept; a build goes on from there.")


def start_build(study: Study) -> None:
    """Begin a build behind the page, unless one of this study runs."""
    builds = _builds()
    running = builds.get(str(study.folder))
    if running is None or running.over:
        build = builds[str(study.folder)] = Build(time.monotonic())
        threading.Thread(target=_run, args=(study, build), daemon=True).start()


def _run(study: Study, build: Build) -> None:
    def tell(pace: Pace) -> None:
        build.pace = pace
        if build.stop.is_set():
            raise KeyboardInterrupt

    try:
        build_index(study, "before", tell)
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
        text = "Stopping after this shard"
    elif pace is None:
        text = f"Computing the first shard · {_clock(seconds)}"
    else:
        text = f"{pace.done:,} of {pace.rows:,} training examples · {pace.rate:.1f} a second · {_clock(pace.left)} left"
    st.progress(pace.done / pace.rows if pace else 0.0, text)
    st.button("Stop", icon=":material/stop:", key="stop-build", on_click=build.stop.set, disabled=build.stop.is_set())


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
