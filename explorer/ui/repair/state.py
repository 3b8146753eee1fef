"""The study's repairs as the page lists them."""

from pathlib import Path

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.repair.plan import read_plan, repair_folders
from explorer.repair.job import DONE, NEW, status
from explorer.ui.study import distinct

NEW_REPAIR = "new"
"""Value of the link key ``repair`` where another one is being set up."""


def titles(study: Study) -> dict[str, str]:
    """Return the title of each repair of the study by its folder's name, the latest first."""
    return distinct({folder.name: _title(folder) for folder in repair_folders(study)})


def _title(folder: Path) -> str:
    try:
        title, now = read_plan(folder).title(), status(folder)
    except ExplorerError:
        return f"{folder.name} (broken)"
    if now.active:
        return f"{title} · at work"  # how far is said beside it, and changes while this stands
    trained = f"{now.done} of {now.total} trained" if now.total else "not trained"
    return title + {DONE: "", NEW: f" · {trained}"}.get(now.state, f" · {now.state}, {trained}")
