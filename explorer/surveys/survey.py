"""Survey many failures: of an evaluation log, or of a study. One call for the page, the command line and Python."""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from explorer.data.failures import Failure
from explorer.data.logs.recognise import read_log
from explorer.data.logs.sample import Log
from explorer.data.study import SETTINGS as STUDY_SETTINGS
from explorer.data.study import Study, open_study
from explorer.errors import ExplorerError
from explorer.model.embedded import cache_folder
from explorer.model.spec import ModelSpec
from explorer.progress import Progress, silent
from explorer.surveys.contrasts import LogCases, cases_of
from explorer.surveys.folder import SETTINGS as SURVEY_SETTINGS
from explorer.surveys.folder import (
    SURVEYS,
    Case,
    LogAbout,
    Survey,
    SurveySettings,
    create_survey,
    portable,
    read_survey,
)
from explorer.surveys.job import execute
from explorer.surveys.profiles import cluster_profiles
from explorer.surveys.totals import totals

Models = str | ModelSpec | Mapping[str, ModelSpec]


def survey(
    source: str | Path | Study,
    models: Models | None = None,
    *,
    home: Path | None = None,
    judged: bool = True,
    rule: str = "attnlrp",
    ids: Collection[str] | None = None,
    progress: Progress = silent,
) -> Survey:
    """Read every failure of a log or study with a model: gaps, profiles, outcomes, patterns, verdicts.

    A survey that was begun with the same source and settings goes on where it was.

    Args:
        source: an evaluation log (see ``read_log``), a study, or its folder.
        models: one model, or several by name in training order, the last being the one whose failures are surveyed; by
            default a study's checkpoints, and for a log the embedded model.
        home: folder of surveys that it is kept in; by default the study's, or the program's cache for a log.
        judged: also measure outcomes, patterns and verdicts (10 to 30 s a failure on two cores); else gaps, words,
            segments and profiles alone.
        rule: a key of ``RULES``.
        ids: of the log's samples, these alone.

    Raises ExplorerError for a source without failures, and as ``read_log`` and ``explain`` do.
    """
    prepared = prepare(source, models, home=home, judged=judged, rule=rule, ids=ids)
    return execute(prepared.folder, progress)


def prepare(
    source: str | Path | Study | Log | LogCases,
    models: Models | None = None,
    *,
    home: Path | None = None,
    judged: bool = True,
    rule: str = "attnlrp",
    ids: Collection[str] | None = None,
    confirmed: bool = True,
) -> Survey:
    """Write a survey that nothing is measured of yet, or read the one that stands there; see ``survey``.

    Args:
        source: as of ``survey``, or a log that was read before.
        confirmed: whether its contrasts are measured as they are found, without a look at them.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        source = open_study(path) if (path / STUDY_SETTINGS).exists() else read_log(path)
    ids = ids if ids is None else set(ids)
    if isinstance(source, Study):
        known = source.failures()
        cases, about = [_given(failure) for failure in known.values() if ids is None or failure.id in ids], LogAbout()
        title, usual = f"Failures of {source.name}", source.folder / SURVEYS
        models = models or source.checkpoints()
    else:
        read = source if isinstance(source, LogCases) else cases_of(source)
        cases, about = [case for case in read.cases if ids is None or case.id in ids], read.about
        title, usual = about.task or read.log.path.stem, cache_folder() / SURVEYS
    named = _named(models or ModelSpec())
    settings = SurveySettings(title, tuple(named.items()), rule, judged, confirmed, about)
    home = home or usual
    folder = home / survey_name(title, home, settings, cases)
    if (folder / SURVEY_SETTINGS).exists():
        return read_survey(folder)
    return create_survey(folder, settings, cases)


def survey_name(title: str, home: Path, settings: SurveySettings, cases: Sequence[Case]) -> str:
    """Name a survey's folder in ``home``: its title, and a digest of what is surveyed with which settings."""
    models, asked = portable(settings, home / "survey").models, [(case.id, case.prompt, case.said) for case in cases]
    what = repr((models, settings.rule, settings.judged, asked)).encode("utf-8", "replace")
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "survey"
    return f"{words}-{hashlib.sha256(what).hexdigest()[:6]}"


def survey_json(survey: Survey) -> dict[str, Any]:
    """Return the object that ``explorer survey --json -`` prints."""
    profiles = cluster_profiles(survey)
    failures = []
    for id, case in survey.cases.items():
        row = survey.rows.get(id)
        line: dict[str, Any] = {"id": id, "category": case.category, "wrong": case.wrong, "right": case.right}
        line |= {"how": case.how, "logit_gap": row and row.gap}
        if row:
            line |= {name: getattr(row, name) for name in ("outcome", "pattern", "percentile", "graph_percentile")}
            line |= {"verdict": row.verdict, "mark": row.mark, "sink_share": row.sink_share, "peak_layer": row.peak}
            line |= {"reddest": row.reddest, "bluest": row.bluest, "segments": row.segments}
            line["gaps"] = {name: reading.gap for name, reading in row.readings.items()}
            line["profile_cluster"] = profiles and profiles.labels.get(id)
        failures.append(line)
    heading = {"survey": survey.name, "title": survey.settings.title, "model": survey.settings.spec.title}
    heading |= {"rule": survey.settings.rule, "folder": str(survey.folder)}
    return heading | {
        "failures": failures,
        "totals": totals(survey).to_json(),
        "profiles": profiles and profiles.to_json(),
    }


def _named(models: Models) -> dict[str, ModelSpec]:
    if isinstance(models, Mapping):
        if not models:
            raise ExplorerError("No model to survey; expected one or more.")
        return dict(models)
    spec = ModelSpec(models) if isinstance(models, str) else models
    return {spec.title: spec}


def _given(failure: Failure) -> Case:
    names = ("id", "prompt", "wrong", "right", "system", "raw", "evidence", "place")
    return Case(**{name: getattr(failure, name) for name in names}, category=failure.behavior or failure.kind)
