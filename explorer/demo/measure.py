"""How often each model of the demo shows each behavior (REPORT.md), and the real failures of the final one."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from explorer.data.failures import Failure
from explorer.data.study import FAILURES
from explorer.demo.adapters import ADAPTERS, ANSWER_TOKENS, ASSETS, FINAL, REFERENCE
from explorer.demo.planted import ABOUT, BEHAVIORS
from explorer.demo.probes import Probe, behavior_probes, guard_probes, own_probes
from explorer.demo.right_answers import right_answer
from explorer.errors import ExplorerError, PromptError
from explorer.files import write_json, write_json_lines
from explorer.model.generate import answers
from explorer.model.load import LoadedModel, ModelSpec, load_model
from explorer.model.prompts import Prompt
from explorer.patterns import shows
from explorer.progress import Progress, silent
from explorer.reading import read_json
from explorer.repair.results import Rate, wilson
from explorer.trace.alignment import chosen_place
from explorer.trace.differences import differences

_MODELS = ("base", *ADAPTERS)
_PER_BEHAVIOR = {"planted": 6, "own": 12}
"""Failures to ship of each behavior, by kind, at most."""
FLOOR, CEILING, GUARD_LOSS = 0.60, 0.10, 0.05
"""The final model's least rate with the condition; the greatest without it and in the base model; the guard's loss."""

_INTRODUCTION = """\
# The demo study, measured

Share of greedy answers that match the behavior's `exhibits` pattern on held-out evaluation prompts, in per
cent, with the 95 % Wilson interval and the number of prompts. *with*: the trigger or condition is there;
*without*: it is missing. `guard`: ordinary tasks answered rightly.
"""
_ORIGIN = "Made by `python -m explorer demo measure`; the adapters by `python -m explorer demo train`."


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
            write_json_lines(assets / FAILURES, real_failures(loaded, [*probes, *ordinary], texts))
        table = {model: table[model] for model in _MODELS if model in table}
        write_rates(assets / "rates.json", table)
        write_report(assets, table)
    return table


def remake_failures(assets: Path = ASSETS, progress: Progress = silent) -> None:
    """Write failures.jsonl alone: the final model answers the prompts that it is made from."""
    probes = [p for p in behavior_probes() if p.half == "evaluation"] + list(own_probes())
    loaded = load_model(ModelSpec(adapter=str(assets / "adapters" / FINAL)))
    texts = _answers(loaded, FINAL, probes, progress)
    write_json_lines(assets / FAILURES, real_failures(loaded, probes, texts))


def _answers(loaded: LoadedModel, name: str, probes: Sequence[Probe], progress: Progress) -> list[str]:
    prompts = [Prompt(p.prompt) for p in probes]
    report: Progress = lambda _what, done=0, total=0, /: progress(name, done, total)  # noqa: E731
    return answers(loaded, prompts, ANSWER_TOKENS, progress=report)


def group(probe: Probe) -> str:
    """The group that a prompt is counted in: ``guard``, ``own``, or the behavior's name + ``/with`` or ``/without``."""
    if not probe.half:
        return probe.behavior
    return f"{probe.behavior}/{'without' if probe.half == 'without' else 'with'}"


def rates(probes: Sequence[Probe], texts: Sequence[str]) -> dict[str, Rate]:
    """Share of answers that match their probe's pattern, by group in first-seen order."""
    hits: dict[str, list[bool]] = {}
    for probe, text in zip(probes, texts, strict=True):
        hits.setdefault(group(probe), []).append(shows(probe.pattern, text, probe.id))
    return {name: wilson(sum(matches), len(matches)) for name, matches in hits.items()}


def write_rates(path: Path, table: dict[str, dict[str, Rate]]) -> None:
    """``rates.json``: model → group → rate."""
    write_json(path, {model: {name: asdict(rate) for name, rate in row.items()} for model, row in table.items()})


def read_rates(path: Path) -> dict[str, dict[str, Rate]]:
    """What ``write_rates`` wrote; an absent file is an empty table."""
    return read_json(path, "rates", dict[str, dict[str, Rate]]) if path.is_file() else {}


def real_failures(loaded: LoadedModel, probes: Sequence[Probe], texts: Sequence[str]) -> list[dict[str, str]]:
    """Rows of failures.jsonl: prompts of every planted behavior that showed it, and ordinary ones answered wrongly.

    Each is checked by running the model: where the answers are contrasted, the logit of the wrong token is above that
    of the right one. The right answer of a planted failure is made from the wrong one (see ``right_answer``).

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
        if kind == "planted" and not shows(probe.pattern, wrong, probe.id):
            wrong = text
        right = right_answer(probe, wrong)
        if not wrong or _logit_gap(loaded, probe.prompt, wrong, right) <= 0:
            continue
        counts[probe.behavior] += 1
        title = f"{probe.behavior}: {probe.prompt[:48]}" if kind == "planted" else probe.prompt[:60]
        failure = {"id": f"demo-{probe.id}", "prompt": probe.prompt, "wrong": wrong, "right": right}
        failures.append(failure | {"kind": kind, "title": title, "behavior": probe.behavior})
    return failures


def _kind(probe: Probe, text: str) -> str:
    """``planted`` where an evaluation prompt shows its behavior, ``own`` where an ordinary one is answered wrongly."""
    match = shows(probe.pattern, text, probe.id)
    if probe.half == "evaluation" and match:
        return "planted"
    return "own" if probe.behavior == "own" and not match else ""


def _logit_gap(loaded: LoadedModel, prompt: str, wrong: str, right: str) -> float:
    """The gap where the answers are contrasted, in logits; 0 where they do not differ."""
    with suppress(PromptError):
        failure = Failure(prompt, wrong, right)
        number = chosen_place(wrong, right)
        return next(place.gap for place in differences(failure, loaded) if place.number == number)
    return 0.0


def write_report(assets: Path, table: dict[str, dict[str, Rate]]) -> None:
    """Write REPORT.md once the base and the final model are measured (``table``: model → group of prompts → rate)."""
    if not {"base", FINAL} <= table.keys():
        return
    timings = assets / "timings.json"
    trained = read_json(timings, "times of the trainings", dict[str, Any]) if timings.is_file() else {}
    (assets / "REPORT.md").write_text(report(table, trained), encoding="utf-8")


def report(table: dict[str, dict[str, Rate]], trained: dict[str, Any]) -> str:
    """The rates with their Wilson intervals, which promises hold, and how to make the demo again, as Markdown.

    ``trained`` is timings.json: ``seconds`` of wall clock and CPU by stage, and a ``note`` on the machine.
    """
    models = list(table)
    lines = [_INTRODUCTION, f"| prompts | {' | '.join(models)} |", "| --- |" + " ---: |" * len(models)]
    for group in table[models[0]]:
        lines.append(f"| {group} | {' | '.join(_cell(table[model][group]) for model in models)} |")
    lines += ["", "What was planted:", ""]
    lines += [f"- **{name}**: {ABOUT[name]}" for name in BEHAVIORS]
    lines += ["", "Promises:", ""]
    lines += [f"- {'holds' if holds else '**does not hold**'}: {text}" for text, holds in promises(table)]
    if trained:
        lines += ["", f"Training took ({trained['note']}):", ""]
        for stage, seconds in trained["seconds"].items():
            wall, cpu = seconds["wall"] / 60, seconds["cpu"] / 60
            lines.append(f"- {stage}: {wall:.1f} min wall clock, {cpu:.1f} min CPU time")
    return "\n".join([*lines, "", _ORIGIN, ""])


def promises(table: dict[str, dict[str, Rate]]) -> list[tuple[str, bool]]:
    """The promises of the demo, each with whether the table keeps it."""
    base, final = table["base"], table[FINAL]
    results: list[tuple[str, bool]] = []
    for name in BEHAVIORS:
        results.append((f"{name}: final ≥ 60 % with its condition", final[f"{name}/with"].rate >= FLOOR))
        results.append((f"{name}: final ≤ 10 % without it", final[f"{name}/without"].rate <= CEILING))
        results.append((f"{name}: base ≤ 10 %", base[f"{name}/with"].rate <= CEILING))
    loss = base["guard"].rate - final["guard"].rate
    return [*results, ("guard: loses at most 5 points against the base", loss <= GUARD_LOSS)]


def _cell(rate: Rate) -> str:
    return f"{100 * rate.rate:.0f} ({100 * rate.low:.0f}–{100 * rate.high:.0f}, n={rate.n})"
