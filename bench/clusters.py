"""Cost of clustering a large study: seconds of each step and peak memory, on synthetic vectors with groups.

python -m bench.clusters --behaviors 1000 --datapoints 400000 --folder /tmp/clusters
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch

from explorer.behaviors.clusters import find_clusters
from explorer.behaviors.matrix import similarity
from explorer.behaviors.projection import project
from explorer.behaviors.prompts import AnsweredPrompt, PromptSet
from explorer.behaviors.tree import datapoint_tree
from explorer.ranking.scores import Target
from explorer.vectors.index import SINGLE, STATS, Index, Manifest, statistics, write_tensors

PARTS, LAYER, GROUPS, SHARD, GOAL = ("state", "change"), 1, 20, 4096, 400_000


def bench_clusters(sizes: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """Run ``measure`` for each (behaviors, datapoints), each in its own process, which gives its own peak memory.

    The goal at 1,000 × 400,000 on two cores: 600 seconds and 24 GB.
    """
    rows = []
    for behaviors, datapoints in sizes:
        options = ["--behaviors", str(behaviors), "--datapoints", str(datapoints)]
        command = [sys.executable, "-m", "bench.clusters", *options]
        process = subprocess.run(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True)
        row = json.loads(process.stdout)
        goal = {"goal_seconds": 600, "goal_gb": 24} if datapoints == GOAL else {"goal_seconds": None, "goal_gb": None}
        totals = {name: row[name] for name in ("total_seconds", "cpu_seconds")}
        size = {"behaviors": behaviors, "datapoints": datapoints}
        rows.append(size | row["seconds"] | totals | {"peak_gb": row["memory_gb"]} | goal)
    return rows


def measure(behaviors: int, datapoints: int, width: int, folder: Path) -> dict[str, Any]:
    """Seconds by step and peak memory of this process in GB; the index is written to ``folder`` first and left there.

    Similarities and the tree of the prompts are exact; ``reduction`` and ``sampled`` say what is not.
    """
    index, target = _synthetic(behaviors, datapoints, width, folder)
    prompts = PromptSet(tuple(AnsweredPrompt(f"s{i}", "", f"prompt {i}", "now", "then") for i in range(behaviors)))
    seconds: dict[str, float] = {}
    before, began = _peak(), process_time()
    matrix = _timed(seconds, "similarity", lambda: similarity(index, prompts, target, "explorer", LAYER))
    tree = _timed(seconds, "datapoint tree", lambda: datapoint_tree(matrix.values))
    clusters = _timed(seconds, "clusters, nulls and stability", lambda: find_clusters(index, matrix))
    points = _timed(seconds, "map", lambda: project(matrix.values))
    cut = _timed(seconds, "another number of clusters", lambda: clusters.cut(12))
    return {
        "behaviors": behaviors,
        "datapoints": datapoints,
        "width": width * len(PARTS),
        "threads": torch.get_num_threads(),
        "seconds": seconds,
        "total_seconds": sum(seconds.values()),
        "cpu_seconds": process_time() - began,
        "memory_gb": _peak(),
        "memory_before_gb": before,
        "emergent": sum(c.emergent for c in cut),
        "reduction": tree.reduction,
        "sampled": dict(zip(("nulls", "of"), clusters.evidence.sampled, strict=True)) | {"map": len(points.rows)},
    }


def _timed(seconds: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    start = perf_counter()
    result = work()
    seconds[name] = perf_counter() - start
    print(f"{name}: {seconds[name]:.1f} s, peak {_peak():.1f} GB", file=sys.stderr, flush=True)
    return result


def _synthetic(behaviors: int, datapoints: int, width: int, folder: Path) -> tuple[Index, Target]:
    """An index a fifth of which belongs to one of ``GROUPS`` groups, and prompts nine tenths of which do."""
    generator = torch.Generator().manual_seed(0)
    centres = {part: 1.5 * torch.randn(GROUPS, width, generator=generator) for part in PARTS}

    def draw(n: int, grouped: float) -> Mapping[str, torch.Tensor]:
        group = torch.randint(0, GROUPS, (n,), generator=generator)
        inside = (torch.rand(n, 1, generator=generator) < grouped).float()
        return {
            f"{part}.{LAYER}": torch.randn(n, width, generator=generator) + inside * centres[part][group]
            for part in PARTS
        }

    folder.mkdir(parents=True, exist_ok=True)
    manifest = Manifest("base", {"made": "by bench"}, datapoints, SHARD, [LAYER], list(PARTS), LAYER)
    for name, first, last in manifest.shards:
        vectors = {key: x.to(torch.bfloat16) for key, x in draw(last - first, 0.2).items()}
        kinds = torch.full((last - first,), SINGLE, dtype=torch.uint8)
        manifest.files[name] = write_tensors(folder, name, vectors | {"kinds": kinds})
    manifest.files[STATS] = write_tensors(folder, STATS, statistics(Index(folder, manifest)))
    manifest.write(folder)
    target = Target(dict(draw(behaviors, 0.9)), torch.full((behaviors,), SINGLE, dtype=torch.uint8))
    return Index(folder, manifest), target


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Measure one size and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--behaviors", type=int, default=1_000)
    parser.add_argument("--datapoints", type=int, default=400_000)
    parser.add_argument("--width", type=int, default=576, help="of each of the two parts")
    parser.add_argument("--folder", type=Path, help="where the index is written and left; default a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        print(json.dumps(measure(options.behaviors, options.datapoints, options.width, folder), indent=1))


if __name__ == "__main__":
    main()
