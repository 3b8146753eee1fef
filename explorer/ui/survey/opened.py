"""Surveys of a study as pages read them: from memory until one of their files changes."""

from pathlib import Path

from explorer.errors import ExplorerError
from explorer.files import Version, version_of
from explorer.surveys.folder import CASES, NOTES, ROWS, SETTINGS, Survey, read_survey, surveys_of
from explorer.surveys.job import status
from explorer.surveys.profiles import Profiles, cluster_profiles
from explorer.surveys.totals import Totals, totals
from explorer.ui.caching import cached

_FILES = (SETTINGS, CASES, ROWS)


def _versions(folder: Path, *names: str) -> tuple[Version | None, ...]:
    return tuple(version_of(folder / name) for name in names)


_MEASURED = {Survey: lambda survey: (str(survey.folder), *_versions(survey.folder, *_FILES))}
"""Of a survey, what its figures depend on; notes change none of them."""


def opened_survey(folder: Path) -> Survey:
    """Read a survey, again only when a file of it has changed. Raises ExplorerError."""
    return _read(folder, _versions(folder, *_FILES, NOTES))


@cached("Reading the survey")
def _read(folder: Path, _versions: tuple[Version | None, ...]) -> Survey:
    return read_survey(folder)


def survey_folder(study: Path, name: str) -> Path | None:
    """Return the folder of a study's survey by its name; None where there is none."""
    return next((folder for folder in surveys_of(study) if folder.name == name), None)


def survey_titles(study: Path) -> dict[str, str]:
    """Return what people read of each survey of a study, by its folder's name, the newest first."""
    return {folder.name: _title(folder) for folder in surveys_of(study)}


def _title(folder: Path) -> str:
    try:
        now, survey = status(folder), opened_survey(folder)
    except ExplorerError:
        return f"{folder.name} (broken)"
    if now.active:
        return f"{survey.settings.title} · at work"  # how far is said beside it, and changes while this stands
    measured = f"{len(survey.rows):,} of {len(survey.cases):,}" if len(survey.rows) < len(survey.cases) else ""
    return f"{survey.settings.title} · {measured or f'{len(survey.cases):,}'} failures"


@cached("Counting the outcomes", keys=_MEASURED)
def survey_totals(survey: Survey) -> Totals:
    """Return the totals of a whole survey; kept."""
    return totals(survey)


@cached("Grouping the profiles", keys=_MEASURED)
def survey_profiles(survey: Survey, clusters: int | None) -> Profiles | None:
    """Return the clusters of relevance by layer, None where there are too few cases; kept."""
    return cluster_profiles(survey, clusters)
