"""Logs of Inspect: ``.eval``, a zip with members for each sample, and ``.json``, the same in one file.

The prompt is what stood before the model's last answer, so with the system message and the template of multiple choice
that the solver put around the sample's input. Long texts may stand under ``attachments``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.data.logs.archive import Archive
from explorer.data.logs.inspect_members import member_fields, samples_of
from explorer.data.logs.json_stream import pieces
from explorer.data.logs.sample import Check, Findings, LoggedSample
from explorer.data.logs.values import (
    Asked,
    asked_of,
    content_of,
    failed_at,
    fields_of,
    is_chat,
    items_of,
    name_of,
    number_of,
    text_of,
    texts_of,
    topic_of,
)
from explorer.errors import ExplorerError
from explorer.reading import open_file

HARNESS = "Inspect"
HEADER, START = "header.json", "_journal/start.json"
_ATTACHMENT = "attachment://"
_CHECKS: dict[str, Check] = {"exact": "exact", "includes": "contains", "match": "contains", "answer": "contains"}
_VALUES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
"""Grades as Inspect counts them: correct, incorrect, partly, no answer."""
_LETTER = re.compile(r"(?i:(answer\s*:\s*))([A-Z])\W*$")
_USED = {"id", "epoch", "input", "choices", "target", "messages", "output"}
_USED |= {"scores", "score", "metadata", "error", "attachments"}


def recognises_zip(names: tuple[str, ...]) -> bool:
    """Whether a zip's members are those of a log; a run that was killed has no header yet."""
    return HEADER in names or START in names


def recognises(opening: Mapping[str, Any]) -> bool:
    """Whether the first fields of a JSON file are those of a log."""
    return {"version", "eval"} <= opening.keys() and "task" in fields_of(opening["eval"])


def read(path: Path, findings: Findings) -> Iterator[LoggedSample]:
    """Read the samples of a ``.json`` log."""
    header: dict[str, Any] = {}
    run: _Run | None = None
    with open_file(path, "a log of Inspect") as file:
        for keys, place, value in pieces(file, path, lambda keys: keys in ((), ("samples",))):
            if keys != ("samples",):
                header[keys[0] if keys else ""] = value if keys and keys[0] in ("eval", "status") else None
                continue
            if not isinstance(value, dict):
                raise ExplorerError(f"{place}: field 'samples' holds {type(value).__name__}; expected samples.")
            run = run or _Run.of(header, path)
            yield _Sample(value, place, run, findings).read()
    (run or _Run.of(header, path)).tell(findings)


def read_zip(path: Path, findings: Findings) -> Iterator[LoggedSample]:
    """Read the samples of an ``.eval`` log."""
    with Archive(path) as archive:
        if HEADER not in archive.names:
            findings.note("The run did not end: the log has the samples up to then.")
        name = HEADER if HEADER in archive.names else START
        run = _Run.of(dict(member_fields(archive, name, {"eval", "status"})), path)
        run.tell(findings)
        for member, fields in samples_of(archive, _USED):
            yield _Sample(fields, f"{path}, member {member}", run, findings).read()


@dataclass(frozen=True)
class _Run:
    """What a log says of the whole run."""

    task: str
    model: str
    version: str
    status: str
    scorers: tuple[str, ...]
    options: Mapping[str, Any]
    epochs: bool

    @classmethod
    def of(cls, header: Mapping[str, Any], path: Path) -> "_Run":
        about = fields_of(header.get("eval"))
        if not name_of(about.get("task")):
            raise ExplorerError(f"{path}: field 'eval.task' is missing; expected a log of Inspect, version 2.")
        scorers = [fields_of(scorer) for scorer in items_of(about.get("scorers"))]
        epochs = number_of(fields_of(about.get("config")).get("epochs")) or 1
        return cls(
            task=name_of(about.get("task")),
            model=name_of(about.get("model")),
            version=name_of(fields_of(about.get("packages")).get("inspect_ai")),
            status=name_of(header.get("status")),
            scorers=tuple(name_of(scorer.get("name")) for scorer in scorers),
            options={name_of(scorer.get("name")): fields_of(scorer.get("options")) for scorer in scorers},
            epochs=epochs > 1,
        )

    def tell(self, findings: Findings) -> None:
        findings.task, findings.model, findings.version = self.task, self.model, self.version
        if self.status not in ("", "success"):
            findings.note(f"The run ended with status '{self.status[:40]}'.")


@dataclass
class _Sample:
    """Reads one sample's object."""

    row: Mapping[str, Any]
    where: str
    run: _Run
    findings: Findings

    def read(self) -> LoggedSample:
        if "id" not in self.row or "input" not in self.row:
            raise ExplorerError(f"{self.where}: field 'id' or 'input' is missing; expected a sample of Inspect.")
        scorer, value = self.scored()
        score = _number(value)
        said = self.said()
        check = self.check(scorer)
        expected, choices = texts_of(self.row.get("target")), ()
        if check == "choice":
            said, expected, choices, check = self.letters(said, expected)
        prompt, system = self.asked()
        epoch = number_of(self.row.get("epoch")) or 1
        return LoggedSample(
            id=f"{name_of(self.row['id'])}#{epoch:.0f}" if self.run.epochs else name_of(self.row["id"]),
            prompt=prompt,
            system=system,
            said=said,
            expected=tuple(text for text in expected if text),
            check=check,
            choices=choices,
            failed=failed_at(score),
            score=score,
            category=topic_of(fields_of(self.row.get("metadata"))) or self.run.task,
            where=self.where,
        )

    def asked(self) -> Asked:
        """What stood before the last answer; where nothing was asked yet, the input."""
        messages = [fields_of(message) for message in items_of(self.row.get("messages"))]
        answers = [place for place, message in enumerate(messages) if message.get("role") == "assistant"]
        asked = messages[: answers[-1]] if answers else messages
        given = self.row["input"]
        if not asked:
            asked = given if is_chat(given) else [{"role": "user", "content": given}]
        return asked_of([self.attached(message) for message in asked], self.findings)

    def said(self) -> str | None:
        """The model's last answer; None where the sample ended before it."""
        output = fields_of(self.row.get("output"))
        choices = items_of(output.get("choices"))
        if choices:
            return content_of(self.attached(fields_of(fields_of(choices[0]).get("message"))))
        if self.row.get("error"):
            self.findings.count("{} ended with an error")
        return text_of(output.get("completion")) or None

    def attached(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """The message with texts in the place of links to attachments."""
        content = message.get("content")
        if isinstance(content, list):
            parts = [fields_of(part) for part in content]
            content = [{**part, "text": self.text(part.get("text"))} if "text" in part else part for part in parts]
        return {**message, "content": self.text(content)}

    def text(self, value: Any) -> Any:
        if not isinstance(value, str) or not value.startswith(_ATTACHMENT):
            return value
        found = fields_of(self.row.get("attachments")).get(value.removeprefix(_ATTACHMENT))
        if found is None:
            self.findings.count("{} with a text that the log does not have (an attachment is missing)")
        return value if found is None else found

    def scored(self) -> tuple[str, Any]:
        """Name of the first scorer that the log names, and its value."""
        scores = fields_of(self.row.get("scores")) or {"score": self.row.get("score")}
        if not any(map(fields_of, scores.values())):
            return next(iter(self.run.scorers), ""), None
        scorer = next((name for name in self.run.scorers if name in scores), next(iter(scores)))
        if len(scores) > 1:
            others = ", ".join(f"'{name[:40]}'" for name in list(scores)[:5] if name != scorer)
            self.findings.note(f"Scored by several scorers: '{scorer[:40]}' is taken, {others} left out.")
        value = fields_of(scores[scorer]).get("value")
        metric = scorer
        if isinstance(value, dict) and value:
            first = next(iter(value))
            metric, value = f"{scorer}/{first}", value[first]
        self.findings.metric = self.findings.metric or name_of(metric)
        return scorer, value

    def check(self, scorer: str) -> Check | None:
        name = scorer.rpartition("/")[2]
        if name == "choice":
            return "choice"
        if name == "match" and fields_of(self.run.options.get(scorer)).get("location") == "exact":
            return "exact"
        return _CHECKS.get(name)

    def letters(
        self, said: str | None, target: tuple[str, ...]
    ) -> tuple[str | None, tuple[str, ...], tuple[str, ...], Check]:
        """An answer by letter as it was written, "ANSWER: B", with the right one and all choices written likewise."""
        written = _LETTER.search(said or "")
        before = written[1] if written else "ANSWER: "
        choices = tuple(f"{before}{chr(ord('A') + n)}" for n in range(min(len(items_of(self.row.get("choices"))), 26)))
        expected = tuple(f"{before}{letter}" for letter in target)
        if said is not None and said.strip() in choices:
            return said.strip(), expected, choices, "choice"
        return said, expected, (), "contains"


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = _VALUES.get(value, _VALUES.get(value.lower())) if not value[:1].isdigit() else float(value)
        except ValueError:
            return None
    return number_of(value)
