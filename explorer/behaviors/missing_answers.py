"""How many answers a first run has to generate, told before it starts."""

from pathlib import Path

from explorer.behaviors.pipeline import reference_for
from explorer.behaviors.prompts import ANSWERS, DISCOVERY, Which, read_discovery
from explorer.data.study import Study
from explorer.files import read_whole_lines
from explorer.vectors.index import Index


def answers_missing(study: Study, index: Index, which: Which) -> dict[str, int]:
    """Checkpoint → how many unlabelled prompts it has no kept answer to; empty where none is missing.

    By the prompts alone: answers of a model that has changed since are counted as there, and are made again all the
    same. Raises ExplorerError for a broken file of prompts.
    """
    path = study.folder / DISCOVERY
    if which == "behaviors" or not path.is_file():
        return {}
    before, after = study.checkpoint(reference_for(study, index)), study.checkpoint("after")
    if before[1] == after[1]:
        return {}  # nothing to answer: clustering will say why
    asked = {prompt for _, prompt in read_discovery(path)}
    kept = {name: _answered(study.folder / ANSWERS / f"{name}.jsonl") for name, _ in (after, before)}
    missing = {name: len(asked - have) for name, have in kept.items()}
    return {name: count for name, count in missing.items() if count}


def _answered(path: Path) -> set[str]:
    return {row["prompt"] for row in read_whole_lines(path) if isinstance(row.get("prompt"), str)}
