"""What a retrained model is asked: held-out prompts of the behavior, the same without its condition, ordinary tasks.

The first stand in ``behaviors.jsonl`` (half ``evaluation``, with ``exhibits``). The study folder may hold two more
files: ``controls.jsonl`` ({id, name, prompt, exhibits}: the behavior must not show there) and ``guard.jsonl`` ({id,
prompt, right}: ordinary tasks, with a regular expression that a right answer matches). All may have a ``system``.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.prompts import Prompt
from explorer.patterns import require_pattern, shows
from explorer.reading import read_json_lines, require_text, wrong_field

BEHAVIOR, CONTROL, GUARD = "behavior", "control", "guard"
UNSTATED = {"answer_tokens": 28}
"""Most tokens of an answer in files that do not tell it: those of the demo, and of studies from before the setting."""


@dataclass(frozen=True)
class Check:
    """A prompt and the pattern that is counted in its answer; ``kind`` is behavior, control or guard."""

    kind: str
    prompt: str
    pattern: str
    system: str = ""
    raw: bool = False

    @property
    def asked(self) -> tuple[str, str, bool]:
        """System prompt (empty for none), prompt, raw: checks that ask the same have the same answer."""
        return self.system, self.prompt, self.raw


def measurable(study: Study) -> list[str]:
    """Return the names of the behaviors that have held-out prompts to measure a repair with."""
    return list(dict.fromkeys(b.name for b in study.behaviors() if b.half == "evaluation" and b.exhibits))


def held_out(study: Study, behavior: str) -> list[Check]:
    """Return all that a repair of a behavior asks. Raises ExplorerError where the behavior has no held-out prompt."""
    prompts = [b for b in study.behavior(behavior) if b.half == "evaluation" and b.exhibits]
    checks = [Check(BEHAVIOR, b.prompt, b.exhibits, b.system, b.raw) for b in prompts]
    if not checks:
        raise ExplorerError(
            f"{study.folder}: behavior '{behavior}' has no held-out prompt to measure with; expected lines in "
            "behaviors.jsonl with half 'evaluation' and a pattern 'exhibits'."
        )
    controls = _read_checks(study.folder / "controls.jsonl", CONTROL, "exhibits", behavior)
    return checks + controls + _read_checks(study.folder / "guard.jsonl", GUARD, "right", None)


def _read_checks(path: Path, kind: str, field: str, name: str | None) -> list[Check]:
    """Read the lines of a file, those of a behavior if ``name`` is given; none where the file is absent."""
    checks = []
    for where, row in read_json_lines(path) if os.path.lexists(path) else ():
        require_text(row, where, "prompt", field)
        require_pattern(row, where, field)
        system = row.get("system") or ""
        if not isinstance(system, str):
            raise wrong_field(row, where, "system", "text")
        if name is None or row.get("name") == name:
            checks.append(Check(kind, row["prompt"], row[field], system))
    return checks


def check_prompts(study: Study, checks: Sequence[Check]) -> list[Prompt]:
    """Return the prompts of checks as the study's models read them."""
    return [Prompt(check.prompt, check.system or None, check.raw or study.template == "raw") for check in checks]


def digest_of(checks: Sequence[Check], study: Study) -> str:
    """Return a digest of the prompts, the patterns and the length of answers: figures of others can't be compared."""
    asked: list[Any] = [
        {name: value for name, value in asdict(check).items() if value or name not in ("system", "raw")}
        for check in checks
    ]
    longest = {"answer_tokens": study.answer_tokens}
    asked += [] if longest == UNSTATED else [longest]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def counted(checks: Sequence[Check], answers: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return (answers that match their pattern, answers) by kind of check. Raises ExplorerError for a slow pattern."""
    matches: dict[str, list[bool]] = {}
    for check, answer in zip(checks, answers, strict=True):
        where = f"{check.kind} prompt '{check.prompt[:80]}'"
        matches.setdefault(check.kind, []).append(shows(check.pattern, answer, where))
    return {kind: (sum(hits), len(hits)) for kind, hits in matches.items()}
