"""What the default method and layer rest on: ``python -m bench.defaults STUDY …`` over studies with labels.

Every study needs vectors at several layers (``explorer build STUDY --stage base --layers 2,20,24,28 --methods all``).
Two tables, as Markdown: every method at the default layer and at the one that RepT's rule chooses, with 95 % intervals
over the behavior's prompts; and candidates for the default, among them means over layers and votes of ranks.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from bench.agreement import largest_index
from explorer.data.study import Study, check_study
from explorer.model.load import load_model
from explorer.ranking.evaluate import Score, evaluate, guilty_rows
from explorer.ranking.metrics import average_precision
from explorer.ranking.questions import AboutBehavior, question_items
from explorer.ranking.scores import Target, encode_target, scores
from explorer.vectors.find import index_model
from explorer.vectors.index import Index
from explorer.vectors.methods import METHODS, Method

PARTS = {"s": "state", "c": "change", "a": "activation", "g": "gradient"}
BLENDS = ("s", "c", "a", "g", "sc", "ca", "sca", "scg")
"""Candidates by the first letters of their parts, whose centred cosines are averaged."""


def candidates(index: Index, target: Target, layers: Sequence[int]) -> dict[str, np.ndarray]:
    """Return name → (n,) scores: blends of parts at each of some layers, and over all and the late ones of them."""
    scored = {
        (blend, layer): scores(index, target, _blend(blend), layer, True, "contrast").numpy()
        for blend in BLENDS
        for layer in layers
    }
    table = {f"{blend} at {layer}": values for (blend, layer), values in scored.items()}
    for over in (layers, layers[-2:]):
        name = ", ".join(map(str, over))
        for blend in ("c", "sc", "sca"):
            chosen = [scored[blend, layer] for layer in over]
            table[f"{blend}, mean over {name}"] = np.mean(chosen, axis=0)
            table[f"{blend}, vote of ranks over {name}"] = np.mean([_ranks(values) for values in chosen], axis=0)
    table |= {f"sc at {layer}, vote of parts": _vote(scored, "sc", layer) for layer in layers}
    return table


def _vote(scored: dict[tuple[str, int], np.ndarray], blend: str, layer: int) -> np.ndarray:
    return np.mean([_ranks(scored[part, layer]) for part in blend], axis=0)


def _blend(letters: str) -> Method:
    return Method(letters, "", "", "", tuple(PARTS[letter] for letter in letters), "averaged")


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0 to 1, ties shared; nan stays."""
    ranks = np.full(len(values), np.nan)
    ranked = ~np.isnan(values)
    ranks[ranked] = rankdata(values[ranked]) / ranked.sum()
    return ranks


def candidate_table(study: Study, layers: Sequence[int]) -> dict[str, float]:
    """Return candidate → average precision, the mean over the study's behaviors."""
    index = largest_index(study)
    loaded, parts = load_model(index_model(study, index)), [*PARTS.values()]
    found: dict[str, list[float]] = {}
    for name, guilty in guilty_rows(study).items():
        items = question_items(study, AboutBehavior(name))
        target = encode_target(loaded, items, parts, layers, "contrast")
        for candidate, values in candidates(index, target, layers).items():
            found.setdefault(candidate, []).append(average_precision(values, guilty))
    return {candidate: float(np.mean(values)) for candidate, values in found.items()}


def method_lines(study: Study, layers: Sequence[int]) -> dict[str, dict[int | None, list[Score]]]:
    """Return method → layer → the lines of its defaults, one a behavior."""
    lines: dict[str, dict[int | None, list[Score]]] = {name: {} for name in METHODS}
    for score in evaluate(study, stage=largest_index(study).manifest.checkpoint):
        if score.layer in (None, *layers):
            lines[score.method].setdefault(score.layer, []).append(score)
    return lines


def _cell(scores: Sequence[Score] | None) -> str:
    """A figure with its interval; of several behaviors the mean, with the mean of their intervals' ends."""
    if not scores:
        return ""
    low, high = np.mean([score.interval for score in scores], axis=0)
    return f"{np.mean([score.average_precision for score in scores]):.2f} ({low:.2f}–{high:.2f})"


def markdown(names: Sequence[str], rows: Sequence[tuple[str, Callable[[str], str]]]) -> str:
    """A table of rows, (title, study → cell), with a column a study."""
    lines = [f"| | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    lines += [f"| {title} | {' | '.join(cell(name) for name in names)} |" for title, cell in rows]
    return "\n".join(lines)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.defaults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("studies", type=Path, nargs="+", metavar="STUDY")
    studies = {folder.name: check_study(folder) for folder in parser.parse_args().studies}
    lines, chosen = {}, {}
    for name, study in studies.items():
        manifest = largest_index(study).manifest
        layers = (manifest.default_layer, manifest.notes["rept_layer"])
        lines[name], chosen[name] = method_lines(study, layers), layers

    def row(method: str, place: int) -> Callable[[str], str]:
        return lambda name: _cell(lines[name][method].get(chosen[name][place] if METHODS[method].parts else None))

    rules = {"default layer": 0, "RepT's rule": 1}
    rows = []
    for method, details in METHODS.items():
        places = rules.items() if details.parts else [("", 0)]
        rows += [(f"`{method}`{', ' if rule else ''}{rule}", row(method, place)) for rule, place in places]
    print(markdown([*studies], rows), end="\n\n")
    common = set.intersection(*(set(largest_index(study).manifest.layers) for study in studies.values()))
    late = sorted(common - {layers[1] for layers in chosen.values()})
    tables = {name: candidate_table(study, late) for name, study in studies.items()}
    order = sorted(next(iter(tables.values())), key=lambda c: -float(np.mean([t[c] for t in tables.values()])))
    means = {c: float(np.mean([t[c] for t in tables.values()])) for c in order}
    cells = [(f"{c} (mean {means[c]:.3f})", lambda name, c=c: f"{tables[name][c]:.3f}") for c in order]
    print(markdown([*studies], cells))


if __name__ == "__main__":
    main()
