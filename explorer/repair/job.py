"""A repair as a job: trains one arm after the other, can be stopped, killed and resumed, and is looked at from outside.

All of it lies in files, so that a job outlives the page that started it: ``plan.json`` (what to do), ``result.json``
(what is done), ``progress.json`` (where it is), ``log.txt``, and the lock that a living job holds.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import time
from typing import Any

from filelock import FileLock, Timeout

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.files import write_json
from explorer.model.embedded import cache_folder
from explorer.repair.arms import Setting, ask, setting, train
from explorer.repair.checks import BEHAVIOR, Check, counted, digest_of, held_out
from explorer.repair.plan import PLAN, REPAIRS, Arm, Plan, read_plan
from explorer.repair.recipe import Progress, Stopped
from explorer.repair.results import Row, pooled, row, verdict

RESULT, PROGRESS, LOG, LOCK, STOP = "result.json", "progress.json", "log.txt", ".lock", "stop"
QUEUED, RUNNING, STOPPED, FAILED, DONE, NEW = "queued", "running", "stopped", "failed", "done", "new"
EXAMPLES = 12


@dataclass(frozen=True)
class Status:
    """How far a job is.

    Attributes:
        state: new, queued (another repair is training), running, stopped, failed or done.
        done: arms that are measured, of ``of``.
        what: training or answering, of the arm ``arm``; ``step`` of ``steps``.
        left: seconds that are left, judged by what was done so far; None where nothing was.
        error: what went wrong, in a sentence.
    """

    state: str
    done: int = 0
    of: int = 0
    what: str = ""
    arm: dict[str, Any] | None = None
    run: str = ""
    step: int = 0
    steps: int = 0
    left: float | None = None
    error: str = ""


def execute(study: Study, folder: Path, say: Progress = print) -> list[Row]:
    """Do what a plan says, or the rest of it; returns the rows of ``result.json``.

    One job trains at a time on a machine; others wait. Raises Stopped where it was told to stop, ExplorerError for a
    job that runs already or can't go on. Whatever happens, what is finished stays, and another call goes on from it.
    """
    plan = read_plan(folder)
    (folder / STOP).unlink(missing_ok=True)
    lock = FileLock(folder / LOCK, timeout=2)  # somebody may be looking whether it is free
    try:
        lock.acquire()
    except Timeout:
        raise ExplorerError(f"{folder}: this repair is running already.") from None
    try:
        return _queued(study, plan, folder, say)
    except BaseException as error:
        state = STOPPED if isinstance(error, Stopped | KeyboardInterrupt) else FAILED
        _tell(folder, state=state, error="" if state == STOPPED else " ".join(str(error).split())[:500])
        if isinstance(error, OSError):
            raise ExplorerError(f"{folder}: the repair can't go on ({error.strerror}).") from error
        raise
    finally:
        lock.release()


def _queued(study: Study, plan: Plan, folder: Path, say: Progress) -> list[Row]:
    cache_folder().mkdir(parents=True, exist_ok=True)
    turn = FileLock(cache_folder() / "repair.lock")
    while True:
        try:
            with turn.acquire(timeout=1):
                return _arms(study, plan, folder, say)
        except Timeout:
            _tell(folder, state=QUEUED, of=len(plan.arms))
            if (folder / STOP).exists():
                raise Stopped("Stopped while it was queued.") from None


def _arms(study: Study, plan: Plan, folder: Path, say: Progress) -> list[Row]:
    """Train and measure every arm that no ``result.json`` of the study has of the same data and recipe."""
    checks = held_out(study, plan.behavior)
    of = setting(study, plan)
    prompts = [check.prompt for check in checks if check.kind == BEHAVIOR][:EXAMPLES]
    examples: list[dict[str, Any]] = [{"prompt": prompt, "answers": {}} for prompt in prompts]
    known = finished(study, plan.behavior)
    done: dict[Arm, Row] = {}

    def keep(arm: Arm, found: Row, texts: Sequence[str]) -> None:
        done[arm] = replace(found, arm=arm.arm, k=arm.k, seed=arm.seed)
        for example, text in zip(examples, texts if arm.seed == 0 else (), strict=False):
            example["answers"][f"{arm.arm}-{arm.k}"] = text

    for arm in plan.arms:
        if (name := of.digest(arm)) in known:
            keep(arm, *known[name])
    if done:
        _save(folder, plan, of, done, examples)
    paces: list[float] = []
    for arm in plan.arms:
        if arm in done:
            continue
        began, name = time(), of.digest(arm)
        say(f"{len(done) + 1}/{len(plan.arms)}: {arm.arm}, k = {arm.k}, seed {arm.seed} ({name})")
        about = {
            "state": RUNNING, "done": len(done), "of": len(plan.arms), "run": name, "began": began,
            "arm": {"arm": arm.arm, "k": arm.k, "seed": arm.seed}, "pace": sum(paces) / len(paces) if paces else None,
        }  # fmt: skip

        def watch(what: str, step: int, steps: int, _loss: float | None, about: dict[str, Any] = about) -> bool:
            _tell(folder, **about, what=what, step=step, steps=steps)
            return (folder / STOP).exists()

        fresh = not (of.folder(arm) / "adapter").exists()
        made = _arm(of, arm, checks, say, watch)
        if fresh:
            paces.append(time() - began)
        keep(arm, row(arm.arm, arm.k, arm.seed, counted(checks, made), name), made)
        _save(folder, plan, of, done, examples)
    _tell(folder, state=DONE, done=len(done), of=len(plan.arms))
    rows = [done[arm] for arm in plan.arms]
    say(verdict(rows, not plan.ranking))
    return rows


def finished(study: Study, behavior: str) -> dict[str, tuple[Row, list[str]]]:
    """Run → (its figures, its answers to the examples) that some repair of the behavior tells, asked what is asked now.

    The answers are empty where they were not kept: of seeds after the first.
    """
    asked = digest_of(held_out(study, behavior))
    found: dict[str, tuple[Row, list[str]]] = {}
    for folder in repairs(study):
        try:
            result = read_result(folder)
        except ExplorerError:
            continue  # it is named where it is looked at
        if not result or (result["behavior"], result.get("asked")) != (behavior, asked):
            continue
        for r in result["rows"]:
            kept = [example["answers"].get(f"{r.arm}-{r.k}", "") for example in result["examples"]]
            found[r.run] = (r, kept if r.seed == 0 else [])
    return found


def _arm(of: Setting, arm: Arm, checks: Sequence[Check], say: Progress, watch: Any) -> list[str]:
    if watch("starting", 0, 1, None):
        raise Stopped("Stopped before a training.")
    return ask(of, arm, train(of, arm, say, watch), checks, watch)


def _save(folder: Path, plan: Plan, of: Setting, done: dict[Arm, Row], examples: list[dict[str, Any]]) -> None:
    rows = [done[arm] for arm in plan.arms if arm in done]
    write_json(
        folder / RESULT,
        {
            "behavior": plan.behavior,
            "edit": plan.edit,
            "stage": plan.stage,
            "k": max(arm.k for arm in plan.arms),
            "ranking": plan.ranking,
            "share": plan.share,
            "rows": plan.rows,
            "arms": [r.as_dict() for r in rows],
            "of": len(plan.arms),
            "verdict": verdict(rows, not plan.ranking),
            "examples": examples,
            "asked": digest_of(held_out(of.study, plan.behavior)),
            "made_from": of.made_from,
        },
    )


def _tell(folder: Path, **about: Any) -> None:
    try:
        write_json(folder / PROGRESS, about)
    except OSError:  # a full disk must not hide what went wrong
        if about.get("state") == RUNNING:
            raise


def read_result(folder: Path) -> dict[str, Any] | None:
    """``result.json`` of a repair, with its rows as ``Row`` under ``rows``; None where no arm is done yet."""
    path = folder / RESULT
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        usual = {"of": len(found["arms"]), "examples": [], "verdict": "", "share": 1.0}
        return usual | found | {"rows": [Row(**r) for r in found["arms"]]}
    except (ValueError, TypeError, KeyError) as error:
        raise ExplorerError(f"{path}: not the result of a repair ({error}).") from error


def status(folder: Path) -> Status:
    """How far the job of a repair is, whoever started it."""
    try:
        told = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = {}
    alive = is_running(folder)
    state = told.get("state", NEW)
    if state in (QUEUED, RUNNING) and not alive:
        state = STOPPED  # killed
    result = read_result(folder)
    if result and len(result["rows"]) == result["of"]:
        return Status(DONE, result["of"], result["of"])
    known = {name: told[name] for name in ("what", "arm", "run", "step", "steps", "error") if told.get(name)}
    done = len(result["rows"]) if result else 0
    of = told.get("of") or (result["of"] if result else 0)
    return Status(state, done, of, left=_left(told) if state == RUNNING else None, **known)


def _left(told: dict[str, Any]) -> float | None:
    """Seconds: arms to come at the pace of those done, less what this one has had; from its own steps for the first."""
    gone = time() - told.get("began", time())
    rest = told.get("of", 0) - told.get("done", 0)
    if told.get("pace"):
        return max(0.0, rest * told["pace"] - gone)
    share = told.get("step", 0) / max(told.get("steps", 0), 1) if told.get("what") == "training" else 1
    return rest * gone / share - gone if share > 0.02 else None


def is_running(folder: Path) -> bool:
    """Whether a living process holds the job."""
    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True


def start(study: Study, folder: Path) -> None:
    """Run a job in a process of its own that outlives this one; a job that runs already is left alone."""
    if is_running(folder):
        return
    read_plan(folder)
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "explorer", "repair", str(study.folder), "--go-on", folder.name]
    _tell(folder, state=QUEUED)
    with (folder / LOG).open("ab") as log:
        subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": paths, "OMP_WAIT_POLICY": "PASSIVE"},
        )


def stop(folder: Path) -> None:
    """Ask a job to stop: it does after the step that it is in, and can be resumed there."""
    (folder / STOP).touch()


def repairs(study: Study) -> list[Path]:
    """Folders of the study's repairs, the latest first."""
    found = (study.folder / REPAIRS).glob(f"*/{PLAN}")
    return [path.parent for path in sorted(found, key=lambda path: -path.stat().st_mtime)]


def log_tail(folder: Path, lines: int = 40) -> str:
    """The end of what the job said."""
    path = folder / LOG
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) if path.is_file() else ""


def as_json(folder: Path) -> dict[str, Any]:
    """The command's JSON: ``result.json`` with the pooled change of each arm and the status."""
    found = read_result(folder) or {"rows": []}
    rows = found.pop("rows")
    changes = [{"arm": p.arm, "k": p.k, "seeds": p.seeds, "rate": p.rate.rate, "low": p.rate.low, "high": p.rate.high,
                "guard": p.guard, "control": p.control, "change": asdict(p.change) if p.change else None}
               for p in pooled(rows)]  # fmt: skip
    main = max((c for c in changes if c["arm"] == "top"), key=lambda c: c["k"], default=None)
    return {**found, "pooled": changes, "change": main and main["change"], "state": status(folder).state}
