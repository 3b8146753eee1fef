"""The command ``survey``: all failures of an evaluation log, or of a study, without a browser."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.arguments import file_name
from explorer.cli.output import MODEL, progress_lines, say, write_json
from explorer.errors import ExplorerError, count

if TYPE_CHECKING:
    from explorer.data.study import Study
    from explorer.model.spec import ModelSpec
    from explorer.surveys.contrasts import LogCases
    from explorer.surveys.folder import Survey

_ONLY = ("broken", "fixed", "failing")


def add_survey(commands: Any) -> None:
    """Add the sub-command to the command line's own."""
    survey = commands.add_parser("survey", help="all failures of an evaluation log, or of a study, at once")
    add = survey.add_argument
    logs = (
        "of lm-evaluation-harness, Inspect, promptfoo, OpenAI evals or HELM, or JSON lines / CSV of prompt + expected"
    )
    add("source", nargs="?", type=Path, metavar="LOG|STUDY", help=f"an evaluation log {logs}; or a study")
    add("--study", type=Path, metavar="STUDY", help="keep the survey in this study, and read with its checkpoints")
    add("--model", metavar="M", help=f"{MODEL}; default smollm2, or the study's")
    add("--adapter", metavar="A", help="a PEFT adapter folder or hub id, @revision too")
    add("--models", metavar="A,B,…", help="several models in training order; the last one's failures are surveyed")
    add("--rule", default="attnlrp", metavar="R", help="how relevance is passed back, as for trace")
    add("--quick", action="store_true", help="gaps, words and profiles alone: no outcomes, patterns and verdicts")
    add("--before", type=Path, metavar="LOG", help="an older log of the same task: what broke, what was fixed")
    add("--only", choices=_ONLY, help="with --before: survey these samples alone")
    add("--behavior", metavar="NAME", help="also make the failures a behavior of --study, to be ranked and repaired")
    add("--dry-run", action="store_true", help="say what was recognised, and survey nothing")
    add("--go-on", type=Path, metavar="FOLDER", help="go on with a survey that was stopped, or read one that is done")
    add("--json", metavar="FILE", type=file_name, help="write the figures as JSON; - for stdout")
    survey.set_defaults(run=_survey)


def _survey(given: argparse.Namespace) -> None:
    from explorer.surveys.job import execute
    from explorer.surveys.survey import survey_json

    progress = progress_lines()
    if given.go_on is not None:
        os.nice(5)  # a background job leaves the app the processor
        folder = given.go_on
    else:
        prepared = _prepared(given)
        if prepared is None:
            return
        folder = prepared.folder
    done = execute(folder, progress)
    if given.behavior:
        _as_behavior(given, done)
    if given.json:
        write_json(given.json, survey_json(done))
    else:
        say(*_table(done))


def _prepared(given: argparse.Namespace) -> "Survey | None":
    """The survey that the arguments ask for, written; None where nothing is to be surveyed."""
    from explorer.data.study import SETTINGS, check_study, open_study
    from explorer.surveys.folder import SURVEYS
    from explorer.surveys.survey import prepare

    if given.source is None:
        raise ExplorerError("Nothing to survey; expected a log or a study, or --go-on FOLDER.")
    if given.behavior and not given.study:
        raise ExplorerError("--behavior needs --study: the study whose behavior the failures become.")
    study = check_study(given.study) if given.study else None
    models = _models(given, study)
    if (given.source / SETTINGS).exists():
        if given.before:
            raise ExplorerError("--before compares two logs; the source is a study.")
        return prepare(open_study(given.source), models, judged=not given.quick, rule=given.rule)
    read, ids = _recognised(given)
    if given.dry_run:
        return None
    home = study.folder / SURVEYS if study else None
    return prepare(read, models, home=home, judged=not given.quick, rule=given.rule, ids=ids)


def _recognised(given: argparse.Namespace) -> "tuple[LogCases, tuple[str, ...] | None]":
    """Read the log, say what it is, and what became of its samples since an older one."""
    from explorer.data.logs.recognise import read_log
    from explorer.surveys.contrasts import cases_of
    from explorer.surveys.runs import compare_logs

    read = cases_of(read_log(given.source))
    about = read.about
    where = ", ".join(filter(None, (about.task, about.model, about.metric)))
    say(f"{about.harness} {about.version}".rstrip() + f": {where or 'no task named'}", to_stderr=True)
    failed = f"{about.failed} of {count(about.samples, 'sample')} failed, {len(read.cases)} can be surveyed"
    say(failed, *about.problems, to_stderr=True)
    if not given.before:
        return read, None
    runs = compare_logs(read_log(given.before), read.log)
    counts = ", ".join(f"{len(getattr(runs, name))} {name}" for name in _ONLY)
    say(f"since {given.before.name}: {counts}, {len(runs.passing)} right in both", to_stderr=True)
    if given.only == "fixed":
        raise ExplorerError("What was fixed is no failure of this log; survey the older log for it.")
    return read, getattr(runs, given.only) if given.only else None


def _models(given: argparse.Namespace, study: "Study | None") -> "dict[str, ModelSpec] | None":
    """The models by name; None for the default."""
    from explorer.model.adapters import with_base
    from explorer.model.spec import ModelSpec, by_title
    from explorer.trace.compare import parse_models

    usual = with_base(ModelSpec(given.model or "smollm2", given.adapter))
    if given.models:
        return by_title(parse_models(given.models, usual))
    if given.model or given.adapter:
        return {usual.title: usual}
    return study.checkpoints() if study else None


def _as_behavior(given: argparse.Namespace, done: "Survey") -> None:
    from explorer.data.study import check_study
    from explorer.surveys.behavior import add_behavior

    made = [case for id, case in done.cases.items() if id in done.rows and (done.rows[id].gap or 0) > 0]
    added = add_behavior(check_study(given.study), given.behavior, made)
    say(f"{count(added, 'prompt')} added to the behavior '{given.behavior}' of {given.study}", to_stderr=True)


def _table(survey: "Survey") -> list[str]:
    """Lines for people: a failure each, then outcomes by category."""
    from explorer.surveys.totals import totals

    lines = []
    for id, row in survey.rows.items():
        words = " ".join(text for text, _ in row.reddest)
        gap = "" if row.gap is None else f"{row.gap:+6.2f}"
        judged = f"{row.outcome or '':13} {row.pattern or '':8} {row.verdict or '':9}"
        lines.append(f"{id:24} {gap:7} {judged} {words or row.mark}")
    counted = totals(survey)
    for name, counts in {**counted.categories, "all": counted.all}.items():
        shares = ", ".join(f"{outcome} {n}" for outcome, n in sorted(counts.outcomes.items()))
        not_made = f", {counts.not_made} not made by this model" if counts.not_made else ""
        lines.append(f"{name or 'no category':24} {counts.cases} failures: {shares or 'not judged'}{not_made}")
    return [*lines, f"kept in {survey.folder}"]
