"""What an evaluation log says of one sample and of the whole run, in one shape for every harness."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Check = Literal["exact", "contains", "regex", "choice"]
"""How an answer is compared with the expected ones; see ``explorer.surveys.judge``."""


@dataclass(frozen=True)
class LoggedSample:
    """One question of a benchmark, with what was expected and what the model said.

    Attributes:
        id: unique in the log; with several epochs, ``<id>#<epoch>``.
        prompt, system, raw: what the model was asked (see ``Prompt``); raw: the model read the text as it stands,
            because a chat template stands in it already or none was used.
        said: the model's answer; None where the log has none.
        expected: the accepted answers (for ``regex`` the patterns); empty where the log has none.
        check: how an answer is compared with the expected ones; None: the log doesn't say, try ``contains``.
        choices: the answers to choose from, of a multiple-choice question; ``said`` and ``expected`` are among them.
        failed: what the log says under its metric; None: nothing.
        score: the metric's value; None where it is no number.
        category: task, subject or tag that the sample belongs to; empty where the log has none.
        where: file and line, or member, for a sentence to people.
    """

    id: str
    prompt: str
    system: str | None = None
    raw: bool = False
    said: str | None = None
    expected: tuple[str, ...] = ()
    check: Check | None = None
    choices: tuple[str, ...] = ()
    failed: bool | None = None
    score: float | None = None
    category: str = ""
    where: str = ""


@dataclass(frozen=True)
class Log:
    """An evaluation log that was recognised.

    Attributes:
        harness: name for people, e.g. ``lm-evaluation-harness``; version: of the harness, empty if unknown.
        task, model, metric: as the log names them; empty where it does not.
        read: reads the samples in the log's order, one at a time, so that a large log never lies in memory; raises
            ExplorerError at a broken place.
        problems: what was left out or chosen, in sentences for people (e.g. which filter was taken).
        total, failed, undecided: number of samples; of those that failed; of those of which the log says neither.
    """

    path: Path
    harness: str
    read: Callable[[], Iterator[LoggedSample]] = field(repr=False)
    version: str = ""
    task: str = ""
    model: str = ""
    metric: str = ""
    problems: tuple[str, ...] = ()
    total: int = 0
    failed: int = 0
    undecided: int = 0

    def samples(self) -> Iterator[LoggedSample]:
        """Read the samples from the start."""
        return self.read()


@dataclass
class Findings:
    """What a reader finds out about a log while it reads the samples; whole after the last one.

    Attributes:
        version, task, model, metric: see ``Log``.
        notes: sentences about the log as a whole.
        counts: sentences with ``{}`` for a number of samples, and that number.
    """

    version: str = ""
    task: str = ""
    model: str = ""
    metric: str = ""
    notes: dict[str, None] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def note(self, sentence: str) -> None:
        """Add a sentence, once."""
        self.notes[sentence] = None

    def count(self, sentence: str) -> None:
        """Count a sample under a sentence such as ``{} without an answer``."""
        self.counts[sentence] += 1


Reader = Callable[[Path, Findings], Iterator[LoggedSample]]
"""Reads the samples of a harness's log, and tells what it finds."""
