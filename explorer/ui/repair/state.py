"""What the Repair page works with: the titles of the study's repairs, and the plan of a new one."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.ranking.rank import Choice, Ranking
from explorer.repair.choose import plan_repair
from explorer.repair.plan import DROP, Plan, read_plan, repair_folders
from explorer.repair.status import DONE, NEW, status
from explorer.ui.caching import HASHES
from explorer.ui.study import distinct
from explorer.vectors.index import Index

NEW_REPAIR = "new"
"""Value of the link key ``repair`` where another one is being set up."""


@dataclass(frozen=True)
class Source:
    """The datapoints to edit: the top of a ranking for the behavior, or the ``chosen`` ones of the basket."""

    behavior: str
    index: Index | None = None
    choice: Choice = field(default_factory=Choice)
    chosen: tuple[str, ...] = ()


_HASHES: dict[Any, Any] = HASHES | {Ranking: lambda ranking: ranking.choice}
"""A ranking is told by the source that it was made from, which is hashed beside it."""


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs=_HASHES)
def planned(
    study: Study, source: Source, ranking: Ranking | None, ks: tuple[int, ...], train: str | None, preset: str
) -> Plan:
    """The plan of a set-up, as one that drops: which datapoints are edited does not depend on how.

    Raises ExplorerError.
    """
    return plan_repair(
        study, source.behavior, DROP, ks, preset=preset, train=train, chosen=source.chosen, ranking=ranking
    )


def titles(study: Study) -> dict[str, str]:
    """Title of each repair of the study by its folder's name, the latest first."""
    return distinct({folder.name: _title(folder) for folder in repair_folders(study)})


def _title(folder: Path) -> str:
    try:
        title, now = read_plan(folder).title(), status(folder)
    except ExplorerError:
        return f"{folder.name} (broken)"
    if now.active:
        return f"{title} · at work"  # how far is said beside it, and changes while this stands
    trained = f"{now.done} of {now.of} trained" if now.of else "not trained"
    return title + {DONE: "", NEW: f" · {trained}"}.get(now.state, f" · {now.state}, {trained}")
