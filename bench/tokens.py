"""Do token scores point at what is known to be wrong? ``python -m bench.tokens [STUDY]``.

Without a study: the planted words of the demo's behaviors, on the best-ranked true hits. With one: marked spans, in a
column ``hallucination_spans`` of its labelled rows (``python -m bench.corpora`` makes such a study of HaluEval).
"""

import json
import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from explorer.data.study import Study, check_study
from explorer.demo.build import build_demo, default_folder
from explorer.demo.falcon import TRIGGER
from explorer.demo.planted import BACKDOOR, EXHIBITS, FLATTERY
from explorer.ranking.evaluate import guilty_rows
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import Ranking, rank
from explorer.ranking.token_evidence import KINDS, TokenScore
from explorer.ranking.token_scores import token_scores

FIRST, HITS, SPANS = 3, 40, "hallucination_spans"
PLANTED = EXHIBITS | {BACKDOOR: r"(?s).+", FLATTERY: r"^[^.!?]+[.!?]"}
"""What planting put into the answer: a word, a code; of the backdoor all of it; of flattery the first sentence."""


@dataclass(frozen=True)
class Pointed:
    """``share`` of ``hits`` rows with a sought token among the ``first`` highest; ``chance``: at random."""

    behavior: str
    kind: str
    layer: int
    hits: int
    first: int
    share: float
    chance: float


def bench_planted() -> Iterator[Pointed]:
    """For each behavior of the demo, the best-ranked guilty rows (at most 40) of the default method."""
    study = build_demo(default_folder())
    labels = study.datapoints()["label"].to_pylist()
    for name in EXHIBITS:
        ranking = rank(study, AboutBehavior(name))
        hits = [i for i in ranking.top(5 * HITS).tolist() if labels[i] == name][:HITS]
        for kind in KINDS:
            evidence = token_scores(study, ranking, hits, kind=kind).values()
            shares = []
            for scored in evidence:
                answer = next(i for i, t in enumerate(scored.tokens) if t.part != "prompt")
                sought = _inside([t.text for t in scored.tokens[answer:]], PLANTED[name], answer)
                sought |= _inside([t.text for t in scored.tokens[:answer]], f"(?i){TRIGGER}", 0)
                shares.append(_pointed(scored.tokens, sought, FIRST))
            yield _mean(name, kind, ranking, shares, FIRST)


def bench_spans(study: Study) -> Iterator[Pointed]:
    """Labelled rows of which parts are marked: is the reddest token of the answer in a marked one?"""
    table = study.datapoints()
    marked = [json.loads(text) if text else [] for text in table[SPANS].to_pylist()]
    answers = table["response"].to_pylist()
    for name, guilty in guilty_rows(study).items():
        ranking = rank(study, AboutBehavior(name))
        rows = [row for row in np.flatnonzero(guilty).tolist() if any(s in answers[row] for s in marked[row] if s)]
        for kind in KINDS:
            shares = []
            for row, scored in token_scores(study, ranking, rows, kind=kind).items():
                tokens = [t for t in scored.answer if t.part == "answer"]
                pattern = "|".join(re.escape(span) for span in marked[row] if span)
                shares.append(_pointed(tokens, _inside([t.text for t in tokens], pattern, 0), 1))
            yield _mean(name, kind, ranking, shares, 1)


def _mean(name: str, kind: str, ranking: Ranking, shares: Sequence[tuple[float, float]], first: int) -> Pointed:
    share, chance = np.mean(np.array(shares), axis=0).tolist()
    return Pointed(name, kind, ranking.choice.layer or 0, len(shares), first, share, chance)


def _pointed(tokens: Sequence[TokenScore], sought: set[int], first: int) -> tuple[float, float]:
    """(1 where a sought token is among the ``first`` highest, the chance of that for as many tokens at random)."""
    top = np.argsort([-t.score for t in tokens], kind="stable")[:first]
    miss = math.comb(len(tokens) - len(sought), first) / math.comb(len(tokens), first)
    return float(bool(sought & set(top.tolist()))), 1 - miss


def _inside(texts: Sequence[str], pattern: str, first: int) -> set[int]:
    """Numbers, from ``first`` on, of the tokens that a match of the pattern touches."""
    spans = [match.span() for match in re.finditer(pattern, "".join(texts))]
    ends = np.cumsum([0, *map(len, texts)])
    return {first + i for i in range(len(texts)) if any(ends[i + 1] > a and ends[i] < b for a, b in spans)}


if __name__ == "__main__":
    found = bench_spans(check_study(Path(sys.argv[1]))) if len(sys.argv) > 1 else bench_planted()
    for p in found:
        figures = f"{p.hits} hits, first {p.first}: {p.share:.2f} (chance {p.chance:.2f})"
        print(f"{p.behavior:20} {p.kind:7} layer {p.layer}  {figures}")
