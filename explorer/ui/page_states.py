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
class SurveyState(PageState):
    """The survey on screen by its folder's name, or ``new`` for the set-up; what its list leaves out, and its order."""

    survey: str = ""
    view: str = ""
    bars: str = ""
    category: str = ""
    outcome: str = ""
    pattern: str = ""
    verdict: str = ""
    made: str = ""
    profile: str = ""
    unseen: str = ""
    find: str = ""
    sort: str = ""
    ticked: str = ""


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


@dataclass(frozen=True)
class StudiesState(PageState):
    """``new`` is 1 while a study is being made, at ``step``, kept as ``draft``; ``manage``: the study dealt with."""

    new: str = ""
    step: str = ""
    draft: str = ""
    manage: str = ""


@dataclass(frozen=True)
class ReportState(PageState):
    """``of``: ``collected`` for the pages that were collected, else the case on screen."""

    of: str = ""
