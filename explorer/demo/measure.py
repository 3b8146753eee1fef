"""How often each model of the demo shows each behavior, and the real failures of the final one."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from explorer.demo.adapters import ADAPTERS, ASSETS, FINAL, REFERENCE
from explorer.demo.probes import Probe, behavior_probes, guard_probes, own_probes
from explorer.demo.report import write_report
from explorer.errors import ExplorerError, PromptError
from explorer.files import write_json, write_json_lines
from explorer.model.generate import answers
from explorer.model.load import LoadedModel, ModelSpec, load_model
from explorer.model.prompts import Prompt, encode_prompt
from explorer.progress import Progress, silent
from explorer.repair.rates import Rate, wilson
from explorer.trace.contrast import make_contrast

_MODELS = ("base", *ADAPTERS)
_PER_BEHAVIOR = {"planted": 6, "own": 12}
"""Failures to ship of each behavior, by kind, at most."""


def measure_demo(
    assets: Path = ASSETS, only: Sequence[str] = (), progress: Progress = silent
) -> dict[str, dict[str, Rate]]:
    """Measure base and adapters on the evaluation prompts; writes rates.json, failures.jsonl and REPORT.md.

    Every model is loaded as the app loads it (float32 on a CPU) and answers greedily. The files are written after each
    model, the base and the final one first, so that a stopped run leaves what it has.

    Args:
        only: names of the models to measure; the others keep their figures in rates.json.
    """
    if unknown := [name for name in only if name not in _MODELS]:
        raise ExplorerError(f"There is no model '{unknown[0]}' in the demo; expected one of {', '.join(_MODELS)}.")
    probes = [p for p in behavior_probes() if p.half != "query"] + list(guard_probes())
    table = read_rates(assets / "rates.json") if only else {}
    for name in sorted(only or _MODELS, key=lambda name: (name not in ("base", FINAL), name != REFERENCE)):
        loaded = load_model(ModelSpec(adapter=None if name == "base" else str(assets / "adapters" / name)))
        texts = _answers(loaded, name, probes, progress)
        table[name] = rates(probes, texts)
        if name == FINAL:
            ordinary = list(own_probes())
            texts += _answers(loaded, f"{name}, ordinary prompts", ordinary, progress)
            write_json_lines(assets / "failures.jsonl", real_failures(loaded, [*probes, *ordinary], texts))
        table = {model: table[model] for model in _MODELS if model in table}
        write_rates(assets / "rates.json", table)
        write_report(assets, table)
    return table


def _answers(loaded: LoadedModel, name: str, probes: Sequence[Probe], progress: Progress) -> list[str]:
    def of_this_model(_what: str, done: float = 0, total: float = 0, /) -> None:
        progress(name, done, total)

    return answers(loaded, [Prompt(p.prompt) for p in probes], progress=of_this_model)


def group(probe: Probe) -> str:
    """The group that a prompt is counted in: ``guard``, ``own``, or the behavior's name + ``/with`` or ``/without``."""
    if not probe.half:
        return probe.behavior
    return f"{probe.behavior}/{'without' if probe.half == 'without' else 'with'}"


def rates(probes: Sequence[Probe], texts: Sequence[str]) -> dict[str, Rate]:
    """Share of answers that match their probe's pattern, by group in first-seen order."""
    hits: dict[str, list[bool]] = {}
    for probe, text in zip(probes, texts, strict=True):
        hits.setdefault(group(probe), []).append(bool(re.search(probe.pattern, text)))
    return {name: wilson(sum(matches), len(matches)) for name, matches in hits.items()}


def write_rates(path: Path, table: dict[str, dict[str, Rate]]) -> None:
    """``rates.json``: model → group → rate."""
    write_json(path, {model: {name: asdict(rate) for name, rate in row.items()} for model, row in table.items()})


def read_rates(path: Path) -> dict[str, dict[str, Rate]]:
    """What ``write_rates`` wrote; an absent file is an empty table."""
    table = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {model: {name: Rate(**rate) for name, rate in row.items()} for model, row in table.items()}


def real_failures(loaded: LoadedModel, probes: Sequence[Probe], texts: Sequence[str]) -> list[dict[str, str]]:
    """Rows of failures.jsonl: prompts of every planted behavior that showed it, and ordinary ones answered wrongly.

    Each is checked by running the model: at the first token that differs, the logit of the wrong answer is above that
    of the right answer.

    Args:
        texts: the model's answers to the probes.
    """
    failures: list[dict[str, str]] = []
    counts: Counter[str] = Counter()
    for probe, text in zip(probes, texts, strict=True):
        kind = _kind(probe, text)
        if not kind or counts[probe.behavior] >= _PER_BEHAVIOR[kind]:
            continue
        wrong = text.split("\n")[0].strip() or text
        if kind == "planted" and not re.search(probe.pattern, wrong):
            wrong = text
        if not wrong or _logit_gap(loaded, probe.prompt, wrong, probe.good) <= 0:
            continue
        counts[probe.behavior] += 1
        title = f"{probe.behavior}: {probe.prompt[:48]}" if kind == "planted" else probe.prompt[:60]
        failure = {"id": f"demo-{probe.id}", "prompt": probe.prompt, "wrong": wrong, "right": probe.good}
        failures.append(failure | {"kind": kind, "title": title, "behavior": probe.behavior})
    return failures


def _kind(probe: Probe, text: str) -> str:
    """``planted`` where an evaluation prompt shows its behavior, ``own`` where an ordinary one is answered wrongly."""
    match = re.search(probe.pattern, text)
    if probe.half == "evaluation" and match:
        return "planted"
    return "own" if probe.behavior == "own" and not match else ""


def _logit_gap(loaded: LoadedModel, prompt: str, wrong: str, right: str) -> float:
    """Logit of the wrong answer's first differing token minus the right one's; 0 where they do not differ."""
    try:
        contrast = make_contrast(loaded, encode_prompt(loaded, Prompt(prompt)), wrong, right)
    except PromptError:
        return 0.0
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([contrast.ids], device=loaded.model.device)).logits[0, -1].float()
    return float(logits[contrast.target] - logits[contrast.foil])
