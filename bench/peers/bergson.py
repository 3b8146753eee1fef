"""Bergson (EleutherAI, MIT) on the rows of a study, side by side with ``explorer`` and ``lora-gradient``.

    python -m venv peers && peers/bin/pip install bergson
    python -m bench.peers.bergson STUDY --bergson peers/bin/bergson --json bergson.json

Bergson runs in an environment of its own, as a command. Both get the same rows, the same bad and good answers of one
behavior, the bare model in float32, its chat template and the loss on the answer. Cost is CPU seconds of the whole
work, loading included, because other work on a machine changes them less than it changes wall-clock time.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from explorer.data.behaviors import tracing_prompts
from explorer.data.study import Study, check_study, create_study
from explorer.files import write_json
from explorer.model import embedded
from explorer.ranking.evaluate import guilty_rows
from explorer.ranking.metrics import average_precision
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import rank
from explorer.vectors.build import build_index
from explorer.vectors.methods import parts_of

OURS, LAYER = ("explorer", "lora-gradient"), 28
COLUMNS = {"prompt_column": "prompt", "completion_column": "response"}
CONTRAST = ("--contrast.dataset", "good", *(x for k, v in COLUMNS.items() for x in (f"--contrast.{k}", v)))
_EKFAC = "--method kfac --hessian_cfg.ev_correction --max_batch_size 4 --module_partitions 10"
PEERS: dict[str, tuple[str, ...]] = {
    "TrackStar, bad": ("trackstar", "--unit_normalize"),
    "TrackStar, bad − good": ("trackstar", "--unit_normalize", *CONTRAST),
    "EK-FAC, bad − good": ("ekfac", *_EKFAC.split(), *CONTRAST),
}
"""Bergson's recipes; everything else is as it sets it. EK-FAC projects nothing: small batches, partitions."""


@dataclass(frozen=True)
class Line:
    """What a method finds and costs; without an average precision, ``error`` says why."""

    method: str
    rows: int
    guilty: int
    cpu_seconds: float
    datapoints_per_cpu_second: float
    average_precision: float | None
    error: str = ""


def small_study(study: Study, behavior: str, rows: int, prompts: int, folder: Path) -> Study:
    """Write a study of at most so many rows with one answer and so many prompts of a behavior.

    Guilty and clean rows keep their shares; both are drawn by a seed. It has the bare model alone.
    """
    table, guilty = study.datapoints(), guilty_rows(study)[behavior]
    single = np.array([bool((answer or "").strip()) for answer in table["response"].to_pylist()])
    random, share = np.random.default_rng(0), min(1.0, rows / int(single.sum()))
    groups = (random.permutation(np.flatnonzero(single & kind)) for kind in (guilty, ~guilty))
    chosen = np.concatenate([group[: round(share * len(group))] for group in groups])
    columns = table.select(["id", "prompt", "response", "label"]).take(np.sort(chosen))
    asked = tracing_prompts(study.behavior(behavior))[:prompts]
    return create_study(
        folder, name=study.name, model=study.model, datapoints=columns, behaviors=[vars(prompt) for prompt in asked]
    )


def ours(study: Study, behavior: str, method: str) -> np.ndarray:
    """Return (n,) scores by a method of ours with its defaults, at a late layer of the bare model."""
    index = build_index(study, "base", parts=parts_of([method]), layers=[LAYER])
    return rank(study, AboutBehavior(behavior), method=method, index=index).scores


def bergson(study: Study, behavior: str, command: Path, recipe: Sequence[str], folder: Path) -> np.ndarray:
    """Return (n,) scores by one of Bergson's recipes; raises CalledProcessError."""
    rows, asked = study.datapoints().select(["prompt", "response"]).to_pylist(), study.behavior(behavior)
    sets = {
        "rows": rows,
        "bad": [{"prompt": b.prompt, "response": b.bad} for b in asked],
        "good": [{"prompt": b.prompt, "response": b.good} for b in asked],
    }
    for name, made in sets.items():
        Dataset.from_list(made).save_to_disk(str(folder / name))
    model = embedded.embedded_folder() if study.model == embedded.NAME else Path(study.model)
    line = [str(command.absolute()), recipe[0], "run", "--model", str(model)]
    for option, name in (("data", "rows"), ("query", "bad")):
        line += [f"--{option}.dataset", name, *(x for k, v in COLUMNS.items() for x in (f"--{option}.{k}", v))]
    line += ["--query.aggregation", "mean", *recipe[1:]]
    waiting = {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    subprocess.run(line, cwd=folder, env=os.environ | waiting, check=True, capture_output=True, text=True)
    return bergson_scores(folder / "run" / "scores")


def bergson_scores(folder: Path) -> np.ndarray:
    """Read (n,) scores as Bergson stores them: a structured array, one field a query column."""
    info = json.loads((folder / "info.json").read_text(encoding="utf-8"))
    stored = np.fromfile(folder / "scores.bin", dtype=np.dtype(info["dtype"]), count=info["num_rows"])
    return stored["score_0"].astype(np.float64)


def measured(method: str, work: Callable[[], np.ndarray], guilty: np.ndarray) -> Line:
    """Do the work and measure it; a recipe that fails gives a line with the last words of its output."""
    before, values, error = _cpu_seconds(), None, ""
    try:
        values = work()
    except subprocess.CalledProcessError as failed:
        error = next(iter(reversed(str(failed.stderr).strip().splitlines())), str(failed))[:300]
    seconds = _cpu_seconds() - before
    precision = None if values is None else round(average_precision(values, guilty), 4)
    n, found = len(guilty), int(guilty.sum())
    return Line(method, n, found, round(seconds, 1), round(n / seconds, 2), precision, error)


def _cpu_seconds() -> float:
    """User and system seconds of this process and of the children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def bench_peers(study: Study, behavior: str, command: Path, only: Sequence[str] = ()) -> list[Line]:
    """Measure ours, then Bergson's recipes (all, or some by name), on every row of a study."""
    guilty, table = guilty_rows(study)[behavior], []
    with tempfile.TemporaryDirectory() as scratch:
        works: dict[str, Callable[[], np.ndarray]] = {m: lambda m=m: ours(study, behavior, m) for m in OURS}
        for name in only or PEERS:
            works[name] = lambda n=name: bergson(study, behavior, command, PEERS[n], Path(scratch) / n)
        for name, work in works.items():
            table.append(measured(name, work, guilty))
            print(table[-1], file=sys.stderr, flush=True)
    return table


def main() -> None:
    """Measure one behavior of a study; write the lines as JSON and print them as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, metavar="STUDY")
    parser.add_argument("--bergson", type=Path, required=True, metavar="FILE", help="its command")
    parser.add_argument("--behavior", help="default: the first one")
    parser.add_argument("--rows", type=int, default=1000, help="at most so many")
    parser.add_argument("--prompts", type=int, default=60, help="at most so many of the behavior")
    parser.add_argument(
        "--only", action="append", choices=list(PEERS), help="one of Bergson's recipes; may be repeated"
    )
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    given = parser.parse_args()
    study = check_study(given.study)
    behavior = given.behavior or study.behaviors()[0].name
    with tempfile.TemporaryDirectory() as scratch:
        small = small_study(study, behavior, given.rows, given.prompts, Path(scratch) / "study")
        table = bench_peers(small, behavior, given.bergson, given.only or ())
    facts: dict[str, Any] = {"study": study.name, "behavior": behavior, "prompts": given.prompts}
    write_json(given.json, facts | {"rows": [asdict(line) for line in table]})
    print("| method | average precision | CPU seconds | datapoints a CPU second |\n| --- | ---: | ---: | ---: |")
    for line in table:
        found = line.error if line.average_precision is None else f"{line.average_precision:.2f}"
        print(f"| {line.method} | {found} | {line.cpu_seconds:.0f} | {line.datapoints_per_cpu_second:.1f} |")


if __name__ == "__main__":
    main()
