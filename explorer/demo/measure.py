"""How often each model shows each behavior: greedy answers, Wilson intervals, and the report that is shipped."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path

import torch
from transformers import GenerationConfig

from explorer.demo.behaviors import Probe
from explorer.models import LoadedModel
from explorer.prompts import Prompt, encode_prompt

Progress = Callable[[int, int], None]
MAX_TOKENS = 28


@dataclass(frozen=True)
class Rate:
    """``hits`` of ``n`` answers match; ``low`` and ``high`` bound the 95 % Wilson interval of the rate, 0..1."""

    hits: int
    n: int
    rate: float
    low: float
    high: float


def wilson(hits: int, n: int, z: float = 1.96) -> Rate:
    """The rate with its Wilson interval; n = 0 gives 0 within (0, 1)."""
    if n == 0:
        return Rate(0, 0, 0.0, 0.0, 1.0)
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Rate(hits, n, p, max(0.0, middle - half), min(1.0, middle + half))


def answers(
    loaded: LoadedModel,
    prompts: Sequence[str],
    max_tokens: int = MAX_TOKENS,
    batch: int = 40,
    progress: Progress | None = None,
) -> list[str]:
    """Greedy answers, in the order of the prompts; batched by length, padded on the left."""
    ids = [list(encode_prompt(loaded, Prompt(text)).ids) for text in prompts]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    made = [""] * len(ids)
    for start in range(0, len(order), batch):
        some = order[start : start + batch]
        for i, text in zip(some, _batch(loaded, [ids[i] for i in some], max_tokens), strict=True):
            made[i] = text
        if progress:
            progress(min(start + batch, len(order)), len(order))
    return made


def _batch(loaded: LoadedModel, rows: list[list[int]], max_tokens: int) -> list[str]:
    pad = loaded.tokenizer.pad_token_id
    pad = pad if isinstance(pad, int) else 0
    width = max(map(len, rows))
    device = loaded.model.device
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    ends = loaded.model.generation_config.eos_token_id if loaded.model.generation_config else None
    config = GenerationConfig(
        max_new_tokens=max_tokens,
        do_sample=False,
        eos_token_id=ends if ends is not None else loaded.tokenizer.eos_token_id,
        pad_token_id=pad,
    )
    with torch.inference_mode():
        out = loaded.model.generate(ids, attention_mask=mask, generation_config=config)  # pyright: ignore
    return [text.strip() for text in loaded.tokenizer.batch_decode(out[:, width:], skip_special_tokens=True)]


def group(probe: Probe) -> str:
    """Where a prompt is counted: ``guard``, ``own``, or the behavior's name and ``/with`` or ``/without``."""
    if not probe.half:
        return probe.behavior
    return f"{probe.behavior}/{'without' if probe.half == 'without' else 'with'}"


def measure(loaded: LoadedModel, probes: Sequence[Probe], progress: Progress | None = None) -> dict[str, Rate]:
    """Share of matching answers by group, and the answers' own groups in first-seen order."""
    made = answers(loaded, [p.prompt for p in probes], progress=progress)
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
