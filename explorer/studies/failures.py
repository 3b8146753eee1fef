"""Failures for a new study: those of a survey, or what a model gets wrong of prompts with expected answers.

Asking is the first half of a survey: a job of its own (``explorer.surveys.job``) asks the model, judges its answers,
and puts the right answer in the model's own words where that works; it waits there, and nothing is measured.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from explorer.data.listed import BEHAVIOR, Entry, make_entry
from explorer.data.logs.recognise import read_log
from explorer.errors import ExplorerError, count
from explorer.jobs import is_running
from explorer.model.spec import ModelSpec
from explorer.progress import Progress, silent
from explorer.surveys.contrasts import cases_of
from explorer.surveys.folder import SETTINGS, SURVEYS, Survey
from explorer.surveys.job import execute
from explorer.surveys.survey import prepare


@dataclass(frozen=True)
class AskedFailures:
    """What a model answered wrongly.

    Attributes:
        entries: its failures, as those of a list.
        asked: prompts that the model was asked, or whose answer the file had.
        problems: sentences on what was left out, the first five of the cases.
    """

    entries: list[Entry]
    asked: int
    problems: tuple[str, ...]

    def lines(self) -> list[str]:
        """A summary in short lines."""
        return [f"{count(len(self.entries), 'failure')} of {count(self.asked, 'prompt')}", *self.problems]


def ask_failures(path: Path, spec: ModelSpec, raw: bool = False, progress: Progress = silent) -> AskedFailures:
    """Ask a model the questions of a table, here and now, and return those that it answers wrongly.

    Args:
        path: a table with ``prompt`` and ``expected`` (other names: ``explorer/data/logs/plain.py``), or any log of an
            evaluation. ``check`` tells how answers are compared: exact, contains (default), regex or choice. A row with
            the model's answer (``said``) is not asked again.
        raw: ask without a chat template.

    Raises ExplorerError for a file that can't be read or has nothing to ask, a model that can't be loaded, and one that
    answers everything rightly.
    """
    with TemporaryDirectory() as home:
        return asked_failures(execute(prepare_asking(path, spec, Path(home), raw), progress))


def asked_failures(survey: Survey, behavior: str = BEHAVIOR) -> AskedFailures:
    """What came of a job that ``prepare_asking`` wrote, once it is done.

    Args:
        behavior: name of the behavior of rows without a category.
    """
    asked = survey.settings.log.samples or len(survey.cases)
    return AskedFailures(survey_entries(survey, behavior), asked, tuple(_left_out(survey)))


def prepare_asking(path: Path, spec: ModelSpec, home: Path, raw: bool = False) -> Path:
    """Write the job that asks a model the questions of a table or log; returns its folder, for ``job.start``.

    Args:
        path: a table with prompts and expected answers, or the log of an evaluation (``explorer/data/logs``).
        home: folder that it lies in.
        raw: ask without a chat template.

    Raises ExplorerError for a file that can't be read or has nothing to ask.
    """
    read = cases_of(read_log(path))
    if not read.cases:
        raise ExplorerError(f"{path.name}: nothing to ask ({'; '.join(read.about.problems) or 'no expected answer'}).")
    read = replace(read, cases=tuple(replace(case, raw=raw or case.raw) for case in read.cases))
    return prepare(read, {spec.title: spec}, home=home / SURVEYS, judged=False, confirmed=False).folder


def asking_of(home: Path) -> Path | None:
    """The folder of the job that was begun there; None where there is none."""
    return next((path.parent for path in sorted((home / SURVEYS).glob(f"*/{SETTINGS}"))), None)


def forget_asking(folder: Path) -> None:
    """Delete a job that is over. Raises ExplorerError for one that is at work."""
    if is_running(folder):
        raise ExplorerError("The model is being asked; stop that first.")
    shutil.rmtree(folder, ignore_errors=True)


def survey_entries(survey: Survey, behavior: str = BEHAVIOR, ids: Sequence[str] | None = None) -> list[Entry]:
    """The failures of a survey as entries of a new study.

    Taken are cases with a wrong and a right answer that its model could read; of a measured one, only where the model
    prefers the wrong answer.

    Args:
        behavior: of those that have no category.
        ids: of cases, these alone.
    """
    entries = []
    for id, case in survey.cases.items():
        row = survey.rows.get(id)
        if (ids is not None and id not in ids) or not (case.wrong and case.right):
            continue
        if row and (row.error or (row.gap is not None and row.gap <= 0)):
            continue
        fields = {"id": id, "prompt": case.prompt, "wrong": case.wrong, "right": case.right}
        more = {"system": case.system, "evidence": case.evidence, "behavior": case.category}
        more["raw"] = "true" if case.raw else ""
        given = fields | {name: text for name, text in more.items() if text}
        entries.append(make_entry(given, f"Case {id}", behavior))
    return entries


def _left_out(survey: Survey) -> list[str]:
    """Why cases can't be taken, one sentence each, the first five."""
    reasons = [f"{id}: left out ({row.error.rstrip('.')})" for id, row in survey.rows.items() if row.error]
    more = [f"… and {len(reasons) - 5:,} more"] if len(reasons) > 5 else []
    problems = [
        text for text in survey.settings.log.problems if "without the model's answer" not in text
    ]  # it was asked
    return [*problems, *reasons[:5], *more]
