"""The bar of the Survey page: which survey, and which of its pictures."""

from pathlib import Path
from typing import Any, cast

from explorer.surveys.folder import Survey
from explorer.surveys.profiles import MOST
from explorer.surveys.report import DIVISION_TITLES, Division
from explorer.ui import link
from explorer.ui.icons import icon_alone
from explorer.ui.session import current_case
from explorer.ui.study import distinct
from explorer.ui.survey.opened import survey_titles
from explorer.ui.survey.view import NEW, NO_FILTER, divisions

ABOUT = "Those of this study, the newest first: from which log, and how many failures."
VIEWS = {"outcomes": "Outcomes", "models": "Models side by side"}
VIEW_HELP = (
    "**Outcomes**: what explains the failures, by category, and at which layers. **Models side by side**: "
    "the gap of each failure from model to model, and which part of the prompt carries it."
)
CLUSTERS_HELP = (
    "Into how many groups the failures are parted by where in the layers their relevance lies (k-means). **Best "
    "groups**: the number with the largest silhouette. Each line is a group's mean."
)
BARS_HELP = (
    "What the bars are divided by. **Outcome**: what closes the gap (see the legend). **Pattern**: relevant tokens "
    "underweighted (URT) or irrelevant ones overweighted (OIT). **Verdict**: whether the maps hold. **Gap**: whether "
    "the surveyed model makes the failure."
)


def pick_survey(study: Path) -> str:
    """Draw the picker of surveys and the button for a new one; return the name, or ``NEW``.

    The default is the survey that the failure on screen is of, else the newest one.
    """
    titles = distinct(survey_titles(study))
    if not titles:
        if link.get("survey", NEW) != NEW:
            link.tell_absent("survey")
        return NEW
    of_case = current_case().id.partition("/")[0]
    usual = of_case if of_case in titles else next(iter(titles))
    forget = lambda: link.put(NO_FILTER, ticked=None, sort=None, view=None, profiles=None)  # noqa: E731
    options = {**titles, NEW: "New survey"}
    name = link.select("Survey", "survey", options, usual, help=ABOUT, then=forget)
    if link.is_read():
        return name
    begin: dict[str, Any] = {"on_click": link.put, "kwargs": {"survey": NEW}, "disabled": name == NEW}
    place, about = icon_alone("survey-new"), "New survey, from another log"
    place.button("New survey", icon=":material/add:", key="survey-new", help=about, **begin)
    return name


def pick_view(survey: Survey) -> str:
    """Draw the picker of the pictures, where there are several models; return which ones."""
    if len(survey.settings.models) < 2:
        return "outcomes"
    return link.segmented("Pictures", "view", VIEWS, "outcomes", help=VIEW_HELP)


def pick_clusters() -> None:
    """Draw the picker of how many groups the profiles are parted into; ``view.on_screen`` reads it."""
    options = {"best": "Best groups", **{str(number): str(number) for number in range(2, MOST + 1)}}
    link.segmented("Profile clusters", "profiles", options, "best", help=CLUSTERS_HELP)


def pick_bars(survey: Survey) -> Division:
    """Draw the picker of what the bars are divided by; return it."""
    options: dict[str, str] = {name: DIVISION_TITLES[name] for name in divisions(survey)}
    if len(options) < 2:
        return next(iter(divisions(survey)))
    return cast(Division, link.segmented("Bars by", "bars", options, next(iter(options)), help=BARS_HELP))
