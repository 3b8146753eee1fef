"""Logs of lm-evaluation-harness: ``samples_*.jsonl``, and the array of objects that releases up to 0.4.2 wrote.

A question stands there once for each filter, and what was asked as the model read it. A task of choices has one request
for each choice, whose answer is the continuation's log-likelihood; the right choice is named by its index, its text or
its letter.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from explorer.data.logs.rows import Row, rows_of
from explorer.data.logs.sample import Check, Findings, LoggedSample
from explorer.data.logs.values import (
    asked_of,
    chat_in,
    failed_at,
    fields_of,
    items_of,
    name_of,
    number_of,
    text_of,
    texts_of,
    topic_of,
)
from explorer.errors import ExplorerError
from explorer.reading import read_json

HARNESS = "lm-evaluation-harness"
_METRICS = ("exact_match", "acc", "acc_norm", "em", "f1")
"""Metrics that say right or wrong; the log's own order counts, which those up to 0.4.2 do not have."""
_UNCOMPARED = ("prompt_level_", "inst_level_", "pass@", "pass_at_")
"""Beginnings of metrics that do not compare the answer with the target: instructions followed, code run."""
_SOLUTION = "####"
"""Stands before the answer at the end of a worked solution, as in GSM8K."""
_NAME = re.compile(r"samples_(.+)_\d{4}-\d{2}-\d{2}T[\d.-]+")
"""The task and the time in a log's name."""
_MOST_FILTERS, _MOST_RESULTS = 20, 1_000
_MOST_CHARS = 20_000
"""Of a target that may be a Python list."""


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether a log's first object is a sample of this harness."""
    return "doc_id" in row and "arguments" in row and ("resps" in row or "filtered_resps" in row)


def read(path: Path, findings: Findings) -> Iterator[LoggedSample]:
    """Read the samples under the log's first filter."""
    _read_results(path, findings)
    filters = _Filters()
    for where, row in rows_of(path):
        if not recognises(row):
            raise ExplorerError(f"{where}: field 'doc_id', 'arguments' or 'resps' is missing; expected a sample.")
        sample = _Sample(row, where, findings)
        if filters.takes(sample) and (read := sample.read()):
            yield read
    filters.tell(findings)


class _Filters:
    """Which of the rows of one question counts: the one under the filter that the log begins with."""

    def __init__(self) -> None:
        self._others: dict[str, None] = {}
        self._first: str | None = None
        self._unnamed: set[int] = set()
        self._repeated = False

    def takes(self, sample: "_Sample") -> bool:
        if "filter" not in sample.row:  # up to 0.4.2: a question stands there again, under no filter's name
            question = hash((name_of(sample.row["doc_id"]), repr(sample.requests()[0][0])))
            again = question in self._unnamed
            self._unnamed.add(question)
            self._repeated |= again
            return not again
        name = name_of(sample.row["filter"])
        self._first = name if self._first is None else self._first
        if name != self._first:
            self._others[name[:40]] = None
            if len(self._others) > _MOST_FILTERS:
                raise ExplorerError(f"{sample.where}: more than {_MOST_FILTERS} filters up to here; expected fewer.")
        return name == self._first

    def tell(self, findings: Findings) -> None:
        if self._others:
            others = ", ".join(f"'{name}'" for name in self._others)
            findings.note(f"Scored under several filters: '{(self._first or '')[:40]}' is taken, {others} left out.")
        if self._repeated:
            findings.note("Scored under several filters, which the log does not name: the first is taken.")


# --- the file of results beside the samples -----------------------------------------------------------------------


def _read_results(path: Path, findings: Findings) -> None:
    """Take task, model and version from the ``results*.json`` of the same time, else the only one beside the log.

    Without one, the task is what the log's own name says.
    """
    if named := _NAME.fullmatch(path.stem):
        findings.task = named[1]
    stem = path.stem.removeprefix("samples_")
    beside = sorted(path.parent.glob("results*.json"))[:_MOST_RESULTS]
    same = [file for file in beside if stem.endswith(file.stem.removeprefix("results") or "/")] or beside
    if len(same) != 1:
        return
    try:
        results = read_json(same[0], "results of lm-evaluation-harness", dict[str, Any])
    except ExplorerError as error:
        findings.note(f"The results beside the log were not read: {error}")
        return
    named = [task for task in fields_of(results.get("configs")) if f"_{task}_" in f"_{stem}_"]
    if named:
        findings.task = name_of(max(named, key=len))
        findings.version = name_of(results.get("lm_eval_version"))
        config = fields_of(results.get("config"))
        findings.model = name_of(results.get("model_name")) or _pretrained(config.get("model_args"))


def _pretrained(arguments: Any) -> str:
    """The model of ``pretrained=…,dtype=…`` or of an object with that field."""
    pairs = [part.partition("=") for part in arguments.split(",")] if isinstance(arguments, str) else []
    given = {key.strip(): value for key, _, value in pairs} or fields_of(arguments)
    return name_of(given.get("pretrained") or given.get("model"))


# --- one sample ---------------------------------------------------------------------------------------------------


@dataclass
class _Sample:
    """Reads one object of the log."""

    row: Row
    where: str
    findings: Findings

    def read(self) -> LoggedSample | None:
        """The sample; None, counted, where it asks nothing."""
        requests = self.requests()
        if any(len(request) < 2 for request in requests):
            self.findings.count("{} left out: a text whose likelihood was measured, without a question")
            return None
        choices = tuple(text_of(request[1]) or "" for request in requests)
        choice = len(requests) > 1 and all(isinstance(request[1], str) for request in requests)
        if choice and len({text_of(request[0]) for request in requests}) > 1:
            self.findings.count("{} left out: the choices are different prompts, not different answers")
            return None
        score = self.score()
        if choice:
            said, expected, check = self.chosen(choices, failed_at(score))
        elif isinstance(requests[0][1], str):
            said, expected, check = None, choices[:1], "exact"  # one continuation, whose likelihood was measured
            choices = ()
        else:
            (said, expected, check), choices = self.generated(), ()
        prompt, system, raw = self.asked(requests[0][0])
        return LoggedSample(
            id=name_of(self.row["doc_id"]) or self.where.rpartition(" ")[2],
            prompt=prompt,
            system=system,
            raw=raw,
            said=said,
            expected=expected,
            check=check,
            choices=choices if choice else (),
            failed=failed_at(score),
            score=score,
            category=topic_of(fields_of(self.row.get("doc"))) or self.findings.task,
            where=self.where,
        )

    def requests(self) -> list[Sequence[Any]]:
        """What was sent: [[context, continuation or settings], …]; later releases write objects for the lists."""
        given = self.row["arguments"]
        requests = list(given.values()) if isinstance(given, dict) else items_of(given)
        lists = [list(request.values()) if isinstance(request, dict) else items_of(request) for request in requests]
        if not lists or not all(lists) or not all(isinstance(request[0], str | list) for request in lists):
            raise ExplorerError(f"{self.where}: field 'arguments' is not what was asked; expected lists of texts.")
        if len(lists) % 2 == 0 and "acc_mutual_info" in items_of(self.row.get("metrics")):
            lists = lists[: len(lists) // 2]  # the second half asks for the choices without a prompt
        return lists

    def score(self) -> float | None:
        """The value of the log's metric: the first that says right or wrong, else the first."""
        listed = [name_of(name) for name in items_of(self.row.get("metrics"))] or [*_METRICS]
        names = [name for name in listed if name in self.row]
        metric = next((name for name in names if name in _METRICS), next(iter(names), ""))
        self.findings.metric = self.findings.metric or metric
        return number_of(self.row.get(metric))

    def asked(self, context: Any) -> tuple[str, str | None, bool]:
        """Prompt, system prompt, and whether the model read the text as it stands."""
        if isinstance(context, list) and len(context) == 1 and isinstance(context[0], str):
            context = context[0]  # as a chat for a server is logged: JSON text in a list
        chat = chat_in(context) if isinstance(context, str) else context
        asked = asked_of(chat, self.findings)
        return asked.prompt, asked.system, isinstance(chat, str)

    def generated(self) -> tuple[str | None, tuple[str, ...], Check]:
        """The answer before the filter, the accepted ones, and whether they were compared as a whole."""
        responses = items_of(self.row.get("resps"))
        repeats = items_of(responses[0]) if responses and isinstance(responses[0], list) else responses
        if len(repeats) > 1:
            self.findings.count("{} with several answers: the first one is taken")
        said = text_of(repeats[0]) if repeats else None
        filtered = texts_of(self.row.get("filtered_resps"))
        targets = () if self.findings.metric.startswith(_UNCOMPARED) else self.targets()
        expected = tuple(text.rpartition(_SOLUTION)[2].strip() or text for text in targets)
        whole = said is not None and filtered[:1] == (said,)
        return said, expected, "exact" if whole else "contains"

    def chosen(self, choices: tuple[str, ...], failed: bool | None) -> tuple[str | None, tuple[str, ...], Check]:
        """The most likely choice, and the right ones: of the ways to read the target, one that fits the score."""
        likelihoods = [_likelihood(response) for response in self.responses()]
        best = None
        if len(likelihoods) >= len(choices) and None not in likelihoods[: len(choices)]:
            known = [value for value in likelihoods[: len(choices)] if value is not None]
            best = self.best(known, choices)
        readings = [reading for reading in _gold(self.row.get("target"), choices) if reading]
        fitting = [gold for gold in readings if failed is None or best is None or (best in gold) is not failed]
        gold = next(iter(fitting or readings), ())
        return None if best is None else choices[best], tuple(choices[index] for index in gold), "choice"

    def best(self, likelihoods: list[float], choices: tuple[str, ...]) -> int:
        """Place of the choice that the metric calls chosen; ``acc_norm`` divides by the choice's length,
        which is taken without the blank before it."""
        if self.findings.metric == "acc_norm":
            likelihoods = [value / max(len(text.lstrip()), 1) for value, text in zip(likelihoods, choices, strict=True)]
        return likelihoods.index(max(likelihoods))

    def responses(self) -> Sequence[Any]:
        return items_of(self.row.get("filtered_resps")) or items_of(self.row.get("resps"))

    def targets(self) -> tuple[str, ...]:
        """The accepted answers; several stand as a Python list in a text."""
        target = self.row.get("target")
        listed = _python_list(target)
        return texts_of(listed if listed and all(isinstance(item, str) for item in listed) else target)


def _python_list(text: Any) -> list[Any] | None:
    if not isinstance(text, str) or not text.startswith("[") or len(text) > _MOST_CHARS:
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, list) else None


def _gold(target: Any, choices: tuple[str, ...]) -> Iterator[tuple[int, ...]]:
    """Ways to read a target as places of choices: as indices, texts, letters."""
    items = _python_list(target) or (target if isinstance(target, list) else [target])
    texts = [(text_of(item) or "").strip() for item in items]
    plain = [choice.strip() for choice in choices]
    yield tuple(int(text) for text in texts if text.isdecimal() and len(text) < 4 and int(text) < len(choices))
    yield tuple(plain.index(text) for text in texts if text in plain)
    letters = [ascii_uppercase.find(text.upper()) for text in texts if len(text) == 1]
    yield tuple(letter for letter in letters if 0 <= letter < len(choices))


def _likelihood(response: Any) -> float | None:
    """The log-likelihood of ``[["-1.5", "False"]]``, ``["-1.5", "False"]`` or ``[-1.5, false]``."""
    while isinstance(response, list) and response:
        response = response[0]
    if isinstance(response, str):
        try:
            response = float(response)
        except ValueError:
            return None
    return None if isinstance(response, bool) else number_of(response)
