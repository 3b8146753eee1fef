"""Behaviors: what a model does wrong, as prompts with a bad answer, from JSON lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.model.prompts import Prompt
from explorer.patterns import require_pattern
from explorer.reading import read_rows, wrong_field

HALVES = ("query", "evaluation")


@dataclass(frozen=True)
class BehaviorPrompt:
    """One prompt of a behavior.

    Attributes:
        bad, good: an answer that shows the behavior, and one that does not (empty if unknown).
        exhibits: regular expression; an answer of the model that matches shows the behavior.
        asks, forbids: system prompts that ask for the behavior and that forbid it, for the queries ``persona`` and
            ``control`` (empty if unknown).
        half: ``query`` for prompts to trace with, ``evaluation`` for prompts to measure with, empty without a split.
        system: the system prompt that it is asked with (empty for none).
        raw: read without a chat template, whatever the study's other prompts are.
    """

    id: str
    name: str
    prompt: str
    bad: str
    good: str = ""
    exhibits: str = ""
    half: str = ""
    asks: str = ""
    forbids: str = ""
    system: str = ""
    raw: bool = False

    def as_prompt(self, raw: bool) -> Prompt:
        """Return the prompt as a model reads it; ``raw``: the study's prompts have no chat template."""
        return Prompt(self.prompt, self.system or None, raw or self.raw)


def tracing_prompts(prompts: Sequence[BehaviorPrompt]) -> list[BehaviorPrompt]:
    """The prompts of a behavior to trace with: its query half if there is a split, else all of them."""
    return [b for b in prompts if b.half == "query"] or [b for b in prompts if not b.half] or list(prompts)


def read_behaviors(path: Path) -> list[BehaviorPrompt]:
    """Behavior prompts from JSON lines; raises ExplorerError that names file, line and field."""
    return [behavior_of(row, where) for where, row in read_rows(path, "name", "prompt", "bad")]


def behavior_of(row: Mapping[str, Any], where: str) -> BehaviorPrompt:
    """A line of ``behaviors.jsonl``, whose id, name, prompt and bad answer are text. Raises ExplorerError."""
    texts = {field: row.get(field) or "" for field in ("good", "exhibits", "half", "asks", "forbids", "system")}
    for field, text in texts.items():
        if not isinstance(text, str):
            raise wrong_field(row, where, field, "text")
    require_pattern({**row, **texts}, where, "exhibits")
    if texts["half"] not in ("", *HALVES):
        raise wrong_field(row, where, "half", " or ".join(HALVES))
    if type(raw := row.get("raw") or False) is not bool:
        raise wrong_field(row, where, "raw", "true or false")
    return BehaviorPrompt(row["id"], row["name"], row["prompt"], row["bad"], **texts, raw=raw)
