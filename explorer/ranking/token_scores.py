"""Which tokens of a training example make its score: exact shares by default, RepT's token scores as an option."""

from collections.abc import Sequence

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.ranking.rank import Ranking
from explorer.ranking.recent import Recent
from explorer.ranking.rept_tokens import rept_evidence
from explorer.ranking.token_evidence import KINDS, REPT, SHARES, TokenEvidence
from explorer.ranking.token_shares import share_evidence
from explorer.vectors.find import index_model, pick_index
from explorer.vectors.index import Index
from explorer.vectors.items import study_items

_evidence: Recent[TokenEvidence] = Recent(2000)


def token_scores(
    study: Study, ranking: Ranking, rows: Sequence[int], *, kind: str | None = None, stage: str | None = None
) -> dict[int, TokenEvidence]:
    """Score the tokens of some datapoints for the question of a ranking: row number → evidence.

    Runs the index's model over the datapoints that were not scored lately.

    Args:
        kind: a name of ``KINDS``; default shares, or RepT's scores after a ranking by the texts alone.
        stage: the checkpoint to score in after a ranking by the texts alone; default the earliest that is built.

    Raises ExplorerError where nothing is built, or for shares of a ranking that no vectors were compared for.
    """
    kind = settled_kind(ranking, kind)
    index = ranking.index or pick_index(study, ranking.choice.method, stage=stage)
    evidence = known_token_scores(ranking, rows, index, kind)
    missing = [row for row in rows if row not in evidence]
    if missing:
        loaded = load_model(index_model(study, index))
        items = study_items(study, study.datapoints().take(missing))
        if kind == SHARES:
            scored = share_evidence(loaded, ranking, missing, items)
        else:
            scored = rept_evidence(loaded, ranking, index, items)
        for row, one in zip(missing, scored, strict=True):
            evidence[row] = _evidence.put((*_key(ranking, index, kind), row), one)
    return evidence


def settled_kind(ranking: Ranking, kind: str | None) -> str:
    """Return the kind of evidence to show. Raises ExplorerError for an unknown or an impossible one."""
    if kind not in (None, *KINDS):
        raise ExplorerError(f"Token evidence '{kind}' is unknown; expected one of {', '.join(KINDS)}.")
    if ranking.target is None and kind == SHARES:
        raise ExplorerError(f"Method '{ranking.choice.method}' compares no vectors, so that tokens have no share.")
    return kind or (SHARES if ranking.target else REPT)


def known_token_scores(
    ranking: Ranking, rows: Sequence[int], index: Index | None = None, kind: str | None = None
) -> dict[int, TokenEvidence]:
    """Return the token scores that are at hand, without running a model."""
    index = index or ranking.index
    if index is None:
        return {}
    key = _key(ranking, index, settled_kind(ranking, kind))
    evidence = {row: _evidence.get((*key, row)) for row in rows}
    return {row: scored for row, scored in evidence.items() if scored is not None}


def _key(ranking: Ranking, index: Index, kind: str) -> tuple[object, ...]:
    """What token scores depend on besides the datapoint."""
    layer = ranking.choice.layer or index.manifest.default_layer
    return (kind, index.key, ranking.key) if kind == SHARES else (kind, index.key, ranking.items, layer)
