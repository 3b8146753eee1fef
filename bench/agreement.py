"""Agreement of clusters with the labels of a study, for every method and layer of its vectors; for the docs.

python -m bench.agreement STUDY --json agreement.json
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from explorer.behaviors.agreement import label_agreement, require_labels
from explorer.behaviors.clusters import find_clusters
from explorer.behaviors.matrix import similarity
from explorer.behaviors.prompt_vectors import prompt_vectors
from explorer.behaviors.prompts import PromptKind, default_reference, study_prompts
from explorer.data.study import Study, check_study
from explorer.files import write_json
from explorer.vectors.find import study_indexes
from explorer.vectors.index import Index
from explorer.vectors.methods import METHODS

DRAWS, RESAMPLES = 10, 1
"""Fewer than for a verdict: they only set the similarity above which a datapoint belongs to a cluster."""


def largest_index(study: Study) -> Index:
    """Return the study's index with the most layers."""
    return max(study_indexes(study), key=lambda index: len(index.manifest.layers))


def bench_agreement(study: Study, kind: PromptKind) -> list[dict[str, Any]]:
    """A row for each method and layer: adjusted Rand index, clusters, labels that have a cluster of their own.

    Uses the study's index that has the most layers.
    """
    labels, rows = require_labels(study.datapoints(), study.folder), []
    index = largest_index(study)
    prompts = study_prompts(study, kind, default_reference(study, index.manifest.checkpoint))
    target = prompt_vectors(study, index, prompts.rows)
    for method in METHODS.values():
        if not method.parts or not set(method.parts) <= set(index.manifest.parts):
            continue
        for layer in index.manifest.layers:
            matrix = similarity(index, prompts, target, method.name, layer)
            cut = find_clusters(index, matrix, draws=DRAWS, resamples=RESAMPLES).cut()
            agreement = label_agreement(cut, labels)
            row = {"method": method.name, "layer": layer, "clusters": len(cut)}
            own = sum(match.exclusive for match in agreement.matches)
            rows.append(row | {"adjusted_rand": round(agreement.rand, 4), "own": own})
            print(rows[-1], file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Measure a study and write the rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--prompts", default="discovery", choices=["all", "behaviors", "discovery"])
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    rows = bench_agreement(check_study(options.study), options.prompts)
    write_json(options.json, {"prompts": options.prompts, "draws": DRAWS, "rows": rows})


if __name__ == "__main__":
    main()
