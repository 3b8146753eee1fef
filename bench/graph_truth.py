"""Which drawings hold: patching against relevance on the gallery's and the demo's failures, for docs/graph.md.

python -m bench.graph_truth --lines graph_truth.jsonl --json docs/graph-truth.json [--study STUDY]

The drawing is the one that the app shows first. Each failure and rule is a line of ``--lines``; a run that was stopped
goes on after the last one.
"""

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.lines import Work, measure_lines
from bench.verdicts import cases
from explorer.data.failures import Failure
from explorer.faithfulness.graph_verdict import REPLACEMENTS, graph_verdict
from explorer.graph.build import TracedEdges
from explorer.model.load import LoadedModel
from explorer.trace.explain import explain

RULES = ("attnlrp", "cplrp")


def line_of(kind: str, loaded: LoadedModel, failure: Failure, rule: str) -> dict[str, Any]:
    """Judge the drawing of one failure under one rule."""
    edges, start = TracedEdges(loaded, explain(failure, loaded, rule=rule, record=True)), time.perf_counter()
    verdict = graph_verdict(edges, edges.story())
    heading = {"id": failure.id, "kind": kind, "model": loaded.spec.title, "rule": rule}
    return heading | verdict.to_json() | {"seconds": round(time.perf_counter() - start, 1)}


def summary(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Count verdicts by rule, and give quartiles of r, of its control, and of RelP's r under each replacement."""
    rules = {}
    for rule in RULES:
        some = [line for line in lines if line["rule"] == rule]
        figures = {}
        for number, operator in enumerate(REPLACEMENTS):
            tests = [line["tests"][number] for line in some]
            figures[operator] = {
                name: np.nanquantile([np.nan if t[name] is None else t[name] for t in tests], [0.25, 0.5, 0.75])
                .round(2)
                .tolist()
                for name in ("r", "control", "relp_r")
            } | {"below_0.05": sum(test["p"] <= 0.05 for test in tests)}
        kinds = dict(Counter(line["verdict"] for line in some))
        rules[rule] = {"failures": len(some), "verdicts": kinds, "quartiles": figures}
    return rules


def _works(study: Path | None) -> Iterator[Work]:
    for kind, loaded, failure in cases(study):
        for rule in RULES:
            yield (failure.id, rule), partial(line_of, kind, loaded, failure, rule)


if __name__ == "__main__":
    measure_lines(__doc__ or "", ("id", "rule"), _works, summary)
