"""What a retrained model is asked: held-out prompts of the behavior, the same without its condition, ordinary tasks.

``behaviors.jsonl`` has the first (half ``evaluation``, with ``exhibits``). Two more files may lie in the study folder:
``controls.jsonl`` ({id, name, prompt, exhibits}: the behavior must not show there) and ``guard.jsonl`` ({id, prompt,
right}: ordinary tasks, with a regular expression that a right answer matches).
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.files import read_json_lines, require_pattern, require_text

BEHAVIOR, CONTROL, GUARD = "behavior", "control", "guard"


@dataclass(frozen=True)
class Check:
    """A prompt and the pattern that is counted in its answer; ``kind`` is behavior, control or guard."""

    kind: str
    prompt: str
    pattern: str


def measurable(study: Study) -> list[str]:
    """Names of the behaviors that have held-out prompts to measure a repair with."""
    return list(dict.fromkeys(b.name for b in study.behaviors() if b.half == "evaluation" and b.exhibits))


def held_out(study: Study, behavior: str) -> list[Check]:
    """All that a repair of a behavior measures. Raises ExplorerError where the behavior has no held-out prompt."""
    own = study.behavior(behavior)
    asked = [Check(BEHAVIOR, b.prompt, b.exhibits) for b in own if b.half == "evaluation" and b.exhibits]
    if not asked:
        raise ExplorerError(
            f"{study.folder}: behavior '{behavior}' has no held-out prompt to measure with; expected lines in "
            "behaviors.jsonl with half 'evaluation' and a pattern 'exhibits'."
        )
    return [
        *asked,
        *_more(study.folder / "controls.jsonl", CONTROL, "exhibits", behavior),
        *_more(study.folder / "guard.jsonl", GUARD, "right", None),
    ]


def digest_of(checks: Sequence[Check]) -> str:
    """Names what is asked and counted: figures of other prompts or patterns are other figures."""
    return hashlib.sha256(json.dumps([asdict(check) for check in checks]).encode()).hexdigest()[:16]


def _more(path: Path, kind: str, field: str, name: str | None) -> list[Check]:
    found = []
    for where, row in read_json_lines(path) if path.is_file() else ():
        require_text(row, where, "prompt", field)
        require_pattern(row, where, field)
        if name is None or row.get("name") == name:
            found.append(Check(kind, row["prompt"], row[field]))
    return found


def counted(checks: Sequence[Check], answers: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Kind → (answers that match their pattern, answers)."""
    found: dict[str, tuple[int, int]] = {}
    for check, answer in zip(checks, answers, strict=True):
        hits, n = found.get(check.kind, (0, 0))
        found[check.kind] = hits + bool(re.search(check.pattern, answer)), n + 1
    return found
