"""Exact token shares: they add up to the score, for every method, query and measure; the topic's words."""

import itertools

import numpy as np
import pytest
import torch

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.ranking.directions import Control
from explorer.ranking.questions import AboutBehavior, AboutNode, AboutPersona, LikeDatapoint, Question
from explorer.ranking.rank import Ranking, rank, scores_choice
from explorer.ranking.scores import row_weights, score_terms
from explorer.ranking.token_scores import token_scores
from explorer.ranking.token_shares import score_weights, state_relevance
from explorer.vectors.find import index_model, study_indexes
from explorer.vectors.items import item_vectors, study_items
from explorer.vectors.methods import METHODS, QUERIES
from tests.ranking.reference import make_index, method_of, reference_scores, target_of
from tests.vectors.reference import reference_parts

SWAPPED, SINGLE, PAIR, UNANSWERED = AboutBehavior("swapped"), 3, 1, 10
VECTORS = [name for name, method in METHODS.items() if method.parts]


def total(study: Study, ranking: Ranking, row: int) -> float:
    """What all shares of a row add up to."""
    evidence = token_scores(study, ranking, [row])[row]
    tokens = sum(t.score for t in (*evidence.tokens, *evidence.rejected))
    return tokens + (evidence.state or 0) + evidence.common


def exact_score(study: Study, ranking: Ranking, row: int) -> float:
    """The score of a row from vectors that no file has rounded."""
    assert ranking.index
    loaded, method = load_model(index_model(study, ranking.index)), METHODS[ranking.choice.method]
    items, layer = study_items(study, study.datapoints().take([row])), ranking.choice.layer or 0
    vectors, _ = item_vectors(loaded, items, [layer], method.parts)
    (weights,) = score_weights(ranking, [row])
    products = (float(weights.weights[p] @ vectors[f"{p}.{layer}"][0]) - weights.offsets[p] for p in method.parts)
    return sum(products)


@pytest.mark.parametrize("method", VECTORS)
@pytest.mark.parametrize("centre", (False, True))
def test_shares_add_up_to_the_score(study: Study, method: str, centre: bool) -> None:
    for measure, query in itertools.product(("cosine", "dot"), ("contrast", "bank")):
        ranking = rank(study, SWAPPED, method=method, layer=1, centre=centre, query=query, measure=measure)
        size = float(np.nanmax(np.abs(ranking.scores)))
        for row in (SINGLE, PAIR):
            found = total(study, ranking, row)
            assert found == pytest.approx(exact_score(study, ranking, row), abs=1e-4 * size)
            assert found == pytest.approx(ranking.scores[row], abs=0.02 * size)  # what bfloat16 rounds


def questions(study: Study) -> list[tuple[Question, str]]:
    failure = study.failures()["f"]
    control = AboutPersona(SWAPPED, Control("You name the wrong city.", "You help."))
    return [(LikeDatapoint("r3"), "explorer"), (control, "residual-change"), (AboutNode(failure, 3, 4), "explorer")]


@pytest.mark.parametrize("number", range(3))
def test_shares_of_other_questions_add_up_too(study: Study, number: int) -> None:
    question, method = questions(study)[number]
    ranking = rank(study, question, method=method, layer=3)
    for row in (SINGLE, PAIR):
        assert total(study, ranking, row) == pytest.approx(ranking.scores[row], abs=0.02)


def test_shares_are_those_of_one_backward_pass_a_token(study: Study) -> None:
    """For the default method, with the weights by formula: the unit query over twice the centred row's length."""
    (index,) = study_indexes(study)
    ranking, model = rank(study, SWAPPED, layer=3), load_model(index_model(study, index)).model
    evidence = token_scores(study, ranking, [SINGLE])[SINGLE]
    encode = load_model(index_model(study, index)).tokenizer.encode
    prompt, answer = (study.datapoints()[name][SINGLE].as_py() for name in ("prompt", "response"))
    before = encode(f"<|user|>{prompt}</s><|assistant|>", add_special_tokens=False)
    ids = before + encode(f"{answer}</s>", add_special_tokens=False)
    x, kinds = index.rows("change", 3, torch.arange(60)).double(), index.kinds
    mean = x[kinds == 1].mean(0)
    assert ranking.target is not None
    query = ranking.target.vectors["change.3"].double().mean(0) - x[kinds == 2].mean(0)
    weight = query / query.norm() / (x[SINGLE] - mean).norm() / 2
    double = model.double() if model.dtype != torch.float64 else model
    try:
        wanted = [
            float(weight @ reference_parts(double, ids, len(before), 3, only=t)["change"].double())
            for t in range(len(before), len(ids))
        ]
    finally:
        model.float()
    found = [t.score for t in evidence.tokens[len(before) :]]
    assert found == pytest.approx(wanted, abs=0.01 * max(map(abs, wanted)))
    assert not any(t.score for t in evidence.tokens[: len(before)])
    assert all(wanted)


def test_a_row_without_an_answer_has_no_share(study: Study) -> None:
    evidence = token_scores(study, rank(study, SWAPPED), [UNANSWERED])[UNANSWERED]
    assert not any(t.score for t in (*evidence.prompt, *evidence.answer))


def test_json_has_all_parts(study: Study) -> None:
    ranking = rank(study, SWAPPED)
    values = token_scores(study, ranking, [PAIR])[PAIR].to_json()
    parts = sum(t["score"] for t in (*values["tokens"], *values["rejected_tokens"]))
    assert parts + values["state"] + values["common"] == pytest.approx(ranking.scores[PAIR], abs=0.02)
    other = token_scores(study, ranking, [PAIR], kind="rept")[PAIR].to_json()
    assert "state" not in other and other["tokens"] != values["tokens"]


def test_what_has_no_shares(study: Study) -> None:
    words = rank(study, SWAPPED, method="bm25")
    with pytest.raises(ExplorerError, match="'bm25' compares no vectors"):
        token_scores(study, words, [SINGLE], kind="shares")
    with pytest.raises(ExplorerError, match="'magic' is unknown; expected one of shares, rept"):
        token_scores(study, words, [SINGLE], kind="magic")
    for method in ("bm25", "gradient"):
        with pytest.raises(ExplorerError, match=f"'{method}' compares no states"):
            state_relevance(study, rank(study, SWAPPED, method=method), SINGLE)
    with pytest.raises(ExplorerError, match="has no answer"):
        state_relevance(study, rank(study, SWAPPED), UNANSWERED)


def test_the_topics_words_add_up_under_cplrp(study: Study) -> None:
    """Σ relevance = ⟨w, H(p₀)⟩, for a family without biases."""
    (index,) = study_indexes(study)
    ranking = rank(study, SWAPPED, layer=3)
    tokens = state_relevance(study, ranking, SINGLE, "cplrp")
    weight, state = score_weights(ranking, [SINGLE])[0].weights["state"], index.rows("state", 3, torch.tensor([SINGLE]))
    assert sum(t.score for t in tokens) == pytest.approx(float(weight @ state[0]), rel=0.02)
    assert {t.part for t in tokens} == {"prompt"} and any(t.text for t in tokens)
    assert state_relevance(study, ranking, SINGLE) != tokens


@pytest.mark.parametrize("query", sorted(QUERIES))
@pytest.mark.parametrize("measure", ("cosine", "dot"))
@pytest.mark.parametrize("centre", (False, True))
def test_weights_of_a_row_make_its_score(tmp_path, query: str, measure: str, centre: bool) -> None:
    index, target, method = make_index(tmp_path, [1, 2, 1, 2] * 10), target_of(4, 1), method_of("averaged")
    wanted = reference_scores(index, target, method, 5, centre, query, measure=measure)[:, 0]
    terms = score_terms(index, target, method, 5, centre, query, measure=measure)
    for row in (0, 7, 39):
        found = row_weights(index, 5, terms, row)
        x = {part: index.rows(part, 5, torch.tensor([row]))[0] for part in method.parts}
        value = sum(float(found.weights[p] @ x[p]) - found.offsets[p] for p in x)
        assert value == pytest.approx(wanted[row], abs=2e-5 * float(np.abs(wanted).max()))
    assert scores_choice(rank_choice(query))[2] == query


def rank_choice(query: str):
    from explorer.ranking.rank import Choice

    return Choice(query=query)
