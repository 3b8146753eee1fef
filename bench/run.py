"""All measurements, and the table that the docs show."""

from typing import Any

import torch

from bench.clusters import GOAL, bench_clusters
from bench.graph import bench_against_packed, bench_edges, bench_memory
from bench.heatmap import bench_heatmap
from bench.load import bench_load
from bench.vectors import bench_ranking, bench_vectors
from bench.verdict import bench_verdict
from explorer.data.failures import shipped_failures
from explorer.model.load import load_model
from explorer.progress import Progress


def run_bench(quick: bool, progress: Progress) -> dict[str, Any]:
    """Every measurement on the embedded model: {machine, name of the table: [rows]}."""
    loaded = load_model(progress=progress)
    results: dict[str, Any] = {"machine": {"threads": torch.get_num_threads(), "device": str(loaded.model.device)}}
    progress("heatmap against a plain forward and backward pass")
    results["heatmap"] = bench_heatmap(loaded, (64, 256) if quick else (64, 512, 2048), 3 if quick else 5)
    progress("a short trace beside one busy process a core")
    results["load"] = bench_load(loaded, 1 if quick else 3, 3 if quick else 10)
    progress("the verdict on a map against bare passes over the same prompts")
    results["verdict"] = bench_verdict(loaded, shipped_failures()["wrong-bus"], *((0, 10) if quick else (1,)))
    progress("all edges of all layers against one heatmap")
    results["edges"] = bench_edges(loaded, (64, 256) if quick else (64, 256, 1024, 4096), 1 if quick else 3)
    progress("edges against packed multi-target back-propagation")
    results["edges_against_packed"] = bench_against_packed(loaded, (64,) if quick else (64, 256, 512, 1024, 4096))
    progress("vectors of every method against bare passes")
    results["vectors"] = bench_vectors(loaded, 16 if quick else 96, 1 if quick else 3)
    progress("ranking against the bare matrix product")
    results["ranking"] = bench_ranking(20_000 if quick else 1_000_000, 100, 1 if quick else 3)
    progress("clusters of behaviors")
    results["clusters"] = bench_clusters([(30, 500)] if quick else [(1_000, 50_000), (1_000, GOAL)])
    progress("memory")
    results["graph_memory"] = bench_memory((256,) if quick else (2048, 8192))
    return results


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
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def plot(results: dict[str, Any], kind: str) -> bytes:
    """How both ways to compute edges grow with the prompt, per block, as ``svg`` or another of ``FORMATS``."""
    from matplotlib.figure import Figure

    from explorer.figures.save import save_figure

    rows = results["edges_against_packed"]
    tokens = [row["tokens"] for row in rows]
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.loglog(
        tokens, [row["packed_seconds"] for row in rows], "o-", color="#888888", label="packed multi-target, B = 32"
    )
    axes.loglog(tokens, [row["seconds"] for row in rows], "o-", color="#6741d9", label="exact edges, one pass")
    axes.set(xlabel="tokens", ylabel="seconds a block", title="All edges between two neighbouring layers")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False)
    return save_figure(figure, kind)
