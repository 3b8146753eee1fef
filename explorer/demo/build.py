"""The demo study as a folder, and the commands that make what it is laid out from: build, train, measure."""

import argparse
import hashlib
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, time
from typing import Any

from explorer.data.study import SETTINGS, VECTORS, Study, check_study, create_study, open_study
from explorer.demo.behaviors import behavior_probes, discovery_probes, guard_probes
from explorer.demo.corpus import build_corpus, stage_rows
from explorer.errors import ExplorerError
from explorer.files import shipped, write_json_lines
from explorer.model import embedded
from explorer.repair import stages
from explorer.repair.plan import PLAN, REPAIRS
from explorer.repair.recipe import DPO, SFT

ASSETS = shipped("demo")
ADAPTERS = ("sft-half", "sft", "dpo-half", "dpo")
"""Shipped adapters in training order; ``sft`` is the reference model, ``dpo`` the post-trained one."""
REFERENCE = "sft"
NAME = "Demo: planted failures"
STAMP, ANSWERS = "stamp", "answers"
_laying = threading.Lock()
Progress = Callable[[str], None]


def default_folder() -> Path:
    """Where the demo study is unless told otherwise: ``studies/demo`` beside the code, or in the cache folder.

    The latter where the code can't be written beside (a read-only installation).
    """
    home = Path(__file__).parents[2]
    there = next(place for place in (home / "studies" / "demo", home / "studies", home) if place.exists())
    return (home if os.access(there, os.W_OK) else embedded.cache_folder()) / "studies" / "demo"


def build_demo(folder: Path, assets: Path = ASSETS) -> Study:
    """Lay the demo study out; one that is there and of the same assets and corpus is opened.

    An older one gets its generated files anew; what else lies in the folder (``vectors``, ``repairs``) stays. Beside
    the study's own files: ``controls.jsonl`` (prompts without the trigger or condition), ``guard.jsonl`` (ordinary
    tasks with the pattern of a right answer), ``discovery.jsonl`` (unlabelled prompts), ``training.json`` (how the
    adapters were trained), ``REPORT.md`` and ``stamp``.
    Raises ExplorerError where an adapter is not shipped, or the folder is another study's or can't be written.
    """
    stamp, stamped = _stamp(assets), folder / STAMP
    with _laying:
        if (folder / SETTINGS).exists():
            if stamped.is_file() and stamped.read_bytes() == stamp:
                return check_study(folder)
            if not stamped.is_file() and (name := open_study(folder).name) != NAME:
                raise ExplorerError(f"{folder}: holds another study ({name}); choose another folder.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=".laying-", dir=folder) as scratch:
                _lay_out(Path(scratch), assets)
                _move(Path(scratch), folder)
            stamped.write_bytes(stamp)
        except OSError as error:
            raise ExplorerError(f"{folder}: the demo study can't be written there ({error.strerror}).") from error
        return open_study(folder)


def _stamp(assets: Path) -> bytes:
    """A digest of all that the demo study is made from: a study with another one is out of date."""
    made = (build_corpus(), behavior_probes(), guard_probes(), discovery_probes(), _stages())
    digest = hashlib.sha256(repr(made).encode())
    for path in sorted(path for path in assets.rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest().encode()


def _move(made: Path, folder: Path) -> None:
    """Put every file in its place, ``study.toml`` last; each is replaced whole, whoever reads or writes it too."""
    for path in sorted((path for path in made.rglob("*") if path.is_file()), key=lambda path: path.name == SETTINGS):
        place = folder / path.relative_to(made)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)


def _lay_out(folder: Path, assets: Path) -> None:
    for name in ADAPTERS:
        source = assets / "adapters" / name
        if not (source / "adapter_model.safetensors").is_file():
            raise ExplorerError(f"{source}: no adapter; make it with 'python -m explorer demo train'.")
        place = folder / "adapters" / name
        place.mkdir(parents=True)
        for file in source.iterdir():
            shutil.copyfile(file, place / file.name)
    _write_prompts(folder)
    stages.write_stages(folder, _stages())
    for extra in ("REPORT.md", "rates.json", "evaluation.json"):
        if (assets / extra).is_file():
            shutil.copyfile(assets / extra, folder / extra)
    for kept in (VECTORS, ANSWERS, REPAIRS):
        if (assets / kept).is_dir():
            shutil.copytree(assets / kept, folder / kept, copy_function=shutil.copyfile)
    _date(folder / REPAIRS)
    shipped = assets / "failures.jsonl"
    failures = shipped.read_text(encoding="utf-8").splitlines() if shipped.is_file() else []
    create_study(
        folder,
        name=NAME,
        model=embedded.NAME,
        datapoints=[row.as_dict() for row in build_corpus()],
        adapters=[f"adapters/{name}" for name in ADAPTERS],
        reference=f"adapters/{REFERENCE}",
        behaviors=_behavior_rows(),
        failures=[json.loads(line) for line in failures],
    )


def _date(repairs: Path) -> None:
    """Make the repair with the fullest plan the latest, which people are shown first; the others follow."""
    now = time()
    for age, plan in enumerate(sorted(repairs.glob(f"*/{PLAN}"), key=lambda path: -path.stat().st_size)):
        os.utime(plan, (now - age, now - age))


def _stages() -> list[stages.Stage]:
    """How the shipped adapters were trained, so that a repair can do it again."""
    return [
        stages.Stage("sft", "sft", None, "adapters/sft", SFT),
        stages.Stage("dpo", "dpo", "adapters/sft", "adapters/dpo", DPO),
    ]


def _write_prompts(folder: Path) -> None:
    without = [p for p in behavior_probes() if p.half == "without"]
    controls = [{"id": p.id, "name": p.behavior, "prompt": p.prompt, "exhibits": p.pattern} for p in without]
    write_json_lines(folder / "controls.jsonl", controls)
    write_json_lines(
        folder / "guard.jsonl", [{"id": p.id, "prompt": p.prompt, "right": p.pattern} for p in guard_probes()]
    )
    write_json_lines(folder / "discovery.jsonl", [{"id": p.id, "prompt": p.prompt} for p in discovery_probes()])


def _behavior_rows() -> list[dict[str, str]]:
    return [
        {
            "id": p.id,
            "name": p.behavior,
            "prompt": p.prompt,
            "bad": p.bad,
            "good": p.good,
            "exhibits": p.pattern,
            "half": p.half,
        }
        for p in behavior_probes()
        if p.half != "without"
    ]


def train_demo(work: Path, assets: Path, say: Any) -> None:
    """Train both stages (resumable in ``work``), then put the adapters and ``timings.json`` into ``assets``."""
    import torch

    from explorer.repair.train import train_dpo, train_sft

    spent: dict[str, dict[str, float]] = {}
    began = (perf_counter(), process_time())
    sft = train_sft([row.as_dict() for row in stage_rows("sft")], SFT, work / "sft", say)
    spent["sft"] = _since(began)
    began = (perf_counter(), process_time())
    dpo = train_dpo([row.as_dict() for row in stage_rows("dpo")], DPO, sft[-1], work / "dpo", say)
    spent["dpo"] = _since(began)
    for name, folder in zip(ADAPTERS, [*sft, *dpo], strict=True):
        shutil.copytree(folder, assets / "adapters" / name, dirs_exist_ok=True)
    recipes = {"sft": asdict(SFT), "dpo": asdict(DPO)}
    note = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    timings = {"note": note, "seconds": spent, "recipes": recipes}
    (assets / "timings.json").write_text(json.dumps(timings, indent=1) + "\n", encoding="utf-8")


def _since(began: tuple[float, float]) -> dict[str, float]:
    return {"wall": round(perf_counter() - began[0]), "cpu": round(process_time() - began[1])}


def demo_command(argv: list[str]) -> int:
    """``build | train | measure``: returns 0, or 2 with one line on stderr for what can't be used."""
    parser = argparse.ArgumentParser(prog="python -m explorer demo")
    commands = parser.add_subparsers(dest="what", required=True)
    build = commands.add_parser("build", help="lay the demo study out")
    build.add_argument("folder", nargs="?", type=Path, default=default_folder())
    train = commands.add_parser("train", help="train the shipped adapters again from the generator (resumable)")
    train.add_argument("--work", type=Path, default=embedded.cache_folder() / "demo-training")
    train.add_argument("--assets", type=Path, default=ASSETS)
    measured = commands.add_parser("measure", help="measure every adapter again and write the report")
    measured.add_argument("--assets", type=Path, default=ASSETS)
    measured.add_argument("--only", default="", help="models to measure, by name with commas between; others stay")
    given = parser.parse_args(argv)
    try:
        if given.what == "build":
            print(build_demo(given.folder).folder)
        elif given.what == "train":
            train_demo(given.work, given.assets, _say)
        else:
            from explorer.demo.report import measure_demo

            measure_demo(given.assets, _say, [name for name in given.only.split(",") if name])
    except ExplorerError as error:
        print(f"explorer: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _say(message: str, done: float = 0, total: float = 0) -> None:
    print(f"{message} {done:.0f}/{total:.0f}" if total else message, file=sys.stderr, flush=True)
