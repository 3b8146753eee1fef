"""At how many points of a curve a survey's verdict needs tokens replaced, against all six, for docs/survey.md.

python -m bench.brief --lines brief.jsonl --json docs/brief.json [--study STUDY]

Takes about an hour on two cores: AttnLRP's maps of the gallery's failures, of the demo's, and of made-up stories
(``bench.survey``), as many random orders as a survey draws at most. Each failure is a line of ``--lines``; a run that
was stopped goes on after the last one.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from bench.lines import Work, measure_lines
from bench.survey import story
from bench.verdicts import cases
from explorer.data.failures import Failure, shipped_failures
from explorer.errors import ExplorerError
from explorer.faithfulness.curves import ORDERS, SHARES, CurveTest, Reference, curve_sizes, measure_maps
from explorer.faithfulness.operators import MaskedPrompt
from explorer.faithfulness.verdict import DEFAULT_OPERATORS, decide
from explorer.model.load import LoadedModel, load_model
from explorer.model.spec import ModelSpec
from explorer.surveys.brief import SECOND, decided
from explorer.surveys.contrasts import answered, each_contrasted
from explorer.surveys.early import MOST, STEPS
from explorer.surveys.folder import Case
from explorer.surveys.outcomes import mask_size
from explorer.trace.explain import explain

STORIES = 24
"""Asked for: the model tells some rightly."""


def line_of(group: str, loaded: LoadedModel, failure: Failure) -> dict[str, Any]:
    """Measure the curves of a failure's map, and of random orders, at all ``SHARES`` and where the outcome masks."""
    start, explanation = time.perf_counter(), explain(failure, loaded)
    prompt = MaskedPrompt(loaded, explanation)
    relevance, n = explanation.relevance[prompt.players], len(prompt.players)
    masked = mask_size(relevance)
    line: dict[str, Any] = {"id": failure.id, "group": group, "players": n, "masked": masked}
    line["sizes"] = sorted({masked, *curve_sizes(n)})
    for operator in DEFAULT_OPERATORS:
        (test,) = measure_maps(prompt, [relevance], operator, MOST, sizes=line["sizes"])
        curves = [test.most_first.round(4).tolist(), test.least_first.round(4).tolist()]
        line[operator] = {"map": curves, "random": test.reference.random.round(4).tolist()}
    return line | {"seconds": round(time.perf_counter() - start, 1)}


Points = Mapping[str, Sequence[float]]
"""Replacement → shares of the players."""


def brief_of(line: dict[str, Any], points: Points, masked: bool) -> str:
    """The verdict on a line's map as a survey draws it, at some points of the curves, with the outcome's or without."""

    def test_of(operator: str, orders: int) -> CurveTest:
        known = curve_sizes(line["players"], points[operator])
        return _test(line, operator, sorted({*known, *([line["masked"]] if masked else [])}), orders)

    return decide([test.p for test in decided(test_of)])


def whole_of(line: dict[str, Any]) -> str:
    """The verdict on a line's map at all six points, against as many orders as on the Trace page."""
    sizes = curve_sizes(line["players"])
    return decide([_test(line, operator, sizes, ORDERS).p for operator in DEFAULT_OPERATORS])


def _test(line: dict[str, Any], operator: str, sizes: Sequence[int], orders: int) -> CurveTest:
    columns = [line["sizes"].index(size) for size in sizes]
    most, least = np.array(line[operator]["map"])[:, columns]
    reference = Reference(operator, tuple(sizes), np.array(line[operator]["random"])[:orders, columns], None)
    return CurveTest(reference, most, least, None, None)


def agreement(lines: list[dict[str, Any]], points: Points, masked: bool) -> dict[str, Any]:
    """How often a survey's verdict at some points is the whole one, and how often the opposite, by group."""
    groups: dict[str, dict[str, Any]] = {}
    for group in dict.fromkeys(line["group"] for line in lines):
        of = [line for line in lines if line["group"] == group]
        brief = [brief_of(line, points, masked) for line in of]
        pairs = [*zip(brief, map(whole_of, of), strict=True)]
        opposite = sum({*pair} == {"holds", "chance"} for pair in pairs)
        same = {"failures": len(of), "same": sum(a == b for a, b in pairs), "opposite": opposite}
        groups[group] = same | {"verdicts": dict(Counter(brief))}
    total = {name: sum(group[name] for group in groups.values()) for name in ("failures", "same", "opposite")}
    return {"points": points, "outcomes_masks": masked, **total, "groups": groups}


def summary(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """``agreement`` of all six points, of those that are used, and of every choice of up to three."""
    every = [(choice, masked) for n in range(1, 4) for choice in combinations(SHARES, n) for masked in (False, True)]
    few = [(choice, masked) for choice, masked in every if len(choice) + masked <= 3]
    return {
        "orders": {"whole": ORDERS, "brief": STEPS},
        "whole": dict(Counter(map(whole_of, lines))),
        "all_points": agreement(lines, _same(SHARES), False),
        "used": agreement(lines, {name: (share,) for name, share in SECOND.items()}, True),
        "choices": [agreement(lines, _same(choice), masked) for choice, masked in few],
    }


def _same(shares: Sequence[float]) -> Points:
    return dict.fromkeys(DEFAULT_OPERATORS, shares)


def _stories(loaded: LoadedModel) -> Iterator[Failure]:
    asked = [Case(f"story-{s['id']}", s["prompt"], expected=(s["expected"],)) for s in map(story, range(STORIES))]
    for found in each_contrasted(answered(asked, loaded), loaded):
        if not isinstance(found, ExplorerError) and explain(found.failure, loaded).trace.gap > 0:
            yield found.failure


def _works(study: Path | None) -> Iterator[Work]:
    shipped, base = len(shipped_failures()), load_model(ModelSpec())
    for number, (_, loaded, failure) in enumerate(cases(study)):
        yield (failure.id,), partial(line_of, "gallery" if number < shipped else "demo", loaded, failure)
    for failure in _stories(base):
        yield (failure.id,), partial(line_of, "stories", base, failure)


if __name__ == "__main__":
    measure_lines(__doc__ or "", ("id",), _works, summary)
