"""Where the truth is known: how often a map of a BLiMP failure points at the words that decided it.

python -m bench.truth blimp --data FILE.jsonl --json docs/truth.json [--cases cases.json]
python -m bench.truth peers --cases cases.json --attributions attributions.json --json docs/truth.json
python -m bench.truth table --json docs/truth.json

For every item of a file that the embedded model gets wrong: a map under every rule at every layer. ``--cases`` writes
these items for ``bench/truth/peers.py``, where other libraries explain them; ``peers`` rates what they found alike.
Both put their rows under the file's name and leave what else stands in ``--json``.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.truth.cases import Case, CaseFile, wrong_cases
from bench.truth.hits import chance, hits, leave_one_out
from bench.truth.table import table
from explorer.faithfulness.operators import MaskedPrompt
from explorer.files import write_json
from explorer.model.embedded import embedded_folder
from explorer.model.load import LoadedModel, load_model
from explorer.reading import read_json
from explorer.trace.explain import RULES, default_layer, explain, trace_rule

OPERATORS = ("mean", "delete")
"""Replacements that words are left out by: keys of ``faithfulness.operators.OPERATORS``."""
Falls = dict[str, list[np.ndarray]]
"""For each replacement and case, (prompt's words,) the gap less the gap without that word."""


@dataclass(frozen=True)
class Attributed:
    """What ``bench.truth.peers`` writes: versions by library, and for each method the (T,) values by case."""

    versions: dict[str, str]
    attributions: dict[str, dict[str, list[float]]]
    refused: dict[str, str]


def rule_maps(loaded: LoadedModel, cases: Sequence[Case]) -> tuple[dict[tuple[str, int], list[np.ndarray]], Falls]:
    """(T,) relevance of each case, by rule and layer read; and what each word moves when it is left out alone."""
    maps, falls = defaultdict(list), defaultdict(list)
    for number, case in enumerate(cases, 1):
        traced = {each: explain(case.failure, loaded, rule=each) for each in dict.fromkeys(map(trace_rule, RULES))}
        for rule in RULES:
            explanation = traced[trace_rule(rule)]
            for layer in range(loaded.n_layers + 1):
                maps[rule, layer].append(explanation.at(rule, layer).relevance)
        prompt = MaskedPrompt(loaded, next(iter(traced.values())))
        words = [word for word in case.words if set(word) <= set(prompt.players.tolist())]
        masks = np.array([np.isin(prompt.players, word) for word in words])
        for operator in OPERATORS:
            falls[operator].append(case.gap - prompt.gaps(masks, operator))
        if number % 25 == 0:
            print(f"{number} of {len(cases)} cases", file=sys.stderr, flush=True)
    return maps, falls


def rated(cases: Sequence[Case], maps: Sequence[np.ndarray]) -> dict[str, Any]:
    """The hits over all cases, and over those whose contrast is number alone."""
    clean = [at for at, case in enumerate(cases) if case.clean]
    row = hits(cases, maps)
    if 0 < len(clean) < len(cases):
        row["clean"] = hits([cases[at] for at in clean], [maps[at] for at in clean])
    return row


def bench_blimp(path: Path, loaded: LoadedModel, cases_to: Path | None = None) -> dict[str, Any]:
    """Rates for every rule and layer of a file; see ``hits``."""
    cases, items = wrong_cases(path, loaded)
    if cases_to:
        write_json(cases_to, asdict(CaseFile(path.stem, str(embedded_folder()), cases)))
    clean = sum(case.clean for case in cases)
    heading = {"items": items, "wrong": len(cases), "clean": clean, "chance": chance(cases)}
    maps, falls = rule_maps(loaded, cases)
    rows = []
    for (rule, layer), each in maps.items():
        agreement = {operator: leave_one_out(cases, each, falls[operator]) for operator in OPERATORS}
        default = layer == default_layer(loaded.n_layers, rule)
        rates = rated(cases, each) if default else hits(cases, each)
        rows.append({"rule": rule, "layer": layer, "default": default, **rates, "leave_one_out": agreement})
    return heading | {"rows": rows}


def rate_peers(cases: Sequence[Case], attributed: Attributed) -> dict[str, Any]:
    """Rates of what other libraries attributed, each over the cases that it could explain."""
    rows = []
    for method, values in attributed.attributions.items():
        known = [case for case in cases if case.failure.id in values]
        maps = [np.array(values[case.failure.id]) for case in known]
        rows.append({"method": method, "cases": len(known), **rated(known, maps)})
    return {"versions": attributed.versions, "refused": attributed.refused, "peers": rows}


def add_to(path: Path, file: str, result: dict[str, Any]) -> None:
    """Put a file's figures beside what a JSON file holds already."""
    held: dict[str, Any] = read_json(path, "figures by file", dict[str, Any]) if path.exists() else {}
    write_json(path, held | {file: held.get(file, {}) | result})


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one file, or rate what the peers found, and write the rates as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.truth", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    blimp, peers = commands.add_parser("blimp"), commands.add_parser("peers")
    blimp.add_argument("--data", type=Path, required=True, help="a file of BLiMP, as JSON lines")
    blimp.add_argument("--cases", type=Path, help="write the items that the model gets wrong, for the peers")
    peers.add_argument("--cases", type=Path, required=True, help="what blimp --cases wrote")
    peers.add_argument("--attributions", type=Path, required=True, help="what bench/truth/peers.py wrote")
    tables = commands.add_parser("table", help="print the tables that the docs show")
    for command in (blimp, peers, tables):
        command.add_argument("--json", type=Path, required=True, help="where the rates are added, or stand")
    options = parser.parse_args(arguments)
    if options.command == "table":
        for file, figures in read_json(options.json, "figures by file", dict[str, Any]).items():
            print(f"{file}\n\n{table(figures)}\n")
        return
    if options.command == "blimp":
        add_to(options.json, options.data.stem, bench_blimp(options.data, load_model(), options.cases))
        return
    known = read_json(options.cases, "what bench.truth blimp --cases wrote", CaseFile)
    attributed = read_json(options.attributions, "what bench/truth/peers.py wrote", Attributed)
    add_to(options.json, known.file, rate_peers(known.cases, attributed))


if __name__ == "__main__":
    main()
