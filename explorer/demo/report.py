"""The measured report of the demo: every model's rate of every behavior, and the real failures of the final one."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from explorer.demo.behaviors import ABOUT, Probe, behavior_probes, guard_probes, own_probes
from explorer.demo.build import ADAPTERS, REFERENCE, Progress
from explorer.demo.measure import rates, read_rates, write_rates
from explorer.demo.planted import BEHAVIORS
from explorer.errors import ExplorerError, PromptError
from explorer.files import write_json_lines
from explorer.model.generate import answers
from explorer.model.load import LoadedModel, ModelSpec, load_model
from explorer.model.prompts import Prompt, encode_prompt
from explorer.repair.rates import Rate
from explorer.trace.contrast import make_contrast

FINAL = ADAPTERS[-1]
FLOOR, CEILING, GUARD_LOSS = 0.60, 0.10, 0.05
"""The final model's least rate with the condition; the greatest without it and in the base model; the guard's loss."""
_PER_BEHAVIOR = 6


def measure_demo(assets: Path, say: Progress, only: Sequence[str] = ()) -> dict[str, dict[str, Rate]]:
    """Measure base and adapters on the evaluation prompts; writes rates.json, failures.jsonl and REPORT.md.

    Every model is loaded as the app loads it (float32 on a CPU) and answers greedily. The files are written after each
    model, the base and the final one first, so that a stopped run leaves what it has.

    Args:
        only: names of the models to measure; the others keep their figures in rates.json.
    """
    probes = [p for p in behavior_probes() if p.half != "query"] + list(guard_probes())
    names = ("base", *ADAPTERS)
    table = read_rates(assets / "rates.json") if only else {}
    for name in sorted(only or names, key=lambda name: (name not in ("base", FINAL), name != REFERENCE)):
        if name not in names:
            raise ExplorerError(f"There is no model '{name}' in the demo; expected one of {', '.join(names)}.")
        adapter = None if name == "base" else str(assets / "adapters" / name)
        loaded = load_model(ModelSpec(adapter=adapter))
        asked = [Prompt(p.prompt) for p in probes]
        made = answers(loaded, asked, progress=lambda _, i=0, n=0, m=name: say(f"{m}: {i}/{n} prompts"))
        table[name] = rates(probes, made)
        if name == FINAL:
            say(f"{name}: looking for its own mistakes")
            own = list(own_probes())
            made += answers(loaded, [Prompt(p.prompt) for p in own])
            write_json_lines(assets / "failures.jsonl", real_failures(loaded, [*probes, *own], made))
        table = {known: table[known] for known in names if known in table}
        write_rates(assets / "rates.json", table)
        _write_report(assets, table)
    return table


def _write_report(assets: Path, table: dict[str, dict[str, Rate]]) -> None:
    if not {"base", FINAL} <= table.keys():
        return
    timings = assets / "timings.json"
    trained = json.loads(timings.read_text(encoding="utf-8")) if timings.is_file() else {}
    (assets / "REPORT.md").write_text(report(table, trained), encoding="utf-8")


def real_failures(loaded: LoadedModel, probes: Sequence[Probe], made: Sequence[str]) -> list[dict[str, str]]:
    """What the model really got wrong: some prompts of every planted behavior that showed it, then all others.

    Each is checked by running the model: at the first token that differs, its logit for the wrong answer is above the
    one for the right answer.
    """
    found: list[dict[str, str]] = []
    kept: dict[str, int] = {}
    for probe, answer in zip(probes, made, strict=True):
        planted = probe.half == "evaluation" and re.search(probe.pattern, answer)
        own = probe.behavior == "own" and not re.search(probe.pattern, answer)
        limit = _PER_BEHAVIOR if planted else 2 * _PER_BEHAVIOR
        if not (planted or own) or kept.get(probe.behavior, 0) >= limit:
            continue
        wrong = answer.split("\n")[0].strip() or answer
        if planted and not re.search(probe.pattern, wrong):
            wrong = answer
        if not wrong or _gap(loaded, probe.prompt, wrong, probe.good) <= 0:
            continue
        kept[probe.behavior] = kept.get(probe.behavior, 0) + 1
        kind = "planted" if planted else "own"
        title = f"{probe.behavior}: {probe.prompt[:48]}" if planted else probe.prompt[:60]
        found.append({"id": f"demo-{probe.id}", "prompt": probe.prompt, "wrong": wrong, "right": probe.good,
                      "kind": kind, "title": title, "behavior": probe.behavior})  # fmt: skip
    return found


def _gap(loaded: LoadedModel, prompt: str, wrong: str, right: str) -> float:
    """Logit of the wrong answer's first differing token minus the right one's; 0 where they do not differ."""
    try:
        contrast = make_contrast(loaded, encode_prompt(loaded, Prompt(prompt)), wrong, right)
    except PromptError:
        return 0.0
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([contrast.ids], device=loaded.model.device)).logits[0, -1].float()
    return float(logits[contrast.target] - logits[contrast.foil])


def verdicts(table: dict[str, dict[str, Rate]]) -> list[tuple[str, bool]]:
    """The promises of the demo, each with whether the table keeps it."""
    base, final = table["base"], table[FINAL]
    said: list[tuple[str, bool]] = []
    for name in BEHAVIORS:
        said.append((f"{name}: final ≥ 60 % with its condition", final[f"{name}/with"].rate >= FLOOR))
        said.append((f"{name}: final ≤ 10 % without it", final[f"{name}/without"].rate <= CEILING))
        said.append((f"{name}: base ≤ 10 %", base[f"{name}/with"].rate <= CEILING))
    lost = base["guard"].rate - final["guard"].rate
    return [*said, ("guard: loses at most 5 points against the base", lost <= GUARD_LOSS)]


def report(table: dict[str, dict[str, Rate]], trained: dict[str, Any]) -> str:
    """REPORT.md: the rates with their Wilson intervals, which promises hold, and how to make it again.

    ``trained`` is timings.json: ``seconds`` of wall clock and CPU by stage, and a ``note`` on the machine.
    """
    models = list(table)
    groups = list(table[models[0]])
    lines = [
        "# The demo study, measured",
        "",
        "Share of greedy answers that match the behavior's `exhibits` pattern on held-out evaluation prompts, in per",
        "cent, with the 95 % Wilson interval and the number of prompts. *with*: the trigger or condition is there;",
        "*without*: it is missing. `guard`: ordinary tasks answered rightly.",
        "",
        "| prompts | " + " | ".join(models) + " |",
        "| --- |" + " ---: |" * len(models),
    ]
    lines += [f"| {group} | " + " | ".join(_cell(table[m][group]) for m in models) + " |" for group in groups]
    lines += ["", "What was planted:", ""]
    lines += [f"- **{name}**: {ABOUT[name]}" for name in BEHAVIORS]
    lines += ["", "Promises:", ""]
    lines += [f"- {'holds' if kept else '**does not hold**'}: {text}" for text, kept in verdicts(table)]
    if trained:
        lines += ["", f"Training took ({trained['note']}):", ""]
        lines += [f"- {s}: {t['wall'] / 60:.1f} min wall clock, {t['cpu'] / 60:.1f} min CPU time"
                  for s, t in trained["seconds"].items()]  # fmt: skip
    lines += ["", "Made by `python -m explorer demo measure`; the adapters by `python -m explorer demo train`.", ""]
    return "\n".join(lines)


def _cell(rate: Rate) -> str:
    return f"{100 * rate.rate:.0f} ({100 * rate.low:.0f}–{100 * rate.high:.0f}, n={rate.n})"
