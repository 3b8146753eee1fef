"""Train the shipped adapters again from the generated corpus."""

import os
import shutil
from dataclasses import asdict
from pathlib import Path
from time import perf_counter, process_time

import torch

from explorer.demo.adapters import ADAPTERS, ASSETS
from explorer.demo.corpus import stage_rows
from explorer.files import write_json
from explorer.progress import Progress, silent
from explorer.repair.stages import DPO, SFT
from explorer.repair.train import train_dpo, train_sft


def train_demo(work: Path, assets: Path = ASSETS, progress: Progress = silent) -> None:
    """Train both stages (resumable in ``work``), then put the adapters and ``timings.json`` into ``assets``."""
    sft_start = (perf_counter(), process_time())
    sft = train_sft([row.to_json() for row in stage_rows("sft")], SFT, work / "sft", progress)
    dpo_start = (perf_counter(), process_time())
    dpo = train_dpo([row.to_json() for row in stage_rows("dpo")], DPO, sft[-1], work / "dpo", progress)
    end = (perf_counter(), process_time())
    for name, folder in zip(ADAPTERS, [*sft, *dpo], strict=True):
        shutil.copytree(folder, assets / "adapters" / name, dirs_exist_ok=True)
    timings = {
        "note": f"{os.cpu_count()} cores, {torch.get_num_threads()} threads",
        "seconds": {"sft": _seconds(sft_start, dpo_start), "dpo": _seconds(dpo_start, end)},
        "recipes": {"sft": asdict(SFT), "dpo": asdict(DPO)},
    }
    write_json(assets / "timings.json", timings)


def _seconds(start: tuple[float, float], end: tuple[float, float]) -> dict[str, int]:
    return {"wall": round(end[0] - start[0]), "cpu": round(end[1] - start[1])}
