"""What all edges of all layers cost: against a heatmap, against packed multi-target back-propagation, in memory."""

import subprocess
import sys
from typing import Any

from bench.heatmap import prompt_ids
from bench.timing import medians
from explorer.graph.edges import edge_matrix
from explorer.graph.replay import skip_edges
from explorer.model.load import LoadedModel
from explorer.trace.trace import Trace, logit_gap, trace_ids, trace_objective

_MEMORY = """
import re, sys
from pathlib import Path
from bench.graph import traced
from explorer.graph.collect import collect_edges
from explorer.model.load import load_model
loaded = load_model()
pairs = collect_edges(loaded.view("attnlrp"), traced(loaded, int(sys.argv[1])))
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())  # ru_maxrss starts at the parent's
print(len(pairs), int(peak[1]) / 1024**2)
"""


def traced(loaded: LoadedModel, length: int) -> Trace:
    """Return a recorded AttnLRP trace of ``length`` tokens of running text."""
    return trace_ids(loaded.view("attnlrp"), prompt_ids(loaded, length), 10, 20, record=True)


def bench_edges(loaded: LoadedModel, lengths: tuple[int, ...], repeats: int) -> list[dict[str, Any]]:
    """Time all dense edges of all layers against one heatmap (goal at 1,024 tokens: at most 2 ×)."""
    view, depth = loaded.view("attnlrp"), loaded.n_layers

    def row(length: int) -> dict[str, Any]:
        ids, trace = prompt_ids(loaded, length), traced(loaded, length)

        def edges() -> None:
            for layer in range(depth):
                edge_matrix(view, trace, layer)

        works = {"heatmap": lambda: trace_objective(view, ids, logit_gap(10, 20)), "edges": edges}
        seconds = medians(works, repeats)
        return {
            "tokens": length,
            "edges": length * (length + 1) // 2 * depth,
            "seconds": seconds["edges"],
            "heatmap_seconds": seconds["heatmap"],
            "ratio": seconds["edges"] / seconds["heatmap"],
            "goal": 2.0 if length == 1024 else None,
        }

    return [row(length) for length in lengths]


def bench_against_packed(loaded: LoadedModel, lengths: tuple[int, ...], batch: int = 32) -> list[dict[str, Any]]:
    """Time the same edges by one back-propagation a target, ``batch`` packed (goal at 512 tokens: 100 × slower).

    Both are timed on one block, the middle one. Up to 512 tokens every target is run; beyond, four packs of targets
    spread evenly over the prompt, times the number of packs (``packs_timed`` of ``packs``).
    """
    view, layer = loaded.view("attnlrp"), loaded.n_layers // 2

    def row(length: int) -> dict[str, Any]:
        trace = traced(loaded, length)
        packs = [list(range(start, min(start + batch, length))) for start in range(0, length, batch)]
        timed = packs if length <= 512 else [packs[(2 * part + 1) * len(packs) // 8] for part in range(4)]
        targets = [target for pack in timed for target in pack]
        ours = medians({"": lambda: edge_matrix(view, trace, layer)}, 3)[""]
        packed = medians({"": lambda: skip_edges(view, trace, layer, layer + 1, targets, batch)}, 0)[""]
        packed *= len(packs) / len(timed)
        return {
            "tokens": length,
            "packed_seconds": packed,
            "seconds": ours,
            "times_faster": packed / ours,
            "packs_timed": len(timed),
            "packs": len(packs),
            "goal": 100 if length == 512 else None,
        }

    return [row(length) for length in lengths]


def bench_memory(lengths: tuple[int, ...]) -> list[dict[str, Any]]:
    """Measure the peak memory (Linux) of a process that loads the model, traces a prompt and builds its graph.

    The goal at 8,192 tokens: 8 GB.
    """
    rows = []
    for length in lengths:
        command = [sys.executable, "-c", _MEMORY, str(length)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows.append({"tokens": length, "peak_gb": float(output.split()[-1]), "goal": 8.0 if length == 8192 else None})
    return rows
