"""Which rule's maps hold under which replacement: the gallery's failures and the demo's, for docs/faithfulness.md.

python -m bench.verdicts --lines verdicts.jsonl --json docs/verdicts.json [--study STUDY]

Takes about an hour on two cores. Each failure is a line of ``--lines``, with its random curves; a run that was stopped
goes on after the last one.
"""

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench.lines import Work, measure_lines
from explorer.data.failures import Failure, shipped_failures
from explorer.data.study import open_study
from explorer.demo.build import build_demo, default_folder
from explorer.faithfulness.operators import OPERATORS
from explorer.faithfulness.verdict import DEFAULT_OPERATORS, MapVerdict, decide, verdicts
from explorer.model.load import LoadedModel, load_model
from explorer.model.spec import ModelSpec
from explorer.trace.explain import RULES, explain


def cases(folder: Path | None) -> Iterator[tuple[str, LoadedModel, Failure]]:
    """Yield (kind, model, failure): the gallery on the bare embedded model, then a study's on its last checkpoint."""
    for failure in shipped_failures().values():
        yield failure.kind, load_model(ModelSpec()), failure
    study = open_study(folder) if folder else build_demo(default_folder())
    for failure in study.failures().values():
        yield failure.kind, load_model(study.spec), failure


def line_of(kind: str, loaded: LoadedModel, failure: Failure) -> dict[str, Any]:
    """Judge every rule's map of a failure under every replacement."""
    start = time.perf_counter()
    maps = [explain(failure, loaded, rule=rule) for rule in RULES]
    judged = verdicts(maps, loaded, operators=list(OPERATORS))
    seconds = time.perf_counter() - start
    heading = {"id": failure.id, "kind": kind, "model": loaded.spec.title, "seconds": round(seconds, 1)}
    random = {t.reference.operator: t.reference.random.round(4).tolist() for t in judged[0].tests}
    return heading | {"players": judged[0].players, "gap": maps[0].trace.gap, "random": random, "rules": _rules(judged)}


def _rules(judged: list[MapVerdict]) -> dict[str, Any]:
    keys = ("p", "beats_random_orders", "effect", "comprehensiveness", "sufficiency", "leave_one_out")
    return {
        verdict.rule: {test["replacement"]: {key: test[key] for key in keys} for test in verdict.to_json()["tests"]}
        for verdict in judged
    }


def summary(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Count verdicts under the default replacements by rule and kind, and the maps that pass each one alone."""
    rules = {}
    for rule in lines[0]["rules"]:
        tests = [line["rules"][rule] for line in lines]
        kinds = [decide([test[operator]["p"] for operator in DEFAULT_OPERATORS]) for test in tests]
        by_kind = {kind: Counter() for kind in sorted({line["kind"] for line in lines})}
        for line, verdict in zip(lines, kinds, strict=True):
            by_kind[line["kind"]][verdict] += 1
        alone = {operator: sum(test[operator]["p"] <= 0.05 for test in tests) for operator in OPERATORS}
        effects = {o: sorted(t[o]["effect"]["value"] for t in tests)[len(tests) // 2] for o in OPERATORS}
        rules[rule] = {
            "verdicts": dict(Counter(kinds)),
            "passes_alone": alone,
            "median_effect": {operator: round(value, 2) for operator, value in effects.items()},
            "by_kind": {kind: dict(counter) for kind, counter in by_kind.items()},
        }
    return {"failures": len(lines), "replacements": list(DEFAULT_OPERATORS), "rules": rules}


def _works(study: Path | None) -> Iterator[Work]:
    for kind, loaded, failure in cases(study):
        yield (failure.id,), partial(line_of, kind, loaded, failure)


if __name__ == "__main__":
    measure_lines(__doc__ or "", ("id",), _works, summary)
