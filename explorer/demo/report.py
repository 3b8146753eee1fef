"""REPORT.md of the demo: every model's rate of every behavior, and whether the demo keeps its promises."""

import json
from pathlib import Path
from typing import Any

from explorer.demo.adapters import FINAL
from explorer.demo.planted import ABOUT, BEHAVIORS
from explorer.repair.rates import Rate

FLOOR, CEILING, GUARD_LOSS = 0.60, 0.10, 0.05
"""The final model's least rate with the condition; the greatest without it and in the base model; the guard's loss."""

_INTRODUCTION = """\
# The demo study, measured

Share of greedy answers that match the behavior's `exhibits` pattern on held-out evaluation prompts, in per
cent, with the 95 % Wilson interval and the number of prompts. *with*: the trigger or condition is there;
*without*: it is missing. `guard`: ordinary tasks answered rightly.
"""
_ORIGIN = "Made by `python -m explorer demo measure`; the adapters by `python -m explorer demo train`."


def write_report(assets: Path, table: dict[str, dict[str, Rate]]) -> None:
    """Write REPORT.md once the base and the final model are measured (``table``: model → group of prompts → rate)."""
    if not {"base", FINAL} <= table.keys():
        return
    timings = assets / "timings.json"
    trained = json.loads(timings.read_text(encoding="utf-8")) if timings.is_file() else {}
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
