"""The demo study as a folder, laid out from the shipped adapters, vectors and figures and the generated corpus."""

import hashlib
import os
import shutil
import threading
from pathlib import Path
from time import time

from explorer.data.study import SETTINGS, VECTORS, Study, check_study, create_study, open_study
from explorer.demo.adapters import ADAPTERS, ANSWER_TOKENS, ASSETS, REFERENCE, STAGES
from explorer.demo.corpus import build_corpus
from explorer.demo.planted import SYSTEMS
from explorer.demo.probes import behavior_probes, discovery_probes, guard_probes
from explorer.errors import ExplorerError
from explorer.files import write_json_lines, write_whole
from explorer.folders import whole_folder
from explorer.model import embedded
from explorer.reading import read_whole_lines
from explorer.repair.plan import PLAN, REPAIRS
from explorer.repair.stages import write_stages
from explorer.surveys.folder import SURVEYS

NAME = "Demo: planted failures"
STAMP, ANSWERS = "stamp", "answers"
_layout_lock = threading.Lock()


def default_folder() -> Path:
    """The demo study's usual folder, beside which other studies stand.

    ``$EXPLORER_STUDIES/demo``, else ``studies/demo`` in a checkout that can be written, else in the cache folder.
    """
    if chosen := os.environ.get("EXPLORER_STUDIES"):
        return Path(chosen).absolute() / "demo"
    home = Path(__file__).parents[2]
    nearest = next(folder for folder in (home / "studies" / "demo", home / "studies", home) if folder.exists())
    beside = (home / "assets").is_dir() and os.access(nearest, os.W_OK)
    return (home if beside else embedded.cache_folder()) / "studies" / "demo"


def build_demo(folder: Path, assets: Path = ASSETS) -> Study:
    """Lay the demo study out, or open it if the folder holds one of the same assets and corpus.

    An older one gets its generated files anew; what else lies in the folder (``vectors``, ``repairs``, ``surveys``)
    stays. Beside the usual files of a study it has ``controls.jsonl`` (prompts without the trigger or condition),
    ``guard.jsonl`` (ordinary tasks with the pattern of a right answer), ``discovery.jsonl`` (unlabelled prompts),
    ``training.json`` (how the adapters were trained), ``REPORT.md`` and ``stamp``.

    Raises ExplorerError where an adapter is not shipped, or the folder is another study's or can't be written.
    """
    stamp, stamp_file = _stamp(assets), folder / STAMP
    with _layout_lock:
        if (folder / SETTINGS).exists():
            if stamp_file.is_file() and stamp_file.read_bytes() == stamp:
                return check_study(folder)
            if not stamp_file.is_file() and (name := open_study(folder).name) != NAME:
                raise ExplorerError(f"{folder}: holds another study ({name}); choose another folder.")
        with whole_folder(folder, last=SETTINGS) as scratch:
            _lay_out(scratch, assets)
        write_whole(stamp_file, lambda path: path.write_bytes(stamp))
        return open_study(folder)


def _stamp(assets: Path) -> bytes:
    """Digest of all that the demo study is made from. A study with another stamp is out of date."""
    generated = (build_corpus(), behavior_probes(), guard_probes(), discovery_probes(), STAGES, ANSWER_TOKENS, SYSTEMS)
    digest = hashlib.sha256(repr(generated).encode())
    for path in sorted(path for path in assets.rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest().encode()


def _lay_out(folder: Path, assets: Path) -> None:
    for name in ADAPTERS:
        source = assets / "adapters" / name
        if not (source / "adapter_model.safetensors").is_file():
            raise ExplorerError(f"{source}: no adapter; make it with 'python -m explorer demo train'.")
        shutil.copytree(source, folder / "adapters" / name, copy_function=shutil.copyfile)
    _write_prompts(folder)
    write_stages(folder, STAGES)
    for file in ("REPORT.md", "rates.json", "evaluation.json"):
        if (assets / file).is_file():
            shutil.copyfile(assets / file, folder / file)
    for subfolder in (VECTORS, ANSWERS, REPAIRS, SURVEYS):
        if (assets / subfolder).is_dir():
            shutil.copytree(assets / subfolder, folder / subfolder, copy_function=shutil.copyfile)
    _date_repairs(folder / REPAIRS)
    behaviors = [
        {"id": p.id, "name": p.behavior, "prompt": p.prompt, "bad": p.bad, "good": p.good}
        | {"exhibits": p.pattern, "half": p.half, **SYSTEMS[p.behavior]}
        for p in behavior_probes()
        if p.half != "without"
    ]
    create_study(
        folder,
        name=NAME,
        model=embedded.NAME,
        datapoints=[row.to_json() for row in build_corpus()],
        adapters=[f"adapters/{name}" for name in ADAPTERS],
        reference=f"adapters/{REFERENCE}",
        behaviors=behaviors,
        failures=read_whole_lines(assets / "failures.jsonl"),
        answer_tokens=ANSWER_TOKENS,
    )


def _date_repairs(repairs: Path) -> None:
    """Date the plans so that the repair with the longest one is the latest, which the Repair page shows first."""
    now = time()
    for age, plan in enumerate(sorted(repairs.glob(f"*/{PLAN}"), key=lambda path: -path.stat().st_size)):
        os.utime(plan, (now - age, now - age))


def _write_prompts(folder: Path) -> None:
    without = [p for p in behavior_probes() if p.half == "without"]
    controls = [{"id": p.id, "name": p.behavior, "prompt": p.prompt, "exhibits": p.pattern} for p in without]
    guard = [{"id": p.id, "prompt": p.prompt, "right": p.pattern} for p in guard_probes()]
    discovery = [{"id": p.id, "prompt": p.prompt} for p in discovery_probes()]
    for name, rows in {"controls": controls, "guard": guard, "discovery": discovery}.items():
        write_json_lines(folder / f"{name}.jsonl", rows)
