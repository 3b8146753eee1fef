"""What one page's link to another says: the keys of that page's link, spelt once.

The study, the case, the model and the selected token travel along from page to page (``session.TRAVELS``); they are not
repeated here.
"""

from dataclasses import dataclass

from explorer.ui.link import PageState


@dataclass(frozen=True)
class CompareState(PageState):
    """Names of models with commas between."""

    models: str = ""


@dataclass(frozen=True)
class TrainingDataState(PageState):
    """What is asked (``behavior``, or ``node`` as layer:token and its ``half``), how, and the row that is open."""

    behavior: str = ""
    node: str = ""
    half: str = ""
    method: str = ""
    stage: str = ""
    layer: str = ""
    query: str = ""
    centre: str = ""
    dot: str = ""
    row: str = ""


@dataclass(frozen=True)
class RepairState(PageState):
    """The repair on screen by its folder's name, or the set-up of a new one."""

    repair: str = ""
    behavior: str = ""
    by: str = ""
    method: str = ""
    stage: str = ""
    layer: str = ""
    query: str = ""
    centre: str = ""
    top: str = ""
    edit: str = ""
    train: str = ""
    size: str = ""
