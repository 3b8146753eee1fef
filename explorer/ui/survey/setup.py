"""A new survey: a log, which of its failures, which models, and Start."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError, count
from explorer.jobs import DONE
from explorer.model.spec import ModelSpec
from explorer.surveys.contrasts import LogCases
from explorer.surveys.folder import SURVEYS, Case, Survey, surveys_of, write_cases, write_settings
from explorer.surveys.job import WAITING, start, status
from explorer.surveys.report import pace
from explorer.surveys.runs import compare_logs
from explorer.surveys.survey import prepare
from explorer.ui import link
from explorer.ui.places import allow, place_name, places_of
from explorer.ui.sidebar import ADAPTER_HELP, MODEL_HELP
from explorer.ui.survey.log import FORMATS, pick_log, show_log
from explorer.ui.survey.open_case import REFUSED
from explorer.ui.survey.opened import opened_survey
from explorer.ui.text import duration, plain

INTRO = """### What do all these failures have in common?
Drop the log of a benchmark run, or of last night's run against today's. For every failure the model is asked: which
words pushed it to the wrong answer, is that map true, and at which layers does it happen? Nothing runs before
*Start*."""
OTHER_LOG = "The same benchmark under another model or an earlier version. What is newly broken is told apart."
MODELS_HELP = "In training order. The last one is the model whose failures are surveyed; the others are put beside it."
JUDGED_HELP = (
    "Holds every map against random ones, under two replacements of tokens: that gives outcomes, patterns, verdicts. "
    "It takes most of the time. Without it: gaps, strongest words, segments and profiles."
)
OF_HELP = "Which model reads the failures"


@dataclass(frozen=True)
class Wanted:
    """The failures of a new survey: of its log, and those of another run's log that are fixed since."""

    log: LogCases
    cases: Sequence[Case]
    other: LogCases | None = None
    fixed: Sequence[Case] = ()

    def __len__(self) -> int:
        return len(self.cases) + len(self.fixed)


Models = tuple[tuple[str, ModelSpec], ...]


def show_setup(study: Study) -> None:
    """Draw the set-up of a new survey."""
    with st.container(key="survey-setup-body"):
        left, right = st.columns([2, 3], gap="large")
    with left:
        st.markdown(INTRO)
        opened = pick_log("log", "Drop an evaluation log", FORMATS)
        if not opened:
            st.caption(FORMATS)
    if not opened:
        return
    with right:
        show_log(opened)
    if not opened.cases:
        right.info("No sample of this log failed: there is nothing to survey.", icon=":material/check_circle:")
        return
    with left:
        wanted = _pick_cases(opened)
    with right:
        _show_settings(study, wanted)


def _pick_cases(opened: LogCases) -> Wanted:
    """Draw the field for another run's log; return the failures that are wanted."""
    box = link.expander("Compare with another run's log", "against-log", icon=":material/compare_arrows:")
    if not box.open:
        return Wanted(opened, opened.cases)
    with box:
        other = pick_log("other", "Drop the other log", OTHER_LOG)
        if not other:
            return Wanted(opened, opened.cases)
        runs = compare_logs(other.log, opened.log)
        both = {*runs.broken, *runs.failing, *runs.fixed, *runs.passing}
        alone = [case.id for case in opened.cases if case.id not in both]
        groups: list[tuple[str, Any, bool, str]] = [
            ("Newly broken", runs.broken, True, "Failed in this log, not in the other one"),
            ("Still failing", runs.failing, True, "Failed in both logs"),
            ("Fixed", runs.fixed, False, "Failed in the other log, not in this one"),
            ("In this log alone", alone, False, "Failures that the other log does not have"),
        ]
        chosen: set[str] = set()
        for label, ids, usual, about in groups:
            if st.checkbox(f"{label}: {len(ids):,}", usual, disabled=not ids, key=f"survey-{label}", help=about):
                chosen |= set(ids)
        st.caption(f"{len(runs.passing):,} passed in both. {count(runs.before_only, 'sample')} only in the other log.")
    fixed = [case for case in other.cases if case.id in chosen & set(runs.fixed)]
    return Wanted(opened, [case for case in opened.cases if case.id in chosen], other, fixed)


def _show_settings(study: Study, wanted: Wanted) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        of = link.segmented(
            "Model", "of", {"study": "This study's models", "other": "Another model"}, "study", help=OF_HELP
        )
    models = _study_models(study) if of == "study" else _other_model()
    left, right = st.columns([3, 2], gap="small", vertical_alignment="bottom")
    field: dict[str, Any] = {"key": "survey-name", "max_chars": 80, "help": "What the survey is called"}
    title = left.text_input("Name", Path(wanted.log.about.name).stem, **field)
    with right:
        judged = link.toggle("Judge every map", "judged", True, help=JUDGED_HELP)
    _show_time(study, len(wanted), judged)
    ready = bool(models and wanted and title.strip())
    label = f"Start: {count(len(wanted), 'failure')}"
    about = "First the contrasts are found, wrong against right, and shown; measuring begins once you confirm them"
    settings: dict[str, Any] = {
        "type": "primary",
        "icon": ":material/play_arrow:",
        "key": "survey-start",
        "help": about,
    }
    st.button(label, on_click=_start, args=(study, wanted, models, judged, title), disabled=not ready, **settings)
    st.caption("It runs in the background, and goes on when this page or the app is closed.")


def _study_models(study: Study) -> Models:
    checkpoints = study.checkpoints()
    names = link.multiselect(
        "Models", "models", {name: name for name in checkpoints}, list(checkpoints), help=MODELS_HELP
    )
    chosen = tuple((name, spec) for name, spec in checkpoints.items() if name in names)
    if chosen:
        *others, last = (plain(name) for name, _ in chosen)
        st.caption(f"The failures of {last}" + (f", beside {', '.join(others)}." if others else "."))
    return chosen


def _other_model() -> Models:
    left, right = st.columns(2, gap="small")
    source = left.text_input(
        "Model", key="survey-model", placeholder="owner/name, a folder or a .gguf file", help=MODEL_HELP
    )
    adapter = right.text_input("PEFT adapter", key="survey-adapter", placeholder="none", help=ADAPTER_HELP)
    if not source.strip():
        return ()
    spec = ModelSpec(place_name(source), place_name(adapter) or None)
    return ((spec.title, spec),)


def _show_time(study: Study, failures: int, judged: bool) -> None:
    seconds = pace([opened_survey(folder) for folder in surveys_of(study.folder)], judged)
    if seconds is None:
        st.caption("How long it takes is told once the first failures are measured.")
    else:
        here = f"at the {seconds:.1f} s that a failure took in this study's surveys"
        st.caption(f"About **{duration(failures * seconds)}**, {here}.")


def _start(study: Study, wanted: Wanted, models: Models, judged: bool, title: str) -> None:
    """Create the survey and start its run; the next run says why it can't be."""
    try:
        allow(place for _, spec in models for place in places_of(spec))  # chosen by hand
        survey = _create(study, wanted, models, judged)
        write_settings(survey.folder, replace(survey.settings, title=title.strip()))
        if status(survey.folder).state not in (WAITING, DONE):  # the same survey was made before
            start(survey.folder)
        link.put(survey=survey.name, models=None, judged=None, of=None, **{"against-log": None})
    except (ExplorerError, OSError) as error:
        st.session_state[REFUSED] = str(error)


def _create(study: Study, wanted: Wanted, models: Models, judged: bool) -> Survey:
    source, cases = (wanted.log, wanted.cases) if wanted.cases else (wanted.other or wanted.log, wanted.fixed)
    some, home = [case.id for case in cases], study.folder / SURVEYS
    survey = prepare(source, dict(models), home=home, judged=judged, ids=some, confirmed=False)
    if more := [case for case in wanted.fixed if case.id not in survey.cases]:  # the other log's
        write_cases(survey.folder, [*survey.cases.values(), *more])
    return survey
