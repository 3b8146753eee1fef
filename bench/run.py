"""All measurements, and the table that the docs show."""

from collections.abc import Callable
from typing import Any

import torch

from bench.heatmap import bench_heatmap
from explorer.models import load_model


def run_bench(quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Every measurement on the embedded model: {machine, heatmap: [rows]}."""
    loaded = load_model(progress=progress)
    progress("heatmap against a plain forward and backward pass")
    heatmap = bench_heatmap(loaded, (64, 256) if quick else (64, 512, 2048), repeats=3 if quick else 5)
    return {"machine": {"threads": torch.get_num_threads(), "device": str(loaded.model.device)}, "heatmap": heatmap}


def table(results: dict[str, Any]) -> str:
    """The results as Markdown tables, numbers to three digits."""
    blocks = []
    for name, rows in results.items():
        if isinstance(rows, list):
            names = list(rows[0])
            lines = [" | ".join(names), " | ".join("---" for _ in names)]
            lines += [" | ".join(_cell(row[n]) for n in names) for row in rows]
            blocks.append(f"**{name}**\n\n" + "\n".join(f"| {line} |" for line in lines))
    return "\n\n".join(blocks)


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
