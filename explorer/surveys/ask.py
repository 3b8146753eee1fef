"""Questions with expected answers as failures: the model is asked, and what it answers wrongly is kept.

Answers are judged as in a survey (``satisfies.py``), and the right answer is put in the model's own words where that
works (``contrasts.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from explorer.data.logs.recognise import read_log
from explorer.data.new_study import NewStudy
from explorer.errors import ExplorerError, count
from explorer.model.load import load_model
from explorer.model.spec import ModelSpec
from explorer.progress import Progress, silent
from explorer.surveys.contrasts import answered, cases_of, each_contrasted
from explorer.surveys.folder import Case


@dataclass(frozen=True)
class AskedFailures:
    """What a model answered wrongly.

    Attributes:
        rows: lines of ``failures.jsonl``.
        asked, right: questions, and how many of them the model answered rightly.
        problems: sentences on what was left out.
    """

    rows: list[dict[str, Any]]
    asked: int
    right: int
    problems: tuple[str, ...]

    def lines(self) -> list[str]:
        """A summary in short lines."""
        found = f"failures: {len(self.rows):,} of {count(self.asked, 'question')}; {self.right:,} answered rightly"
        return [found, *self.problems]


def ask_failures(path: Path, spec: ModelSpec, raw: bool = False, progress: Progress = silent) -> AskedFailures:
    """Ask a model the questions of a table, and return those that it answers wrongly.

    Args:
        path: a table with ``prompt`` and ``expected`` (other names: ``explorer/data/logs/plain.py``), or any log of an
            evaluation. ``check`` tells how answers are compared: exact, contains (default), regex or choice. A row with
            the model's answer (``said``) is not asked again.
        raw: ask without a chat template.

    Raises ExplorerError for a file that can't be read or has no expected answer, and a model that can't be loaded.
    """
    read = cases_of(read_log(path))
    if not read.cases:
        raise ExplorerError(f"{path}: nothing to ask ({'; '.join(read.about.problems) or 'no expected answer'}).")
    cases = [replace(case, raw=raw or case.raw) for case in read.cases]
    loaded = load_model(spec, progress)
    wrong = answered(cases, loaded, progress)
    rows, reasons = [], []
    for number, found in enumerate(each_contrasted(wrong, loaded)):
        if isinstance(found, Case):
            rows.append(_row(found))
        else:
            reasons.append(f"{wrong[number].id}: left out ({str(found).rstrip('.')})")
        progress("Finding what to contrast", number + 1, len(wrong))
    return AskedFailures(rows, len(cases), len(cases) - len(wrong), (*read.about.problems, *_first(reasons)))


def with_failures(new: NewStudy, asked: AskedFailures) -> NewStudy:
    """A new study with these failures in the place of its own."""
    return replace(new, failures=asked.rows)


def _row(case: Case) -> dict[str, Any]:
    """A line of ``failures.jsonl``."""
    told = {"system": case.system, "raw": case.raw or None, "kind": case.category or None}
    row = {"id": case.id, "prompt": case.prompt, "wrong": case.wrong, "right": case.right}
    return row | {name: value for name, value in told.items() if value}


def _first(reasons: Sequence[str], most: int = 5) -> list[str]:
    more = [f"… and {len(reasons) - most:,} more"] if len(reasons) > most else []
    return [*reasons[:most], *more]
