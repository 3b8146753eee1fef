"""The command ``repair``: change the training data, train again, measure again, without a browser."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.output import write, write_json
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from explorer.data.study import Study
    from explorer.repair.plan import Plan


def add_repair(commands: Any) -> None:
    """Add the sub-command to the command line's own."""
    repair = commands.add_parser("repair", help="prove a cause: edit the top datapoints, train again, against controls")
    repair.add_argument("study", type=Path, metavar="STUDY")
    repair.add_argument("--behavior", metavar="NAME", help="a behavior of the study with held-out prompts")
    repair.add_argument(
        "--edit", choices=["drop", "swap", "replace"], help="swap: of pairs; replace: of single answers"
    )
    repair.add_argument("--top", metavar="K,K", help="how many of the ranking's top to edit; several: a dose curve")
    repair.add_argument("--ids", metavar="FILE", help="edit these datapoints instead: one id a line")
    repair.add_argument("--method", default="explorer", help="how to rank; see the README for all of them")
    repair.add_argument("--layer", type=int, metavar="N", help="1 to L; default: the index's own choice")
    repair.add_argument("--stage", help="the checkpoint whose vectors are used; default the earliest that is built")
    repair.add_argument("--train", metavar="STAGE", help="the stage to repeat; default: where most of the top is")
    repair.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each arm but the bottom one")
    repair.add_argument("--arms", default="none,top,random,bottom", metavar="A,B", help="which arms to train")
    repair.add_argument("--small", action="store_true", help="one seed, no bottom arm, on 40 %% of the stage's rows")
    repair.add_argument("--dry-run", action="store_true", help="say what would be trained, and train nothing")
    repair.add_argument(
        "--export", metavar="FILE", help="write the edited data with a training script as a .zip instead"
    )
    repair.add_argument("--go-on", metavar="NAME", help="go on with a repair of the study that was stopped")
    repair.add_argument("--json", metavar="FILE", help="write the figures as JSON; - for stdout")
    repair.set_defaults(run=_repair)


def _repair(given: argparse.Namespace) -> None:
    from explorer.data.study import check_study
    from explorer.repair.job import as_json, execute
    from explorer.repair.plan import REPAIRS, save_plan

    study = check_study(given.study)
    if given.go_on:
        os.nice(5)  # a background job leaves the app the processor
        folder = study.folder / REPAIRS / given.go_on
    else:
        plan = _plan(given, study)
        _say(said(plan))
        if given.export:
            from explorer.repair.export import edited_zip

            write(given.export, edited_zip(study, plan))
            return
        if given.dry_run:
            return
        folder = save_plan(study, plan)
    execute(study, folder, _say)
    if given.json:
        write_json(given.json, as_json(folder))
        return
    found = as_json(folder)
    for line in found["pooled"]:
        print(f"{line['arm']:7} k {line['k']:<5} {line['rate']:.0%} ({line['low']:.0%}–{line['high']:.0%})")
    print(found["verdict"])


def _plan(given: argparse.Namespace, study: "Study") -> "Plan":
    from explorer.ranking.questions import AboutBehavior
    from explorer.ranking.rank import rank
    from explorer.repair.plan import ARMS, BOTTOM, SMALL, make_plan

    if not given.behavior or not given.edit or not (given.top or given.ids):
        raise ExplorerError("Nothing to do; expected --behavior, --edit, and --top or --ids (or --go-on).")
    arms = [arm for arm in given.arms.split(",") if arm]
    if unknown := set(arms) - set(ARMS):
        raise ExplorerError(f"Arm '{unknown.pop()}' is unknown; expected some of {', '.join(ARMS)}.")
    try:
        ks = [int(part) for part in (given.top or "").split(",") if part]
    except ValueError:
        raise ExplorerError(f"--top is '{given.top}'; expected whole numbers, such as 50,100.") from None
    chosen = _ids(Path(given.ids)) if given.ids else ()
    ranking, checkpoint = None, ""
    if not chosen:
        question = AboutBehavior(given.behavior)
        ranking = rank(study, question, method=given.method, layer=given.layer, stage=given.stage)
        checkpoint = ranking.stage
    return make_plan(
        study,
        given.behavior,
        given.edit,
        ks,
        ranking,
        chosen,
        given.train,
        1 if given.small else given.seeds,
        SMALL if given.small else 1.0,
        [arm for arm in arms if not (given.small and arm == BOTTOM)],
        checkpoint,
    )


def _ids(path: Path) -> list[str]:
    try:
        found = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ExplorerError(f"{path}: can't be read ({error}).") from error
    if not found:
        raise ExplorerError(f"{path}: no datapoint; expected one id a line.")
    return found


def said(plan: "Plan") -> str:
    """What a plan will do, in a sentence."""
    arms: dict[str, int] = {}
    for arm in plan.arms:
        name = arm.arm if not arm.k else f"{arm.arm} {arm.k}"
        arms[name] = arms.get(name, 0) + 1
    listed = ", ".join(f"{name} × {count}" for name, count in arms.items())
    return f"{len(plan.arms)} trainings of stage '{plan.stage}' on {plan.rows:,} rows ({plan.edit}): {listed}."


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
