"""A survey that nothing was measured for: every kind of row, hostile text, several categories."""

from pathlib import Path

from explorer.model.spec import ModelSpec
from explorer.surveys.folder import (
    Case,
    LogAbout,
    Outcome,
    Pattern,
    Reading,
    Row,
    SurveySettings,
    add_row,
    create_survey,
)
from tests.pages.data_study import HOSTILE as HTML

LAYERS = 6
CATEGORIES = ("capitals", "dogs, cats", "")
OUTCOMES: tuple[Outcome, ...] = ("M-IA", "NC-IA + M-AG", "NC-IA + AG", "M-IA")
PATTERNS: tuple[Pattern, ...] = ("URT", "OIT", "both", "neither")
VERDICTS = ("holds", "disagree", "chance")
ABOUT = LogAbout("samples_capitals.jsonl", "lm-evaluation-harness", "0.4.9", "capitals", "tiny", "exact_match", 40, 24)


def made_case(number: int) -> Case:
    """The case of a number; the third is hostile, the sixth has no contrast."""
    prompt = HTML if number == 3 else f"the capital of Canada is number {number}?"
    right = "" if number == 6 else "Ottawa"
    category = CATEGORIES[number % 3]
    return Case(f"q/{number}", prompt, "Seoul", right, category=category, said="Seoul it is", expected=("Ottawa",))


def made_row(number: int, models: tuple[str, ...]) -> Row:
    """The row of a number: 4 is not made, 5 a small gap, 6 could not be read; gaps grow from model to model."""
    if number == 6:
        return Row("q/6", error=f"No contrast was found in {HTML}.")
    gap = {4: -0.5, 5: 0.4}.get(number, 1 + number / 4)
    failure = gap > 0
    peak = number % 2 * (LAYERS - 2) + 1
    shares = [1.0 + 8 * (layer == peak) + 0.01 * number for layer in range(LAYERS + 1)]
    readings = {
        name: Reading(gap - 2 * (len(models) - 1 - place), {"user": (2.0 + place, -1.0, 9), "template": (0.5, -0.5, 4)})
        for place, name in enumerate(models)
    }
    return Row(
        f"q/{number}",
        gap,
        (" Seoul", " Ottawa"),
        13,
        OUTCOMES[number % 4] if failure else None,
        PATTERNS[number % 4] if failure else None,
        0.97 if failure else None,
        verdict=VERDICTS[number % 3] if failure else None,
        verdict_figures="better than 98 % of random orders",
        reddest=((" Canada", 1.5), (HTML if number == 3 else " capital", 0.5)),
        bluest=((" is", -0.75),),
        profile=tuple(share / sum(shares) for share in shares),
        sink_share=number / 100,
        readings=readings,
        seconds=2.0 + number % 2,
    )


def made_survey(
    folder: Path, count: int = 24, models: dict[str, ModelSpec] | None = None, measured: int | None = None
) -> Path:
    """Write the survey of cases 1 to ``count``, the first ``measured`` of which have rows; by default all."""
    models = models or {"base": ModelSpec()}
    settings = SurveySettings("capitals", tuple(models.items()), judged=True, confirmed=True, log=ABOUT)
    create_survey(folder, settings, [made_case(number) for number in range(1, count + 1)])
    for number in range(1, (count if measured is None else measured) + 1):
        add_row(folder, made_row(number, tuple(models)))
    return folder
