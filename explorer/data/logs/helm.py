"""Run folders of HELM: ``scenario_state.json`` with the requests, ``per_instance_stats.json`` with the scores.

Read as the dataclasses of the public repository say (``RequestState``, ``PerInstanceStats``, ``RunSpec``).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from explorer.data.logs.json_stream import pieces
from explorer.data.logs.sample import Check, Findings, LoggedSample
from explorer.data.logs.values import asked_of, failed_at, fields_of, items_of, name_of, number_of, text_of
from explorer.errors import ExplorerError
from explorer.reading import open_file, read_json

HARNESS = "HELM"
STATE, STATS, SPEC = "scenario_state.json", "per_instance_stats.json", "run_spec.json"
REQUESTS = ("request_states",)
METRICS = (
    "exact_match",
    "quasi_exact_match",
    "prefix_exact_match",
    "quasi_prefix_exact_match",
    "math_equiv",
    "math_equiv_chain_of_thought",
    "final_number_exact_match",
    "chain_of_thought_correctness",
    "ifeval_strict_accuracy",
    "f1_score",
)
"""Metrics of one answer, the first that a run has is its metric."""
_CORRECT = "correct"
_Key = tuple[str, str, str]
"""Instance, trial and perturbation."""


def recognises(opening: Mapping[str, Any]) -> bool:
    """Whether the first fields of a JSON file are those of a run's requests."""
    return "adapter_spec" in opening and "instance" in fields_of(opening.get("request_states"))


def read(path: Path, findings: Findings) -> Iterator[LoggedSample]:
    """Read the samples of a run's folder, or of its ``scenario_state.json``."""
    folder = path if path.is_dir() else path.parent
    state = path / STATE if path.is_dir() else path
    _tell(folder, findings)
    scores = _scores(folder, findings)
    with open_file(state, f"{STATE} of HELM") as file:
        for keys, place, value in pieces(file, state, {(), REQUESTS}.__contains__):
            if keys == ("adapter_spec",):
                about = fields_of(value)
                findings.model = name_of(about.get("model")) or name_of(about.get("model_deployment"))
            elif keys == REQUESTS:
                yield from _sample(fields_of(value), place, scores, findings)


def _tell(folder: Path, findings: Findings) -> None:
    if (folder / SPEC).is_file():
        findings.task = name_of(read_json(folder / SPEC, "a run of HELM", dict[str, Any]).get("name"))


def _scores(folder: Path, findings: Findings) -> dict[_Key, float]:
    """The run's metric of every sample: of ``METRICS`` the first that it has, by instance, trial and perturbation."""
    path, scores, seen = folder / STATS, {}, Counter[str]()
    if not path.is_file():
        findings.note(f"Without {STATS} beside it, the log does not say what failed.")
        return {}
    with open_file(path, f"{STATS} of HELM") as file:
        for keys, _, value in pieces(file, path, lambda keys: not keys):
            row = fields_of(value) if not keys else {}
            for stat in map(fields_of, items_of(row.get("stats"))):
                metric = name_of(fields_of(stat.get("name")).get("name"))
                total, number = number_of(stat.get("sum")), number_of(stat.get("count"))
                if metric in METRICS and total is not None and number:
                    seen[metric] += 1
                    scores.setdefault(_key(row, row), {})[metric] = total / number
    findings.metric = next((metric for metric in METRICS if seen[metric]), "")
    return {key: values[findings.metric] for key, values in scores.items() if findings.metric in values}


def _key(instance: Mapping[str, Any], trial: Mapping[str, Any]) -> _Key:
    id = instance.get("instance_id", instance.get("id"))
    changed = name_of(fields_of(instance.get("perturbation")).get("name"))
    return name_of(id), name_of(trial.get("train_trial_index")) or "0", changed


def _sample(
    row: Mapping[str, Any], where: str, scores: Mapping[_Key, float], findings: Findings
) -> Iterator[LoggedSample]:
    instance, request = fields_of(row.get("instance")), fields_of(row.get("request"))
    if "input" not in instance or "prompt" not in request:
        raise ExplorerError(f"{where}: field 'instance.input' or 'request.prompt' is missing; expected one of HELM.")
    if row.get("reference_index") is not None:
        findings.count("{} left out: a request for one choice alone (multiple_choice_separate)")
        return
    key = _key(instance, row)
    asked = asked_of(request.get("messages") or request["prompt"], findings)
    completions = items_of(fields_of(row.get("result")).get("completions"))
    said = text_of(fields_of(completions[0]).get("text")) if completions else None
    right = _right(instance)
    mapping = {letter: text_of(text) for letter, text in fields_of(row.get("output_mapping")).items()}
    expected, choices, check = right, (), None
    if mapping:
        expected, choices = tuple(letter for letter, text in mapping.items() if text in right), tuple(mapping)
        listed = said is not None and said.strip() in mapping
        check: Check | None = "choice" if listed else "contains"
        said, choices = (said.strip(), choices) if said is not None and listed else (said, ())
    score = scores.get(key)
    id, trial, changed = key
    yield LoggedSample(
        id=id + (f"#{trial}" if trial != "0" else "") + (f"~{changed}" if changed else ""),
        prompt=asked.prompt,
        system=asked.system,
        said=said,
        expected=expected,
        check=check,
        choices=choices,
        failed=failed_at(score),
        score=score,
        category=name_of(instance.get("sub_split")) or findings.task,
        where=where,
    )


def _right(instance: Mapping[str, Any]) -> tuple[str, ...]:
    """Texts of the references that are tagged as correct."""
    references = map(fields_of, items_of(instance.get("references")))
    right = [reference for reference in references if _CORRECT in items_of(reference.get("tags"))]
    outputs = (reference.get("output") for reference in right)  # text itself in the first releases
    texts = (output if isinstance(output, str) else fields_of(output).get("text") for output in outputs)
    return tuple(dict.fromkeys(text for text in map(text_of, texts) if text))
