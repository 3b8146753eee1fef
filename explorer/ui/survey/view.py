"""What of a survey is on screen: which cases are listed, in which order, which are selected. It stands in the link."""

from dataclasses import dataclass
from functools import cached_property
from typing import cast

from explorer.surveys.folder import OUTCOMES, PATTERNS, Survey
from explorer.surveys.listing import SORTS, STATES, VERDICTS, Filter, listed
from explorer.surveys.profiles import Profiles
from explorer.surveys.report import DIVISIONS, Division
from explorer.surveys.side_by_side import SideBySide, side_by_side
from explorer.surveys.totals import Totals
from explorer.ui import link
from explorer.ui.survey.opened import survey_profiles, survey_totals

NEW = "new"
"""Value of the link key ``survey`` where a new one is being set up."""
SORT = "-gap"
NO_FILTER: dict[str, str | None] = dict.fromkeys(
    ("category", "outcome", "pattern", "verdict", "made", "profile", "find", "unseen")
)
"""Keys of the link that leave something out."""


@dataclass(frozen=True, eq=False)
class OnScreen:
    """A survey as it is looked at.

    Attributes:
        ids: of the listed cases, in order.
        ticked: ids that are selected; some may not be listed.
    """

    survey: Survey
    wanted: Filter
    sort: str
    ids: list[str]
    ticked: set[str]
    profiles: Profiles | None

    @property
    def totals(self) -> Totals:
        """Of the whole survey."""
        return survey_totals(self.survey)

    @cached_property
    def labels(self) -> dict[str, int]:
        """Id → number of its profile cluster."""
        return self.profiles.labels if self.profiles else {}

    @cached_property
    def models(self) -> SideBySide:
        """The listed cases under all models of the survey."""
        return side_by_side(self.survey, self.ids)

    @property
    def chosen(self) -> list[str]:
        """What an action is about: the selected cases, in the survey's order; else all that are listed."""
        return [id for id in self.survey.cases if id in self.ticked] or self.ids


def on_screen(survey: Survey) -> OnScreen:
    """Read the link."""
    clusters = link.whole(link.get("profiles"))
    profiles = survey_profiles(survey, clusters if clusters and clusters > 1 else None)
    sort = link.get("sort") if link.get("sort").removeprefix("-") in SORTS else SORT
    wanted = _link_filter(survey, profiles)
    ids = listed(survey, wanted, profiles.labels if profiles else None, sort)
    return OnScreen(survey, wanted, sort, ids, _link_ticked(survey), profiles)


def _link_filter(survey: Survey, profiles: Profiles | None) -> Filter:
    categories = category_keys(survey)
    clusters = {str(number): number for number in profiles.composition} if profiles else {}
    return Filter(
        tuple(categories[key] for key in _several("category") if key in categories),
        *(
            tuple(key for key in _several(name) if key in options)
            for name, options in (
                ("outcome", OUTCOMES),
                ("pattern", PATTERNS),
                ("verdict", VERDICTS),
                ("made", STATES),
            )
        ),
        profiles=tuple(clusters[key] for key in _several("profile") if key in clusters),
        text=link.get("find"),
        unseen=link.flag("unseen"),
    )


def _several(name: str) -> list[str]:
    return [part for part in link.get(name).split(",") if part]


def category_keys(survey: Survey) -> dict[str, str]:
    """Return how categories stand in the link, where commas stand between several → the category."""
    return {name.replace("%", "%25").replace(",", "%2C") or "%": name for name in survey.categories()}


def _link_ticked(survey: Survey) -> set[str]:
    """The selected cases: the link has their places in the survey, which no run changes."""
    ids = list(survey.cases)
    places = (link.whole(part) for part in _several("ticked"))
    return {ids[place] for place in places if place is not None and place < len(ids)}


def tick(survey: Survey, ids: list[str], on: bool) -> None:
    """Select cases, or no longer."""
    ticked = _link_ticked(survey)
    ticked = ticked | set(ids) if on else ticked - set(ids)
    places = [str(place) for place, id in enumerate(survey.cases) if id in ticked]
    link.put(ticked=",".join(places) or None)


def divisions(survey: Survey) -> list[Division]:
    """Return what bars may be divided by; the first is the default. A survey that is not judged has gaps alone."""
    rows = survey.rows.values()
    judged = {"outcome": any(r.outcome for r in rows), "pattern": any(r.pattern for r in rows)}
    judged["verdict"] = any(r.verdict for r in rows)
    return [by for by in DIVISIONS if judged.get(by, True)]


def bars_by(survey: Survey) -> Division:
    """Return what the stacked bars are divided by."""
    first, *others = divisions(survey)
    return cast(Division, link.choice("bars", dict.fromkeys((first, *others), ""), first))
