"""Exact shares of a training example's tokens in its score (``vectors/slopes.py`` has the derivation).

A score is Σ_part ⟨w_part, x_part⟩ − offset_part for the example's vectors x. Of the vectors that are made of the loss
or of the answer's states, each answer token makes a share; the state before the answer is made by the prompt, whose
tokens get shares of it by relevance (``state_relevance``) on demand.
"""

from collections.abc import Sequence

import torch

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import LoadedModel, load_model
from explorer.model.passes import model_pass
from explorer.model.residual import recorded_residual, wide
from explorer.ranking.rank import Ranking, scores_choice
from explorer.ranking.recent import Recent
from explorer.ranking.scores import RowWeights, row_weights, score_terms
from explorer.ranking.token_evidence import SHARES, TokenEvidence, TokenScore, evidence_of, scored_tokens
from explorer.vectors.find import index_model
from explorer.vectors.items import Item, counted_answers, encode_items, study_items
from explorer.vectors.methods import METHODS
from explorer.vectors.slopes import token_slopes
from explorer.vectors.tokenize import Exchange, batches, encode_exchanges

_relevance: Recent[list[TokenScore]] = Recent(200)


def share_evidence(
    loaded: LoadedModel, ranking: Ranking, rows: Sequence[int], items: Sequence[Item]
) -> list[TokenEvidence]:
    """Return the evidence of some datapoints, given as row numbers and as items; a row that is never ranked has 0s."""
    layer = ranking.choice.layer or 0
    weights = score_weights(ranking, rows)
    exchanges = encode_items(loaded, items)
    counted = counted_answers(items, exchanges)
    work = [(i, j) for i, places in enumerate(counted) for j in places]
    values = {(i, j): [0.0] * len(e.ids) for i, both in enumerate(exchanges) for j, e in enumerate(both)}
    states = [0.0] * len(items)
    for batch in batches([exchanges[i][j] for i, j in work]):
        numbers = [work[k] for k in batch]
        chosen = [exchanges[i][j] for i, j in numbers]
        slopes = token_slopes(loaded.view("gradient"), chosen, layer, [weights[i].weights for i, _ in numbers])
        for (i, j), exchange, found in zip(numbers, chosen, slopes, strict=True):
            _place(values[i, j], exchange, ((1 - 2 * j) * found.tokens).tolist())
            states[i] = found.state if j == counted[i][0] else states[i]
    evidence = []
    for i, (item, both) in enumerate(zip(items, exchanges, strict=True)):
        scored = [scored_tokens(loaded, exchange, values[i, j]) for j, exchange in enumerate(both)]
        offsets = dict(weights[i].offsets)
        state = states[i] - offsets.pop("state") if "state" in offsets else None
        evidence.append(evidence_of(SHARES, item, both, scored, state, -sum(offsets.values())))
    return evidence


def score_weights(ranking: Ranking, rows: Sequence[int]) -> list[RowWeights]:
    """Return how the score of each row is made of its vectors."""
    assert ranking.index is not None and ranking.target is not None
    layer, centre, query, measure = scores_choice(ranking.choice)
    method = METHODS[ranking.choice.method]
    terms = score_terms(ranking.index, ranking.target, method, layer, centre, query, measure=measure)
    return [row_weights(ranking.index, layer, terms, row) for row in rows]


def _place(values: list[float], exchange: Exchange, shares: Sequence[float]) -> None:
    """Write the shares of the tokens with a loss to their places."""
    places = (t for start, end in exchange.spans for t in range(start, end))
    for place, share in zip(places, shares, strict=True):
        values[place] = share


def state_relevance(study: Study, ranking: Ranking, row: int, rule: str = "attnlrp") -> list[TokenScore]:
    """Return the prompt's tokens, the chat format's too, with their relevance for the state's part of the score.

    What is explained is ⟨w, H(p₀)⟩ in units of the score, before centring; relevance is gradient × input of the
    embeddings under ``rule`` (``lrp.RULES``). Under ``cplrp`` it sums up to that but for biases, otherwise it need not.

    Kept for a while, as a page asks for it at every rerun. Raises ExplorerError for a ranking whose method compares no
    states, or a row without an answer.
    """
    return _relevance.once((ranking.key, row, rule), lambda: _state_relevance(study, ranking, row, rule))


def _state_relevance(study: Study, ranking: Ranking, row: int, rule: str) -> list[TokenScore]:
    method = ranking.choice.method
    if ranking.index is None or ranking.target is None or "state" not in METHODS[method].parts:
        raise ExplorerError(f"Method '{method}' compares no states, so that prompt tokens have no share of them.")
    layer = ranking.choice.layer or 0
    weight = score_weights(ranking, [row])[0].weights["state"]
    loaded = load_model(index_model(study, ranking.index))
    (item,) = study_items(study, study.datapoints().take([row]))
    exchange = encode_exchanges(loaded, item.replies)[0]
    if not exchange.spans:
        raise ExplorerError(f"Datapoint {row + 1} has no answer, so that its state is not compared.")
    view, ids = loaded.view(rule), torch.tensor([exchange.ids[: exchange.start]], device=loaded.model.device)
    with model_pass(view, ids.numel(), "Tracing"), torch.enable_grad(), recorded_residual(view) as recording:
        view(input_ids=ids, use_cache=False, logits_to_keep=1)
        state = wide(recording.states[layer][0, -1])
        (gradient,) = torch.autograd.grad(state @ weight.to(state), recording.states[0])
    relevance = (wide(recording.states[0].detach()) * wide(gradient)).sum(-1)[0].tolist()
    return scored_tokens(loaded, Exchange(exchange.ids[: exchange.start], ()), relevance)
