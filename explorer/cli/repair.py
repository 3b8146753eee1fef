"""The command ``repair``: change the training data, train again, measure again, without a browser."""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.arguments import file_name
from explorer.cli.output import progress_lines, say, write, write_json
from explorer.errors import ExplorerError
from explorer.progress import Progress
from explorer.reading import read_text
from explorer.repair.plan import ARMS, EDITS, PRESETS, repair_folder

if TYPE_CHECKING:
    from explorer.data.study import Study
    from explorer.repair.plan import Plan


def add_repair(commands: Any) -> None:
    """Add the sub-command to the command line's own."""
    small, full = (preset.summary().replace("%", "%%") for preset in (PRESETS["small"], PRESETS["full"]))
    repair = commands.add_parser("repair", help="prove a cause: edit the top datapoints, train again, against controls")
    add = repair.add_argument
    add("study", type=Path, metavar="STUDY", help="the folder of a study")
    add("--behavior", metavar="NAME", help="a behavior of the study with held-out prompts")
    add("--edit", choices=list(EDITS), help="swap: of pairs; replace: of single answers")
    add("--top", metavar="K,K", default="", help="how many of the ranking's top to edit; several: a dose curve")
    add("--ids", metavar="FILE", type=Path, help="edit these datapoints instead: one id a line")
    add("--method", default="explorer", help="how to rank; see the README for all of them")
    add("--layer", type=int, metavar="N", help="1 to L; default: the index's own choice")
    add("--stage", help="the checkpoint whose vectors are used; default the earliest that is built")
    add("--train", metavar="STAGE", help="the stage to repeat; default: where most of the top is")
    add("--small", action="store_true", help=f"{small}; default: {full}")
    add("--seeds", type=int, metavar="N", help="trainings of each arm but the bottom one")
    add("--arms", metavar="A,B", help=f"which arms to train, of {','.join(ARMS)}")
    add("--dry-run", action="store_true", help="say what would be trained, and train nothing")
    about = "write the edited data with a training script as a .zip instead"
    add("--export", metavar="FILE", type=file_name, help=about)
    add("--go-on", metavar="NAME", help="go on with a repair of the study, or read one that is done")
    add("--out", metavar="FILE", type=file_name, help="draw the result: .png, .svg, .pdf or .html")
    add("--json", metavar="FILE", type=file_name, help="write the figures as JSON; - for stdout")
    repair.set_defaults(run=_repair)


def _repair(arguments: argparse.Namespace) -> None:
    from explorer.data.study import check_study
    from explorer.figures.save import check_format
    from explorer.jobs import DONE
    from explorer.repair.job import execute, status
    from explorer.repair.plan import save_plan
    from explorer.repair.stages import read_stages

    kind = (arguments.out or "").rpartition(".")[2].lower()
    if arguments.out:
        check_format(kind)  # before hours of training
    study, progress = check_study(arguments.study), progress_lines()
    if arguments.go_on is not None:
        os.nice(5)  # a background job leaves the app the processor
        folder = repair_folder(study, arguments.go_on)
    else:
        _check_edit(arguments)
        if arguments.export and not read_stages(study):
            write(arguments.export, _unrepeatable_zip(arguments, study, progress))
            return
        plan = _plan(arguments, study, progress)
        progress(plan.summary())
        if arguments.export:
            from explorer.repair.export import plan_zip

            write(arguments.export, plan_zip(study, plan, progress))
        if arguments.export or arguments.dry_run:
            return
        folder = save_plan(study, plan)
    if arguments.go_on is None or status(folder).state != DONE:
        execute(study, folder, progress)
    _write_result(folder, arguments, kind)


def _write_result(folder: Path, arguments: argparse.Namespace, kind: str) -> None:
    from explorer.figures.repair import export_repair
    from explorer.repair.job import repair_json
    from explorer.repair.results import pooled, read_result, seed_rates

    result, values = read_result(folder), repair_json(folder)
    assert result is not None
    if arguments.out:
        write(arguments.out, export_repair(result, kind))
    if arguments.json:
        write_json(arguments.json, values)
        return
    for line in pooled(result.arms):
        rate, seeds = f"{line.rate:.0%} ({line.low:.0%}–{line.high:.0%})", seed_rates(line)
        say(f"{line.arm:7} k {line.k:<5} {rate:16} seeds {seeds}")
    say(result.verdict)


def _check_edit(arguments: argparse.Namespace) -> None:
    if not arguments.behavior or not arguments.edit or not (arguments.top or arguments.ids):
        raise ExplorerError("Nothing to do; expected --behavior, --edit, and --top or --ids (or --go-on).")


def _ks(arguments: argparse.Namespace) -> list[int]:
    try:
        return [int(part) for part in arguments.top.split(",") if part]
    except ValueError:
        raise ExplorerError(f"--top is '{arguments.top}'; expected whole numbers, such as 50,100.") from None


def _unrepeatable_zip(arguments: argparse.Namespace, study: "Study", progress: Progress) -> bytes:
    """Edit the data of a study that does not tell how it was trained."""
    from explorer.repair.export import ranked_zip

    chosen = _ids(arguments.ids) if arguments.ids else ()
    how: dict[str, Any] = {name: getattr(arguments, name) for name in ("method", "layer", "stage")}
    k = max(_ks(arguments), default=0)
    return ranked_zip(study, arguments.behavior, arguments.edit, k, chosen, progress=progress, **how)


def _plan(arguments: argparse.Namespace, study: "Study", progress: Progress) -> "Plan":
    from explorer.repair.choose import plan_repair

    ks = _ks(arguments)
    preset = PRESETS["small" if arguments.small else "full"]
    if arguments.seeds is not None:
        preset = replace(preset, seeds=arguments.seeds)
    if arguments.arms is not None:
        preset = replace(preset, arms=tuple(filter(None, arguments.arms.split(","))))
    chosen = _ids(arguments.ids) if arguments.ids else ()
    how: dict[str, Any] = {name: getattr(arguments, name) for name in ("train", "method", "layer", "stage")}
    how |= {"preset": preset, "chosen": chosen, "progress": progress}
    return plan_repair(study, arguments.behavior, arguments.edit, ks, **how)


def _ids(path: Path) -> list[str]:
    ids = [name for line in read_text(path, "one id a line").splitlines() if (name := line.strip())]
    if not ids:
        raise ExplorerError(f"{path}: no datapoint; expected one id a line.")
    return ids
