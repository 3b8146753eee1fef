"""RepT's token scores against plain autograd, one exchange at a time, and the words that they stand on."""

import pytest
import torch

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.ranking import token_scores as module
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import rank
from explorer.ranking.token_evidence import REPT
from explorer.ranking.token_scores import known_token_scores, token_scores
from explorer.vectors.find import index_model, study_indexes
from tests.pages.data_study import BEHAVIORS, HOSTILE, data_rows, data_study
from tests.vectors.reference import stream
from tests.vectors.tiny import tiny_tokenizer

SINGLE, PAIR, ODD, UNANSWERED = 3, 1, 7, 10


def unit_gradients(model, prompt: str, answer: str, layer: int) -> tuple[torch.Tensor, int]:
    """(T, D) loss gradients of an exchange, each of length 1, and where its answer begins."""
    encode = tiny_tokenizer().encode
    before = encode(f"<|user|>{prompt}</s><|assistant|>", add_special_tokens=False)
    g = stream(model, before + encode(f"{answer}</s>", add_special_tokens=False), len(before), layer).g
    return g / g.norm(dim=1, keepdim=True).clamp(min=1e-30), len(before)


@pytest.mark.parametrize("layer", (1, 3))
def test_a_tokens_score_is_the_gradient_that_predicts_it_along_the_behaviors(study: Study, layer: int) -> None:
    (index,), rows = study_indexes(study), data_rows()
    ranking = rank(study, AboutBehavior("swapped"), layer=layer)
    evidence = token_scores(study, ranking, [SINGLE, PAIR], kind=REPT)
    model = load_model(index_model(study, index)).model
    direction = torch.zeros(())
    for prompt in (b for b in BEHAVIORS if b["name"] == "swapped"):
        g, start = unit_gradients(model, prompt["prompt"], prompt["bad"], layer)
        direction = direction + g[start - 1 : -1].sum(0) / 3
    for row, answer in ((SINGLE, rows[SINGLE]["response"]), (PAIR, rows[PAIR]["chosen"])):
        g, start = unit_gradients(model, rows[row]["prompt"], answer, layer)
        tokens = evidence[row].tokens
        torch.testing.assert_close(
            torch.tensor([t.score for t in tokens[1:]]), (g @ direction)[:-1], rtol=1e-3, atol=1e-4
        )
        assert tokens[0].score == 0 and all(t.score for t in tokens if t.part == "answer")
        assert [t.part for t in tokens] == ["prompt"] * start + ["answer"] * (len(tokens) - start - 1) + ["end"]
    g, start = unit_gradients(model, rows[PAIR]["prompt"], rows[PAIR]["rejected"], layer)
    rejected = torch.tensor([t.score for t in evidence[PAIR].rejected])
    torch.testing.assert_close(rejected, -(g @ direction)[start - 1 : -1], rtol=1e-3, atol=1e-4)
    assert evidence[SINGLE].rejected == ()


def test_words_stand_without_the_chat_format_and_whole(study: Study) -> None:
    ranking, rows = rank(study, AboutBehavior("swapped")), data_rows()
    evidence = token_scores(study, ranking, [SINGLE, ODD, UNANSWERED])
    for row in (SINGLE, ODD, UNANSWERED):
        assert "".join(t.text for t in evidence[row].prompt) == rows[row]["prompt"]
        answer = [t.text for t in evidence[row].answer if t.part != "end"]
        assert "".join(answer).strip() == rows[row]["response"].strip()
    assert rows[ODD]["response"] == HOSTILE
    assert not any(t.score for t in evidence[UNANSWERED].prompt)


def test_rows_are_scored_once(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    ranking = rank(study, AboutBehavior("other"), layer=1)
    assert known_token_scores(ranking, [12]) == {}
    first, rept = token_scores(study, ranking, [12]), token_scores(study, ranking, [12], kind=REPT)
    monkeypatch.setattr(module, "share_evidence", None)
    monkeypatch.setattr(module, "rept_evidence", None)
    assert known_token_scores(ranking, [12, 13]) == first
    assert token_scores(study, rank(study, AboutBehavior("other"), layer=1), [12]) == first
    plain = rank(study, AboutBehavior("other"), layer=1, centre=False)
    assert token_scores(study, plain, [12], kind=REPT) == rept
    with pytest.raises(TypeError):  # shares are of one score
        token_scores(study, plain, [12])
    assert known_token_scores(rank(study, AboutBehavior("other"), layer=3), [12]) == {}


def test_after_a_ranking_by_words_the_first_built_vectors_are_taken(study: Study, tmp_path) -> None:
    ranking = rank(study, AboutBehavior("other"), method="bm25")
    assert known_token_scores(ranking, [SINGLE]) == {}
    default = rank(study, AboutBehavior("other"), method="gradient")
    assert token_scores(study, ranking, [SINGLE]) == token_scores(study, default, [SINGLE], kind=REPT)
    with pytest.raises(ExplorerError, match="no checkpoint 'never'"):
        token_scores(study, ranking, [SINGLE], stage="never")
    bare = data_study(tmp_path, built=False)
    with pytest.raises(ExplorerError, match="no vectors for 'bm25'"):
        token_scores(bare, rank(bare, AboutBehavior("other"), method="bm25"), [SINGLE])
