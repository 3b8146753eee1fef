"""How well clusters agree with the labels of a study, for every method and layer of its vectors; for the docs.

python -m bench.agreement STUDY --json agreement.json
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from explorer.behaviors.agreement import label_agreement, require_labels
from explorer.behaviors.clusters import find_clusters
from explorer.behaviors.matrix import similarity, subject_vectors
from explorer.behaviors.pipeline import reference_for
from explorer.behaviors.prompts import Which, study_subjects
from explorer.data.study import Study, check_study
from explorer.ranking.rank import Choice
from explorer.vectors.find import study_indexes
from explorer.vectors.methods import METHODS

DRAWS, RESAMPLES = 10, 1
"""Fewer than for a verdict: they only place the bound above which a datapoint belongs to a cluster."""


def bench_agreement(study: Study, which: Which) -> list[dict[str, Any]]:
    """A row for each method and layer: adjusted Rand index, clusters, labels that have a cluster of their own.

    Of the study's indexes the one of the most layers is taken.
    """
    labels, rows = require_labels(study.datapoints(), study.folder), []
    index = max(study_indexes(study), key=lambda index: len(index.manifest.layers))
    subjects = study_subjects(study, which, reference_for(study, index))
    target = subject_vectors(study, index, subjects)
    for method in METHODS.values():
        if not method.parts or not set(method.parts) <= set(index.manifest.parts):
            continue
        for layer in index.manifest.layers:
            matrix = similarity(index, subjects, target, Choice(method.name, layer))
            clusters = find_clusters(index, matrix, draws=DRAWS, resamples=RESAMPLES).cut()
            agreed = label_agreement(clusters, labels)
            row = {"method": method.name, "layer": layer, "clusters": len(clusters)}
            rows.append(row | {"adjusted_rand": round(agreed.rand, 4), "own": sum(m.own for m in agreed.matches)})
            print(rows[-1], file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Run it on a study, and write the rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--prompts", default="discovery", choices=["all", "behaviors", "discovery"])
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    found = {"prompts": given.prompts, "draws": DRAWS, "rows": bench_agreement(check_study(given.study), given.prompts)}
    given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
