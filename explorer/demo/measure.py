"""How often each model shows each behavior: Wilson intervals of its greedy answers, and the report that is shipped."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from explorer.demo.behaviors import Probe
from explorer.model.generate import answers
from explorer.model.load import LoadedModel
from explorer.model.prompts import Prompt
from explorer.progress import Progress, silent
from explorer.repair.rates import Rate, wilson


def group(probe: Probe) -> str:
    """Where a prompt is counted: ``guard``, ``own``, or the behavior's name and ``/with`` or ``/without``."""
    if not probe.half:
        return probe.behavior
    return f"{probe.behavior}/{'without' if probe.half == 'without' else 'with'}"


def measure(loaded: LoadedModel, probes: Sequence[Probe], progress: Progress = silent) -> dict[str, Rate]:
    """Share of matching answers by group, and the answers' own groups in first-seen order."""
    made = answers(loaded, [Prompt(p.prompt) for p in probes], progress=progress)
    return rates(probes, made)


def rates(probes: Sequence[Probe], made: Sequence[str]) -> dict[str, Rate]:
    """``measure`` for answers that are there already."""
    hits: dict[str, list[bool]] = {}
    for probe, answer in zip(probes, made, strict=True):
        hits.setdefault(group(probe), []).append(bool(re.search(probe.pattern, answer)))
    return {name: wilson(sum(found), len(found)) for name, found in hits.items()}


def write_rates(path: Path, table: dict[str, dict[str, Rate]]) -> None:
    """``rates.json``: model → group → rate."""
    plain = {model: {name: asdict(rate) for name, rate in row.items()} for model, row in table.items()}
    path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def read_rates(path: Path) -> dict[str, dict[str, Rate]]:
    """What ``write_rates`` wrote; an absent file is an empty table."""
    plain = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {model: {name: Rate(**rate) for name, rate in row.items()} for model, row in plain.items()}
