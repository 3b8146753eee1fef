"""Run folders of HELM: ``scenario_state.json`` with the requests, ``per_instance_stats.json`` with the scores.

Read as the dataclasses of the public repository say (``RequestState``, ``PerInstanceStats``, ``RunSpec``).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from explorer.data.logs.json_stream import pieces
from explorer.data.logs.sample import Findings, LoggedSample
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
_PREDICTED = "predicted_index"
"""Which choice a model finds likeliest, where each choice is a request of its own."""
_SEPARATE = "multiple_choice_separate"
_CORRECT = "correct"
_Key = tuple[str, str, str]
"""Instance, trial and perturbation."""
_Stats = Mapping[_Key, Mapping[str, float]]
"""Of every sample, what HELM measured, by the name of the metric."""


def recognises(opening: Mapping[str, Any]) -> bool:
    """Whether the first fields of a JSON file are those of a run's requests."""
    return "adapter_spec" in opening and "instance" in fields_of(opening.get("request_states"))


def read(path: Path, findings: Findings) -> Iterator[LoggedSample]:
    """Read the samples of a run's folder, or of its ``scenario_state.json``."""
    folder = path if path.is_dir() else path.parent
    state = path / STATE if path.is_dir() else path
    _tell(folder, findings)
    stats, method = _stats(folder, findings), ""
    with open_file(state, f"{STATE} of HELM") as file:
        for keys, place, value in pieces(file, state, {(), REQUESTS}.__contains__):
            if keys == ("adapter_spec",):
                about = fields_of(value)
                findings.model = name_of(about.get("model")) or name_of(about.get("model_deployment"))
                method = name_of(about.get("method"))
            elif keys == REQUESTS:
                yield from _sample(fields_of(value), place, stats, findings, method)


def _tell(folder: Path, findings: Findings) -> None:
    if (folder / SPEC).is_file():
        findings.task = name_of(read_json(folder / SPEC, "a run of HELM", dict[str, Any]).get("name"))


def _stats(folder: Path, findings: Findings) -> _Stats:
    """Of every sample what is in ``METRICS``; the run's metric is the first of them that it has."""
    path, seen = folder / STATS, set[str]()
    stats: dict[_Key, dict[str, float]] = {}
    if not path.is_file():
        findings.note(f"Without {STATS} beside it, the log does not say what failed.")
        return {}
    with open_file(path, f"{STATS} of HELM") as file:
        for keys, _, value in pieces(file, path, lambda keys: not keys):
            row = fields_of(value) if not keys else {}
            for stat in map(fields_of, items_of(row.get("stats"))):
                metric = name_of(fields_of(stat.get("name")).get("name"))
                total, number = number_of(stat.get("sum")), number_of(stat.get("count"))
                if metric in (*METRICS, _PREDICTED) and total is not None and number:
                    seen.add(metric)
                    stats.setdefault(_key(row, row), {})[metric] = total / number
    findings.metric = next((metric for metric in METRICS if metric in seen), "")
    return stats


def _key(instance: Mapping[str, Any], trial: Mapping[str, Any]) -> _Key:
    id = instance.get("instance_id", instance.get("id"))
    changed = name_of(fields_of(instance.get("perturbation")).get("name"))
    return name_of(id), name_of(trial.get("train_trial_index")) or "0", changed


def _sample(
    row: Mapping[str, Any], where: str, stats: _Stats, findings: Findings, method: str
) -> Iterator[LoggedSample]:
    instance, request = fields_of(row.get("instance")), fields_of(row.get("request"))
    if "input" not in instance or "prompt" not in request:
        raise ExplorerError(f"{where}: field 'instance.input' or 'request.prompt' is missing; expected one of HELM.")
    if row.get("reference_index") is not None and not method.startswith(_SEPARATE):
        findings.count("{} left out: a request about one answer alone (ranking)")
        return
    key = _key(instance, row)
    measured = stats.get(key, {})
    asked = _spoken(row, findings) if row.get("reference_index") is None else _likeliest(row, measured, findings)
    if asked is None:
        return
    score, (id, trial, changed) = measured.get(findings.metric), key
    yield LoggedSample(
        id=id + (f"#{trial}" if trial != "0" else "") + (f"~{changed}" if changed else ""),
        failed=failed_at(score),
        score=score,
        category=name_of(instance.get("sub_split")) or findings.task,
        where=where,
        **asked,
    )


def _spoken(row: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """What was asked, said and expected where the model wrote an answer: a text, or the letter of a choice."""
    request, completions = fields_of(row["request"]), items_of(fields_of(row.get("result")).get("completions"))
    asked = asked_of(request.get("messages") or request["prompt"], findings)
    said = text_of(fields_of(completions[0]).get("text")) if completions else None
    right, mapping = _right(fields_of(row["instance"])), fields_of(row.get("output_mapping"))
    told = {"prompt": asked.prompt, "system": asked.system, "said": said, "expected": right}
    if not mapping:
        return told
    told["expected"] = tuple(letter for letter, text in mapping.items() if text_of(text) in right)
    if said is None or said.strip() not in mapping:
        return told | {"check": "contains"}
    return told | {"said": said.strip(), "choices": tuple(mapping), "check": "choice"}


def _likeliest(row: Mapping[str, Any], measured: Mapping[str, float], findings: Findings) -> dict[str, Any] | None:
    """A question whose choices are requests of their own, from the first of them; None from the others.

    The model read each choice behind the question, as plain text.
    """
    if row.get("reference_index") != 0 or row.get("request_mode") == "calibration":
        return None
    instance, request = fields_of(row["instance"]), text_of(fields_of(row["request"])["prompt"]) or ""
    texts = [_output(reference) for reference in map(fields_of, items_of(instance.get("references")))]
    if not texts or not texts[0] or not request.endswith(texts[0]):
        findings.count("{} left out: the first choice does not end its request")
        return None
    question = request.removesuffix(texts[0])
    space, chosen = question[len(question.rstrip(" ")) :], measured.get(_PREDICTED)
    choices = tuple(space + text for text in texts)
    return {
        "prompt": question.rstrip(" "),
        "raw": True,
        "said": choices[int(chosen)] if chosen is not None and 0 <= chosen < len(choices) else None,
        "expected": tuple(space + text for text in _right(instance)),
        "choices": choices,
        "check": "choice",
    }


def _right(instance: Mapping[str, Any]) -> tuple[str, ...]:
    """Texts of the references that are tagged as correct."""
    references = map(fields_of, items_of(instance.get("references")))
    right = [_output(reference) for reference in references if _CORRECT in items_of(reference.get("tags"))]
    return tuple(dict.fromkeys(filter(None, right)))


def _output(reference: Mapping[str, Any]) -> str:
    """A reference's text; the first releases have it without a field of its own."""
    output = reference.get("output")
    return text_of(output if isinstance(output, str) else fields_of(output).get("text")) or ""
