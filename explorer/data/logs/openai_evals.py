"""Records of OpenAI evals: JSON lines with the run's spec first, then events, joined by their sample's id.

Read as ``evals/record.py`` of the public repository writes them: ``sampling`` has the prompt, ``match`` whether the
answer was right, ``metrics`` the score where an eval does not match. Threads write, so a sample's events may lie apart.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from explorer.data.logs.rows import rows_of
from explorer.data.logs.sample import Check, Findings, LoggedSample
from explorer.data.logs.values import asked_of, failed_at, fields_of, items_of, name_of, number_of, text_of, texts_of
from explorer.errors import ExplorerError

HARNESS = "OpenAI evals"
_CHECKS: dict[str, Check] = {"Match": "exact", "JsonMatch": "exact", "Includes": "contains", "FuzzyMatch": "contains"}
"""How the public evals compare, by their class; ``Match`` asks whether the answer begins with an expected one."""
_OPEN_SAMPLES = 1_000
"""Samples whose last event has not come: the oldest is given as it is when there are more."""


def recognises(row: Mapping[str, Any]) -> bool:
    """Whether a log's first object is the spec of a run."""
    return "eval_name" in fields_of(row.get("spec"))


def read(path: Path, findings: Findings) -> Iterator[LoggedSample]:
    """Read the samples, each when its verdict comes; those without one at last."""
    waiting: dict[str, dict[str, Any]] = {}
    done: set[int] = set()
    check: Check | None = None
    for where, row in rows_of(path):
        if "spec" in row or "final_report" in row:
            spec = fields_of(row.get("spec"))
            _tell(spec, findings)
            check = check or _check(spec)
            continue
        kind, data, id = name_of(row.get("type")), fields_of(row.get("data")), name_of(row.get("sample_id"))
        if not kind or "data" not in row:
            raise ExplorerError(f"{where}: field 'type' or 'data' is missing; expected an event of OpenAI evals.")
        if not id or hash(id) in done or kind not in ("sampling", "match", "metrics"):
            continue
        events = waiting.setdefault(id, {})
        events.setdefault(kind, data)
        events["where"] = where
        if kind == "sampling" and len(waiting) <= _OPEN_SAMPLES:
            continue
        id = id if kind != "sampling" else next(iter(waiting))
        done.add(hash(id))
        yield from _sample(id, waiting.pop(id), check, findings)
    for id, events in waiting.items():
        yield from _sample(id, events, check, findings)


def _tell(spec: Mapping[str, Any], findings: Findings) -> None:
    models = texts_of(spec.get("completion_fns")) or texts_of(spec.get("model_name"))
    findings.model = findings.model or ", ".join(models)
    findings.task = findings.task or name_of(spec.get("eval_name"))


def _check(spec: Mapping[str, Any]) -> Check | None:
    """How the eval compares, from the class in its spec, ``module:Class``."""
    evaluation = fields_of(fields_of(spec.get("run_config")).get("eval_spec"))
    return _CHECKS.get(name_of(evaluation.get("cls")).rpartition(":")[2])


def _sample(id: str, events: Mapping[str, Any], check: Check | None, findings: Findings) -> Iterator[LoggedSample]:
    sampling, match, metrics = (fields_of(events.get(kind)) for kind in ("sampling", "match", "metrics"))
    prompt = sampling.get("prompt", match.get("prompt"))
    if prompt is None:
        findings.count("{} left out: no event says what was asked")
        return
    asked = asked_of(prompt, findings)
    sampled = match.get("sampled", sampling.get("sampled", match.get("picked")))
    answers = items_of(sampled) or [sampled]
    if len(answers) > 1:
        findings.count("{} with several answers: the first one is taken")
    metric = "correct" if match else next((name for name in ("accuracy", "score") if name in metrics), "")
    score = number_of(match.get("correct") if match else metrics.get(metric))
    findings.metric = findings.metric or ("accuracy" if match else metric)
    yield LoggedSample(
        id=id,
        prompt=asked.prompt,
        system=asked.system,
        said=text_of(answers[0]),
        expected=texts_of(match.get("expected", sampling.get("expected"))),
        check=check,
        failed=failed_at(score),
        score=score,
        category=findings.task,
        where=events["where"],
    )
