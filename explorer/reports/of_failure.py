"""Sections about one failure: the map of its words, the way through the layers, the eyes of several models."""

from collections.abc import Sequence
from pathlib import Path

from explorer.data.failures import Failure
from explorer.data.study import Study
from explorer.errors import count
from explorer.faithfulness.curves import CurveTest
from explorer.faithfulness.operators import OPERATORS
from explorer.faithfulness.verdict import MapVerdict, rule_name
from explorer.figures.caption import Caption, explanation_caption
from explorer.figures.gaps import compared_maps, comparison_caption, gaps_figure
from explorer.figures.graph import graph_figure
from explorer.figures.graph_caption import graph_caption
from explorer.figures.heatmap import heatmap_caption, maps_svg
from explorer.figures.save import styled
from explorer.figures.survey import survey_figure
from explorer.figures.token_map import TokenMap
from explorer.graph.layout import AttributionGraph
from explorer.reports.blocks import Block, Commands, Facts, Grid, Ink, Picture, Section, Text, facts, plain
from explorer.reports.commands import compare_command, graph_commands, judged_in, line, trace_command
from explorer.safe_text import shortened
from explorer.surveys.folder import Survey
from explorer.surveys.profiles import Profiles
from explorer.surveys.report import Division, headline, source
from explorer.surveys.totals import totals
from explorer.trace.compare import ModelReading
from explorer.trace.story import tell

UNCHECKED = "Not checked whether this holds."
_CASE = ("System prompt", "Prompt", "Wrong answer", "Right answer", "Gap", "Model")
_INKS: dict[str, Ink] = {"Wrong answer": "wrong", "Right answer": "right"}
_CASES = 12
"""Failures of a survey that are listed, the first of those on screen."""


def case_facts(caption: Caption) -> Facts:
    """Return what a case is from the caption of a picture of it."""
    return Facts(tuple((label, text, _INKS.get(label, "")) for label, text, _ in caption.lines() if label in _CASE))


def trace_section(
    maps: Sequence[TokenMap],
    failure: Failure,
    study: Study,
    verdicts: Sequence[MapVerdict | None] = (),
    every: Sequence[MapVerdict] = (),
    link: str = "",
) -> Section:
    """Return what the Trace page shows.

    Args:
        maps: of one failure, from left to right.
        verdicts: on these maps; None where it is not known.
        every: the verdicts on all rules' maps.
        link: address of the page.
    """
    first, caption = maps[0].explanation, heatmap_caption(maps, link, verdicts)
    known = [*verdicts, *[None] * (len(maps) - len(verdicts))]
    judged = [plain(_told(verdict, len(maps) > 1), "verdict" if verdict else "note") for verdict in known]
    lines = (
        judged_in(verdict, trace_command(shown.explanation, failure, study))
        for shown, verdict in zip(maps, known, strict=True)
    )
    blocks: list[Block] = [
        Text(tell(first).parts, "lead"),
        maps_picture(maps, caption.title),
        plain(_sentence(caption.legend), "note"),
        *judged,
        *([_rules(every)] if len(every) > 1 else []),
        Commands(tuple(dict.fromkeys(lines))),
    ]
    return Section(caption.title, tuple(blocks), case_facts(caption), link=link)


def maps_picture(maps: Sequence[TokenMap], about: str) -> Picture:
    """Return maps, one below the other."""
    with styled():
        figure, svg, cuts = maps_svg(maps)
    return Picture(figure, about, svg, cuts)


def _told(verdict: MapVerdict | None, several: bool) -> str:
    if verdict is None:
        return UNCHECKED
    return f"{rule_name(verdict)}: {verdict.sentence}" if several else verdict.sentence


def _rules(every: Sequence[MapVerdict]) -> Grid:
    """Return the verdicts on all rules' maps as a table."""
    rows = [(rule_name(v), v.words.partition(":")[0], *map(_beaten, v.tests)) for v in every]
    heads = (f"random orders beaten ({OPERATORS[test.reference.operator]})" for test in every[0].tests)
    return Grid(("rule", "verdict on its map", *heads), tuple(rows))


def _beaten(test: CurveTest) -> str:
    effect, low, high = test.effect
    return f"{test.beaten:.0%}; {effect:.1f} sd [{low:.1f}, {high:.1f}]"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def graph_section(graph: AttributionGraph, failure: Failure, study: Study, link: str = "") -> Section:
    """Return what the Graph page draws; its verdict is what ``graph.faithfulness`` says."""
    caption = graph_caption(graph, link)
    verdict = plain(caption.verdict, "verdict") if caption.verdict else plain(UNCHECKED, "note")
    blocks: list[Block] = [
        *([Text(graph.path, "lead")] if graph.path else []),
        Picture(graph_figure(graph), caption.title),
        plain(f"Tokens are columns, layers are rows; the contrast stands at the top. {caption.legend}", "note"),
        verdict,
        graph_commands(graph, failure, study),
    ]
    return Section("Which way it took through the layers", tuple(blocks), case_facts(caption), link=link)


def compare_section(
    readings: Sequence[ModelReading],
    failure: Failure,
    study: Study,
    changes: bool = False,
    verdicts: Sequence[MapVerdict | None] = (),
    link: str = "",
) -> Section:
    """Return what the Compare page shows; ``changes``: see ``compared_maps``."""
    maps = compared_maps(readings, changes)
    caption = comparison_caption(readings, maps, link, verdicts)
    first = readings[0].explanation
    rows = [
        (
            reading.name,
            f"{reading.explanation.trace.gap:+.2f}",
            f"{reading.prediction.wrong_probability:.1%}",
            f"{reading.prediction.right_probability:.1%}",
            shortened(reading.prediction.answer, 120),
        )
        for reading in readings
    ]
    heads = ("model", f"gap ({first.unit})", "P(wrong)", "P(right)", "it answers")
    blocks: list[Block] = [
        Picture(gaps_figure(readings), f"The gaps of {count(len(readings), 'model')}"),
        Grid(heads, tuple(rows), (0.26, 0.12, 0.1, 0.1, 0.42)),
        maps_picture(maps, "Their maps"),
        plain(_sentence(caption.legend), "note"),
        plain(f"Verdicts: {caption.verdict}", "verdict" if any(verdicts) else "note"),
        compare_command([reading.spec for reading in readings], first.rule, failure, study),
    ]
    case = case_facts(explanation_caption(first, caption.title))
    alike = Facts(tuple(row for row in case.rows if row[0] not in ("Gap", "Model")))
    return Section(caption.title, tuple(blocks), alike, link=link)


def survey_section(
    survey: Survey, ids: Sequence[str], profiles: Profiles | None, by: Division, study: Path, link: str = ""
) -> Section:
    """Return what the Survey page shows of the cases ``ids``; ``study``: the folder that the survey lies in."""
    counts = totals(survey, ids)
    listed = facts(
        ("Survey", survey.settings.title),
        ("Failures", f"{len(ids):,} of {len(survey.cases):,}"),
        ("Models", ", ".join(name for name, _ in survey.settings.models)),
        ("Rule", survey.settings.rule),
        ("Log", source(survey.settings.log)),
    )
    blocks: list[Block] = [
        plain(headline(counts.all), "lead"),
        listed,
        Picture(survey_figure(survey, ids, counts, profiles, by), survey.settings.title),
        *_cases(survey, ids),
        Commands((line("survey", "--go-on", f"{study.name}/surveys/{survey.folder.name}", "--json", "survey.json"),)),
    ]
    return Section(f"Survey: {survey.settings.title}", tuple(blocks), link=link)


def _cases(survey: Survey, ids: Sequence[str]) -> list[Block]:
    rows = []
    for id in ids[:_CASES]:
        case, row = survey.cases[id], survey.rows.get(id)
        gap = f"{row.gap:+.2f}" if row and row.gap is not None else "–"
        texts = (shortened(text, 160) for text in (case.prompt, case.wrong, case.right or "?"))
        rows.append((gap, (row and row.outcome) or "–", *texts))
    heads = ("Δℓ (logits)", "outcome", "prompt", "wrong answer", "right answer")
    more = len(ids) - _CASES
    table = Grid(heads, tuple(rows), (0.1, 0.14, 0.36, 0.2, 0.2))
    return [table, *([plain(f"and {more:,} more", "note")] if more > 0 else [])]
