"""The edited data of a repair, for somebody's own trainer: rows, what was edited, and a script to start from.

The data are in TRL's format: prompts and answers as messages, or as plain text in a study of plain text. The scripts
make the same token ids of them as trainings do here.
"""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from explorer.data.columns import PAIR
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.prompts import Prompt, raw_text, spaced
from explorer.progress import Progress, silent
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import rank
from explorer.repair.arms import CORRECTED, edited_rows, read_setting
from explorer.repair.export_script import script
from explorer.repair.plan import DROP, REPLACE, SWAP, Plan
from explorer.repair.stages import DPO, SFT, Recipe
from explorer.repair.unpaired import is_unwanted, turned
from explorer.vectors.items import row_items


def edit_rows(table: pa.Table, ids: set[str], edit: str) -> list[dict[str, Any]]:
    """Return all rows, with those of ``ids`` edited; ``replace`` drops a row that has no ``corrected`` answer."""
    rows = []
    for row in table.to_pylist():
        if row["id"] not in ids:
            rows.append(row)
        elif edit == SWAP and row.get("chosen"):
            rows.append(_exchanged(row))
        elif edit == SWAP and is_unwanted(row):
            rows.append(turned(row))
        elif edit == REPLACE and row.get("corrected"):
            rows.append(row | {"response": row["corrected"]})
    return rows


def plan_zip(study: Study, plan: Plan, progress: Progress = silent) -> bytes:
    """Return a zip of what the first and largest top arm of a plan trains on: the stage's rows that take part, edited.

    Corrected answers that are missing are generated first, and kept for the training. Contents as in ``edited_zip``.
    """
    setting = read_setting(study, plan)
    rows = []
    for row in edited_rows(setting, plan.top, progress):
        edit = row.pop("edit", None)
        swapped = turned if setting.stage.kind == "kto" else _exchanged
        rows += [swapped(row) if edit == SWAP else row] if edit != DROP else []
    stage = {name: value for name, value in setting.stage.to_json().items() if name != "result"}
    about = {"behavior": plan.behavior, "ranking": plan.ranking, "stage": stage, "share": plan.share}
    recipes = {"SFT": setting.stage.recipe, "DPO": setting.stage.recipe}
    return _zip(study, rows, {**about, "edit": plan.edit, "ids": list(plan.top.ids)}, recipes)


def _exchanged(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"chosen": row["rejected"], "rejected": row["chosen"]}


def missing_corrections(study: Study, plan: Plan) -> int:
    """Count the corrected answers that ``plan_zip`` would have to generate."""
    if plan.edit != REPLACE:
        return 0
    setting, ids = read_setting(study, plan), set(plan.top.ids)
    if (setting.folder(plan.top) / CORRECTED).is_file():
        return 0
    return sum(row["id"] in ids and not row.get("corrected") for row in setting.rows)


def ranked_zip(study: Study, behavior: str, edit: str, k: int, chosen: Sequence[str] = (), **ranked_by: Any) -> bytes:
    """Return the ``edited_zip`` of the ``chosen`` datapoints, else of the top k of a ranking for a behavior.

    For a study whose training can't be repeated. ``ranked_by``: arguments of ``rank``. Raises ExplorerError for a k
    beyond the datapoints that are ranked.
    """
    about: dict[str, Any] = {"behavior": behavior, "ranking": {}}
    if not chosen:
        ranking = rank(study, AboutBehavior(behavior), **ranked_by)
        if not 0 < k <= len(ranking.order):
            raise ExplorerError(f"k is {k}; expected 1 to {len(ranking.order):,}, the datapoints that are ranked.")
        ids, about["ranking"] = study.datapoints()["id"].to_pylist(), asdict(ranking.choice)
        chosen = [ids[row] for row in ranking.order[:k]]
    return edited_zip(study, chosen, edit, about)


def edited_zip(study: Study, ids: Sequence[str], edit: str, about: dict[str, Any]) -> bytes:
    """Return a zip of all of a study's rows with those of ``ids`` edited, and a training script for each kind of row.

    Holds ``data-answers.jsonl`` and ``train-sft.py``, ``data-pairs.jsonl`` and ``train-dpo.py``, as far as there are
    such rows, and ``edited.json``: the edit, the ids, what is said ``about`` them, and the ids ``left_out`` because a
    corrected answer was asked for and is not in the data.
    """
    rows = edit_rows(study.datapoints(), set(ids), edit)
    about = {**about, "edit": edit, "ids": list(ids)}
    if edit == REPLACE:
        there = {row["id"] for row in rows}
        about["left_out"] = [name for name in ids if name not in there]
    return _zip(study, rows, about, {"SFT": SFT, "DPO": DPO})


def _zip(study: Study, rows: Iterable[dict[str, Any]], about: dict[str, Any], recipes: Mapping[str, Recipe]) -> bytes:
    """Zip rows, scripts and ``edited.json``; a row with both kinds of answers as the stage trains on it."""
    raw, trained = study.template == "raw", about.get("stage", {}).get("kind")
    lines: dict[str, list[dict[str, Any]]] = {"SFT": [], "DPO": [], "KTO": []}
    for row in rows:
        if trained == "kto" or (not trained and is_unwanted(row)):
            lines["KTO"].append(_unpaired(row, raw))
            continue
        pair = trained == "dpo" if trained else not row.get("response") and row.get("chosen") is not None
        prompt = row_items([row], raw)[0].prompt
        answers = {name: row[name] for name in PAIR} if pair else {"completion": row["response"] or ""}
        messages = {name: _answer(prompt, text) for name, text in answers.items()}
        rest = {name: value for name, value in row.items() if value is not None}
        lines["DPO" if pair else "SFT"].append({**rest, "prompt": _prompt(prompt), **messages})
    files = {"edited.json": json.dumps(about, ensure_ascii=False, indent=1)}
    for kind, data in lines.items():
        if data:
            name = {"SFT": "data-answers.jsonl", "DPO": "data-pairs.jsonl", "KTO": "data-unpaired.jsonl"}[kind]
            files[name] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in data)
            if kind == "KTO":  # TRL's own trainer reads it as it is
                continue
            files[f"train-{kind.lower()}.py"] = script(study, kind, name, recipes[kind])
    return zipped({name: text.encode() for name, text in files.items()})


def _unpaired(row: dict[str, Any], raw: bool) -> dict[str, Any]:
    """Return a row of KTO in TRL's format: prompt, completion, and the label whether it is wanted."""
    unwanted = is_unwanted(row)
    prompt = row_items([row], raw)[0].prompt
    rest = {name: value for name, value in row.items() if value is not None and name not in ("response", *PAIR)}
    answer = _answer(prompt, row["rejected"] if unwanted else row["response"] or "")
    return {**rest, "prompt": _prompt(prompt), "completion": answer, "label": not unwanted}


def _prompt(prompt: Prompt) -> str | list[dict[str, str]]:
    """Return a prompt as messages, system prompt and earlier turns first; a raw one as the text that is read."""
    if prompt.raw:
        return raw_text(prompt)
    return [{"role": role, "content": content} for role, content in prompt.turns]


def _answer(prompt: Prompt, text: str) -> str | list[dict[str, str]]:
    """Return an answer as a message; to a raw prompt, as the text that continues it."""
    return spaced(raw_text(prompt), text, raw=True) if prompt.raw else [{"role": "assistant", "content": text}]


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Zip files by name; the bytes are the same every time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()
