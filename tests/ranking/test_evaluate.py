"""The evaluation's lines are the metrics of the rankings that anybody can ask for."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.ranking.directions import Control, Persona
from explorer.ranking.evaluate import best_layer, evaluate
from explorer.ranking.metrics import recall_at
from explorer.ranking.questions import AboutBehavior, AboutPersona
from explorer.ranking.rank import rank
from explorer.vectors.methods import DIRECTIONS, METHODS
from tests.pages.data_study import BEHAVIORS, data_rows

CONTROL = Control(BEHAVIORS[0]["asks"], BEHAVIORS[0]["forbids"])


@pytest.mark.slow
def test_every_line_is_the_metric_of_its_ranking(study: Study) -> None:
    told: list[tuple[str, float, float]] = []
    table = evaluate(study, every=True, progress=lambda *step: told.append(step))
    assert [step[1:] for step in told if step[0] == "Scoring every method"] == [(1, 1)]
    guilty = np.array([row["label"] == "swapped" for row in data_rows()])
    # two layers, plain and centred, cosine and dot product; three queries a method with vectors, and two more for those
    # that a direction can be compared with; one line a method without vectors
    with_vectors = [name for name, method in METHODS.items() if method.parts]
    assert len(table) == (len(with_vectors) * 3 + (len(with_vectors) - 1) * 2) * 8 + len(METHODS) - len(with_vectors)
    assert len({(s.method, s.layer, s.centre, s.query, s.measure) for s in table}) == len(table)
    for line in table[::7] + table[-2:]:
        setting = {name: getattr(line, name) for name in ("method", "layer", "centre", "query", "measure")}
        question = AboutBehavior("swapped")
        if line.query in DIRECTIONS:
            systems = Persona(BEHAVIORS[0]["asks"]) if line.query == "persona" else CONTROL
            question, setting["query"] = AboutPersona(question, systems), None
        scores = rank(study, question, **setting).scores
        last = np.where(np.isnan(scores), np.nanmin(scores) - 1, scores)
        assert line.average_precision == pytest.approx(average_precision_score(guilty, last), abs=1e-6)
        assert line.recall_at[10] == recall_at(scores, guilty, 10)
        low, high = line.interval
        assert 0 <= low <= high <= 1 and line.guilty == 20 and line.checkpoint == "base"


@pytest.mark.slow
def test_the_defaults_are_among_all_settings(study: Study) -> None:
    table, whole = evaluate(study), evaluate(study, every=True)
    assert {json.dumps(s.to_json()) for s in table} <= {json.dumps(s.to_json()) for s in whole}
    assert [s.to_json() for s in evaluate(study, stage="before")] == [s.to_json() for s in table]
    row = table[0].to_json()
    assert json.loads(json.dumps(row)) == row and set(row["auprc_at"]) == {"10", "50", "100"}
    explorer = [s for s in table if s.method == "explorer"]
    best = max(explorer, key=lambda s: s.average_precision)
    rows = [s.to_json() for s in whole]
    assert best_layer(rows, METHODS["explorer"], "base", [1, 3]) == best.layer
    assert best_layer(rows, METHODS["explorer"], "tuned", [1, 3]) is None


def test_a_label_of_ones_own(study: Study) -> None:
    assert {(s.behavior, s.guilty) for s in evaluate(study, "clean")} == {("swapped", 39), ("other", 39)}
    with pytest.raises(ExplorerError, match="no datapoint has the label 'nobody'"):
        evaluate(study, "nobody")
