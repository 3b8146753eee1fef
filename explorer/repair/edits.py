"""A stage's rows with the edits of one arm done."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from explorer.files import write_json
from explorer.model.generate import answers
from explorer.model.load import load_model
from explorer.model.prompts import Prompt
from explorer.progress import Progress
from explorer.repair.plan import REPLACE, Arm
from explorer.repair.setting import Setting

CORRECTED = "corrected.json"
CORRECTION_TOKENS = 48


def edited_rows(setting: Setting, arm: Arm, progress: Progress) -> list[dict[str, Any]]:
    """The stage's rows, with the field ``edit`` set for drop and swap, or with another response for replace."""
    ids = set(arm.ids)
    if setting.edit != REPLACE or not ids:
        return [row | {"edit": setting.edit if row["id"] in ids else None} for row in setting.rows]
    edited = [row for row in setting.rows if row["id"] in ids]
    responses = corrected_responses(setting, edited, setting.folder(arm) / CORRECTED, progress)
    return [row | ({"response": responses[row["id"]]} if row["id"] in ids else {}) for row in setting.rows]


def corrected_responses(
    setting: Setting, rows: Sequence[dict[str, Any]], file: Path, progress: Progress
) -> dict[str, str]:
    """Corrected response by id: the row's field ``corrected``, else an answer of the stage's starting model.

    Generated answers are cut after their last whole sentence, and written to ``file`` for the next time.
    """
    given = {row["id"]: row["corrected"] for row in rows if row.get("corrected")}
    missing = [row for row in rows if row["id"] not in given]
    if missing and not file.is_file():
        loaded = load_model(setting.stage.start_model(setting.study))
        progress(f"{len(missing)} corrected answers by {loaded.spec.title}")
        texts = answers(loaded, [Prompt(row["prompt"]) for row in missing], CORRECTION_TOKENS)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {row["id"]: whole_sentences(text) for row, text in zip(missing, texts, strict=True)})
    return given | (json.loads(file.read_text(encoding="utf-8")) if missing else {})


def whole_sentences(text: str) -> str:
    """The text up to the end of its last whole sentence; all of it where it has none."""
    match = re.match(r"(?s).*[.!?][\"'”’)]*(?=\s|$)", text)
    return match.group(0) if match else text or "I don't know."
