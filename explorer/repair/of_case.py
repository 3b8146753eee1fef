"""The repair that says most about a failure: of the behavior that the failure is one of."""

from pathlib import Path

from explorer.data.failures import Failure
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.repair.checks import BEHAVIOR, held_out
from explorer.repair.plan import RANDOM, TOP, repair_folders
from explorer.repair.results import Pooled, Result, main_arms, pooled, read_result


def repair_of(study: Study, failure: Failure) -> tuple[Path, Result, Pooled] | None:
    """Return the folder of a measured repair, its result, and the arm that edits the top; None where there is none.

    Of several: one with a random control before one without, then the one with most seeds, then the latest; not the one
    with the largest effect. A failure is one of a behavior by its name, or by its prompt being a held-out one.
    """
    known: list[tuple[bool, int, int]] = []
    repairs: list[tuple[Path, Result, Pooled]] = []
    for folder in repair_folders(study):
        try:
            result = read_result(folder)
            checks = held_out(study, result.behavior) if result else []
        except ExplorerError:
            continue  # it is named where it is looked at
        if not result or not _is_about(result, failure, {c.prompt for c in checks if c.kind == BEHAVIOR}):
            continue
        arms = {line.arm: line for line in main_arms(pooled(result.arms))}
        if (top := arms.get(TOP)) and top.change:
            known.append((RANDOM in arms, top.seeds, -len(repairs)))
            repairs.append((folder, result, top))
    return repairs[-max(known)[2]] if known else None


def _is_about(result: Result, failure: Failure, prompts: set[str]) -> bool:
    return failure.prompt in prompts or (bool(failure.behavior) and result.behavior == failure.behavior)
