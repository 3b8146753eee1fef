"""A survey from a log to rows: stopped, killed, gone on, several models; and what it makes of the study."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from explorer import progress
from explorer.data.logs.sample import LoggedSample
from explorer.data.study import create_study
from explorer.errors import ExplorerError
from explorer.jobs import PROGRESS
from explorer.model.spec import ModelSpec
from explorer.patterns import shows
from explorer.progress import Stopped, silent
from explorer.repair.checks import measurable
from explorer.surveys import job, measure
from explorer.surveys.behavior import add_behavior
from explorer.surveys.contrasts import cases_of
from explorer.surveys.folder import ROWS, Case, Row, SurveySettings, create_survey, read_survey
from explorer.surveys.job import WAITING, confirm, execute, status
from explorer.surveys.profiles import cluster_profiles
from explorer.surveys.runs import compare_logs
from explorer.surveys.survey import prepare, survey_json
from explorer.surveys.totals import totals
from tests.surveys.test_contrasts import log_of

FAILURES = [
    Case(f"{n}", f"the word number {n} of the letters is", "X", "Y", raw=True, category="ab"[n % 2]) for n in range(4)
]


@pytest.fixture
def tiny(tmp_path, tiny_folder):
    """A survey of four failures by a tiny model on disk, nothing measured."""
    spec = ModelSpec(str(tiny_folder))
    settings = SurveySettings("letters", (("first", spec), ("last", spec)), judged=False, confirmed=True)
    return create_survey(tmp_path / "letters", settings, FAILURES)


def test_from_cases_to_rows(tiny):
    assert status(tiny.folder).state == "new"
    seen = []
    done = execute(tiny.folder, lambda what, *at: seen.append((what, *at)))
    assert status(tiny.folder).state == "done" and [*done.rows] == ["0", "1", "2", "3"]
    for row in done.rows.values():
        assert row.gap == row.readings["last"].gap == row.readings["first"].gap and row.outcome is None
        assert sum(row.profile) == pytest.approx(1, abs=1e-3) and not row.error
    assert ("Measuring", 3, 4) in seen
    values = json.loads(json.dumps(survey_json(done)))
    assert values["failures"][2]["logit_gap"] == done.rows["2"].gap
    assert values["totals"]["categories"]["a"]["cases"] == 2


def test_stopped_it_goes_on_where_it_was(tiny, monkeypatch):
    def stop_at_3(_what, done: float = 0, _total: float = 0, /):
        if done == 2:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        execute(tiny.folder, stop_at_3)
    assert status(tiny.folder).state == "stopped" and len(read_survey(tiny.folder).rows) == 2
    calls = []
    real = measure.measure
    monkeypatch.setattr(job, "measure", lambda case, *a, **k: calls.append(case.id) or real(case, *a, **k))
    execute(tiny.folder)
    assert calls == ["2", "3"] and status(tiny.folder).state == "done"


@pytest.mark.slow
def test_killed_it_goes_on_where_it_was(tiny):
    """kill −9 in the middle of measuring: whole rows stay, the survey is told as stopped, and ends as without."""
    code = (
        "import sys, time; from pathlib import Path; from explorer.surveys import job\n"
        "real = job.measure\n"
        "def slow(*a, **k):\n    time.sleep(0.5); return real(*a, **k)\n"
        "job.measure = slow; job.execute(Path(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tiny.folder)])
    rows = tiny.folder / ROWS
    for _ in range(600):
        if rows.exists() and rows.stat().st_size:
            break
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert status(tiny.folder).state == "stopped"
    before = read_survey(tiny.folder).rows
    assert 1 <= len(before) < 4
    done = execute(tiny.folder)
    assert [*done.rows] == ["0", "1", "2", "3"] and all(done.rows[id] == row for id, row in before.items())


def test_contrasts_wait_to_be_confirmed(tmp_path, tiny_folder):
    cases = [
        Case("a", "abc", said="X", expected=("Y",), raw=True),
        Case("b", "abd", said="", expected=("Y",), raw=True),
    ]
    settings = SurveySettings("letters", (("tiny", ModelSpec(str(tiny_folder))),), judged=False)
    folder = create_survey(tmp_path / "s", settings, cases).folder
    survey = execute(folder)
    assert status(folder).state == WAITING and survey.cases["a"].right and "said nothing" in survey.rows["b"].error
    confirm(folder)
    assert status(folder).state != WAITING
    assert execute(folder).rows["a"].gap is not None and status(folder).state == "done"


def test_a_model_that_is_not_there_fails_in_a_sentence(tmp_path):
    settings = SurveySettings("x", (("gone", ModelSpec("./gone")),), judged=False, confirmed=True)
    folder = create_survey(tmp_path / "s", settings, FAILURES).folder
    with pytest.raises(ExplorerError, match="gone"):
        execute(folder)
    assert status(folder).state == "failed" and "gone" in status(folder).error


def test_a_prompt_that_is_too_long_costs_its_row_alone(tiny_loaded_model):
    long = Case("long", "a " * 50_000, "X", "Y", raw=True)
    row = measure.measure(long, {"tiny": tiny_loaded_model}, judge_maps=False)
    assert row.gap is None and row.error and row.mark == row.error


def test_totals_count_each_case_once(tiny):
    for row in (
        Row("0", 2.0, outcome="M-IA", pattern="OIT", verdict="holds"),
        Row("1", 0.5, outcome="NC-IA + AG", pattern="neither", verdict="chance"),
        Row("2", -1.0),
        Row("3", error="too long"),
    ):
        job.add_row(tiny.folder, row)
    all = totals(read_survey(tiny.folder)).all
    assert (all.cases, all.measured, all.failed, all.not_made, all.small, all.judged) == (4, 3, 1, 1, 1, 2)
    share, low, high = all.share("M-IA")
    assert share == 0.5 and low == pytest.approx(0.0945, abs=1e-3) and high == pytest.approx(0.9055, abs=1e-3)
    assert totals(read_survey(tiny.folder), ["0"]).all.cases == 1


def test_profiles_in_clusters_by_their_peak(tmp_path):
    early, late = (0.7, 0.2, 0.1), (0.1, 0.2, 0.7)
    cases = [Case(f"{n}", "p", "X", "Y", category="early" if n < 5 else "late") for n in range(10)]
    settings = SurveySettings("x", (("m", ModelSpec()),))
    folder = create_survey(tmp_path / "s", settings, cases).folder
    for n in range(10):
        shares = early if n < 5 else late
        job.add_row(folder, Row(f"{n}", 1.0, profile=tuple(x + 0.001 * n for x in shares)))
    found = cluster_profiles(read_survey(folder))
    assert found and found.peaks == (0, 2) and found.silhouette > 0.9
    assert [found.labels[f"{n}"] for n in range(10)] == [1] * 5 + [2] * 5
    assert found.composition == {1: {"early": 5}, 2: {"late": 5}}
    assert cluster_profiles(create_survey(tmp_path / "t", settings, cases)) is None


def test_two_logs_side_by_side():
    def run(**failed):
        return log_of(*(LoggedSample(id, "p", failed=wrong) for id, wrong in failed.items()))

    runs = compare_logs(run(a=False, b=True, c=True, d=False, e=True), run(a=True, b=False, c=True, d=False, f=True))
    assert (runs.broken, runs.fixed, runs.failing, runs.passing) == (("a",), ("b",), ("c",), ("d",))
    assert (runs.before_only, runs.after_only) == (1, 1)


def test_failures_become_a_behavior(tmp_path):
    rows = [{"id": "1", "prompt": "p", "response": "r"}]
    study = create_study(tmp_path / "study", name="s", model="smollm2", datapoints=rows)
    cases = [
        Case("a", "Which dog?", "Bella", "Rocky"),
        Case("b", "Which cat?", "Tom", "Kit", system="Be brief."),
        Case("c", "raw", "X", "Y", raw=True),
        Case("d", "no contrast"),
    ]
    assert add_behavior(study, "pets", cases) == 3
    assert add_behavior(study, "pets", cases) == 0
    pets = study.behavior("pets")
    assert [(b.system, b.prompt, b.bad, b.good, b.half, b.raw) for b in pets] == [
        ("", "Which dog?", "Bella", "Rocky", "", False),
        ("Be brief.", "Which cat?", "Tom", "Kit", "", False),
        ("", "raw", "X", "Y", "", True),
    ]
    with pytest.raises(ExplorerError, match="None of these failures"):
        add_behavior(study, "pets", cases[3:])


def test_a_larger_behavior_is_held_out_by_half_with_a_pattern(tmp_path):
    rows = [{"id": "1", "prompt": "p", "response": "r"}]
    study = create_study(tmp_path / "s", name="s", model="smollm2", datapoints=rows)
    said = [("It is Lyon.", "It is Paris."), ("Pay $5 (five)!", "Pay $6 (six)!"), ("a", "b"), ("A+ is it", "B is it")]
    add_behavior(study, "towns", [Case(f"{n}", f"q{n}?", *pair) for n, pair in enumerate(said)])
    towns = study.behavior("towns")
    assert [b.half for b in towns] == ["query", "evaluation", "query", "evaluation"]
    for b, (wrong, right) in zip(towns, said, strict=True):
        assert shows(b.exhibits, f"Well, {wrong.upper()}", b.id) and not shows(b.exhibits, right, b.id)
    assert not shows(towns[2].exhibits, "bad", "a is no word of it")
    assert measurable(study) == ["towns"]


def test_prepare_keeps_one_folder_for_one_question(tmp_path):
    samples = [LoggedSample("1", "2 + 2?", said="5", expected=("4",), failed=True)]
    first = prepare(log_of(*samples), home=tmp_path)
    assert prepare(log_of(*samples), home=tmp_path) == first and first.settings.title == "sums"
    assert prepare(log_of(*samples), home=tmp_path, judged=False).folder != first.folder
    assert prepare(cases_of(log_of(*samples)), home=tmp_path, ids=["1"]) == first
    with pytest.raises(ExplorerError, match="No failure"):
        prepare(log_of(*samples), home=tmp_path, ids=["2"])
    with pytest.raises(ExplorerError, match="No failure"):
        prepare(log_of(LoggedSample("1", "p", said="4", expected=("4",), failed=False)), home=tmp_path)


def test_the_time_left_is_judged_by_what_is_done(tmp_path, monkeypatch):
    times = iter([0.0, 4.0, 10.0, 100.0, 105.0])
    monkeypatch.setattr(progress, "monotonic", lambda: next(times))
    monkeypatch.setattr(job._Report, "look", lambda self: None)
    report, left = job._Report(tmp_path, silent), []
    for what, done in (("a", 2), ("a", 3), ("a", 4), ("b", 0), ("b", 1)):
        report.at(what, done, 6)
        left.append(json.loads((tmp_path / PROGRESS).read_text())["left"])
    assert left == [None, 12.0, 10.0, None, 25.0]  # 4 s, then 5 s for each; the next work anew
