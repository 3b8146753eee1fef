"""Do the token scores point at the planted words? ``python -m bench.tokens``: one line a behavior of the demo study."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.demo.build import build_demo, default_folder
from explorer.demo.falcon import TRIGGER
from explorer.demo.planted import BACKDOOR, EXHIBITS, FLATTERY
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import rank
from explorer.ranking.token_shares import TokenScore, token_scores

FIRST, HITS = 3, 40
PLANTED = EXHIBITS | {BACKDOOR: r"(?s).+", FLATTERY: r"^[^.!?]+[.!?]"}
"""What planting put into the answer: a word, a code; of the backdoor all of it; of flattery the first sentence."""


@dataclass(frozen=True)
class Pointed:
    """``share`` of ``hits`` true hits with a planted word among the three highest tokens; ``chance``: at random."""

    behavior: str
    layer: int
    hits: int
    share: float
    chance: float


def bench_tokens() -> list[Pointed]:
    """For each behavior, the best-ranked guilty rows (at most 40) of the default method."""
    study = build_demo(default_folder())
    labels = study.datapoints()["label"].to_pylist()
    table = []
    for name in EXHIBITS:
        ranking = rank(study, AboutBehavior(name))
        hits = [i for i in ranking.top(5 * HITS).tolist() if labels[i] == name][:HITS]
        evidence = token_scores(study, ranking, hits).values()
        shares = [_pointed(scored.tokens, PLANTED[name]) for scored in evidence]
        table.append(Pointed(name, ranking.choice.layer or 0, len(hits), *np.mean(np.array(shares), axis=0).tolist()))
    return table


def _pointed(tokens: Sequence[TokenScore], pattern: str) -> tuple[float, float]:
    """(1 where a token of a planted word is among the three highest, the chance of that for three tokens at random)."""
    answer = next(i for i, t in enumerate(tokens) if t.part == "answer")
    planted = _inside([t.text for t in tokens[answer:]], pattern, answer)
    planted |= _inside([t.text for t in tokens[:answer]], f"(?i){TRIGGER}", 0)
    top = np.argsort([-t.score for t in tokens], kind="stable")[:FIRST]
    miss = math.comb(len(tokens) - len(planted), FIRST) / math.comb(len(tokens), FIRST)
    return float(bool(planted & set(top.tolist()))), 1 - miss


def _inside(texts: Sequence[str], pattern: str, first: int) -> set[int]:
    """Numbers, from ``first`` on, of the tokens that a match of the pattern touches."""
    spans = [match.span() for match in re.finditer(pattern, "".join(texts))]
    ends = np.cumsum([0, *map(len, texts)])
    return {first + i for i in range(len(texts)) if any(ends[i + 1] > a and ends[i] < b for a, b in spans)}


if __name__ == "__main__":
    for row in bench_tokens():
        print(f"{row.behavior:20} layer {row.layer}  {row.hits} hits  {row.share:.2f}  (chance {row.chance:.2f})")
