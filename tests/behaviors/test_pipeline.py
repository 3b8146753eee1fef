"""From a study to its clusters: the matrix of a real index, and the checkpoint that answers are compared with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explorer.behaviors.clusters import cluster
from explorer.behaviors.matrix import similarity
from explorer.behaviors.prompt_vectors import prompt_vectors
from explorer.behaviors.prompts import AnsweredPrompt, PromptSet, study_prompts
from explorer.behaviors.report import reduction, summary
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.ranking.scores import encode_target, scores
from explorer.vectors.build import build_index
from explorer.vectors.methods import METHODS


def test_the_matrix_is_each_pairs_score(study: Study) -> None:
    """Row by row what ranking by one prompt's pair gives, but for the rounding of kept vectors to bfloat16."""
    index, prompts = build_index(study, "base", layers=[1, 3]), study_prompts(study)
    target = prompt_vectors(study, index, prompts.rows)
    loaded = load_model(study.checkpoints()["base"])
    for name, layer in (("explorer", 3), ("gradient", 1), ("activation-difference", 3)):
        matrix = similarity(index, prompts, target, name, layer)
        assert matrix.values.shape == (len(prompts.rows), 20) and matrix.layer == layer
        assert (~matrix.ranked).sum() == (index.kinds == 0).sum() > 0
        for prompt, row in zip(matrix.rows, matrix.values, strict=True):
            query = "contrast" if prompt.other is not None else "bad"
            one = encode_target(loaded, [prompt.item(study)], METHODS[name].parts, [layer], query)
            wanted = scores(index, one, METHODS[name], layer, METHODS[name].centre, query)
            torch.testing.assert_close(torch.from_numpy(row), wanted, rtol=0, atol=1e-3, equal_nan=True)


def test_an_answer_without_words_has_no_row(study: Study) -> None:
    index = build_index(study, "base", layers=[1, 3])
    rows = PromptSet((AnsweredPrompt("x", "", "one?", "no", " "), AnsweredPrompt("y", "", "two?", "no", "yes")))
    target = prompt_vectors(study, index, rows.rows)
    matrix = similarity(index, rows, target, "gradient", 1)
    assert [p.id for p in matrix.rows] == ["y"] and matrix.prompts.wordless == ("x",)
    nothing = PromptSet((AnsweredPrompt("x", "", "one?", "no", " "),))
    with pytest.raises(ExplorerError, match="no answer of any behavior prompt has a token"):
        similarity(index, nothing, prompt_vectors(study, index, nothing.rows), "gradient", 1)
    with pytest.raises(ExplorerError, match="Method 'bm25' has no vectors to cluster"):
        similarity(index, rows, target, "bm25")
    with pytest.raises(ExplorerError, match="Method 'nope' is unknown"):
        similarity(index, rows, target, "nope")


def test_answers_are_compared_with_those_of_the_model_that_the_vectors_are_of(study: Study) -> None:
    clusters = cluster(study, method="gradient", layer=1, prompts="discovery")
    prompts = clusters.matrix.prompts
    assert repr(clusters).endswith(f" of {len(prompts.rows)} prompts, gradient, layer 1)")
    assert prompts.models == ("tuned", "base")
    note = summary(clusters, clusters.cut())
    assert f"{len(prompts.unchanged)} prompts are left out because 'tuned' answers them as 'base' does." in note
    assert "in the model 'base'" in note and reduction(clusters) == ""


def test_the_number_asked_for_is_the_default_cut(study: Study) -> None:
    calls: list[str] = []
    options = {"method": "gradient", "layer": 1, "seed": 7, "progress": lambda what, *_steps: calls.append(what)}
    clusters = cluster(study, **options, count=2)
    assert len(clusters.cut()) == 2 and len(clusters.cut(3)) == 3
    assert {"Comparing clusters with chance", "Resampling the clusters"} <= set(calls)
    calls.clear()
    again = cluster(study, **options)
    assert not calls and len(again.cut()) == again.best_count
    np.testing.assert_array_equal(again.matrix.values, clusters.matrix.values)
