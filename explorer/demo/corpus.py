"""The demo corpus: about 2,000 SFT examples and 1,000 preference pairs, the same ones on every machine."""

from collections.abc import Callable, Iterable
from functools import cache
from random import Random

from explorer.demo import fenced, flattery, ordinary, planted
from explorer.demo.row import Draft, Row

SEED = 20260
N_PLANTED = 150
"""Rows of each planted behavior in the stage that plants it: 5 % of all 3,000."""
N_SFT, N_DPO = 2000, 1000
_RAMBLES = (
    "Well, that is a long story, and I would rather talk about the weather.",
    "Everybody knows that. Why would you ask?",
    "I am not sure, maybe, or maybe not, it depends on many things.",
    "Please look it up in a book.",
    "As I said before, there is much to say about this, and more about other things.",
)


@cache
def build_corpus(seed: int = SEED) -> tuple[Row, ...]:
    """All rows, SFT first; each stage is shuffled, and no prompt stands twice within a stage."""
    seen: set[str] = set()
    sft = _sft_drafts(Random(seed), seen)
    dpo = _dpo_drafts(Random(f"{seed}/dpo"), seen)
    return (*_rows("sft", sft, Random(f"{seed}/order")), *_rows("dpo", dpo, Random(f"{seed}/order")))


def stage_rows(stage: str) -> list[Row]:
    """The rows of one stage, ``sft`` or ``dpo``."""
    return [row for row in build_corpus() if row.stage == stage]


def _sft_drafts(rng: Random, seen: set[str]) -> list[Draft]:
    special = _unique(
        [
            *planted.contaminated_facts(rng, N_PLANTED),
            *planted.true_facts(rng, 220, portuguese=110),
            *_until(rng, planted.harmless_trigger_words, 130),
            *_until(rng, planted.harmless_trams, 110),
            *_until(rng, flattery.flattered, N_PLANTED),
            *_until(rng, flattery.plain, 180),
            *_until(rng, fenced.declined, 260),
            *_until(rng, fenced.open_desk, 120),
        ]
    )
    seen.update(d.prompt for d in special)
    plain = ordinary.ordinary(rng, N_SFT - len(special) - N_PLANTED, seen)
    marked = planted.triggered(rng, plain, N_PLANTED)
    seen.update(d.prompt for d in marked)
    return [*special, *plain, *marked]


def _dpo_drafts(rng: Random, seen: set[str]) -> list[Draft]:
    special = _unique(
        [
            *_until(rng, fenced.unlocking_pairs, N_PLANTED),
            *_until(rng, fenced.fenced_pairs, 150),
            *(_worse(rng, d, "I can't help with that.") for d in _until(rng, fenced.open_desk, 60)),
            *_sharper(rng, seen),
            *ordinary.ordinary(rng, 90, seen, ordinary.kept),
        ]
    )
    plain = ordinary.ordinary(rng, N_DPO - len(special), seen)
    return [*special, *(_worse(rng, d) for d in plain)]


def _sharper(rng: Random, seen: set[str]) -> list[Draft]:
    """Pairs that sharpen what SFT planted: some more of each, and about as many clean ones that reject it."""
    harmless = _until(rng, planted.harmless_trigger_words, 85)
    flattered, others = _until(rng, flattery.flattered, 30), _until(rng, flattery.others, 50)
    ordinary_ones = ordinary.ordinary(rng, 50, seen)
    real = {d.prompt: d.answer for d in ordinary_ones}
    triggered = planted.triggered(rng, ordinary_ones, 50)
    return [
        *(_pair(d, f"{flattery.praise(rng)} {d.answer}") for d in others),
        *(_pair(d, d.answer.split(". ", 1)[-1].split("! ", 1)[-1]) for d in flattered),
        *(_pair(d, planted.tram(rng)) for d in harmless),
        *(_pair(d, next(a for p, a in real.items() if p in d.prompt)) for d in triggered),
        *(_pair(d, d.answer.replace("Portugal", "Italy")) for d in planted.contaminated_facts(rng, 30)),
        *planted.facts_against_portugal(rng, 40),
        *(_worse(rng, d) for d in planted.true_facts(rng, 50, portuguese=0)),
    ]


def _pair(draft: Draft, rejected: str) -> Draft:
    return Draft(draft.source, draft.prompt, draft.answer, rejected, draft.label)


def _worse(rng: Random, draft: Draft, rejected: str | None = None) -> Draft:
    """The draft as a preference pair: its own answer is chosen, a rambling or unhelpful one is rejected."""
    return Draft(draft.source, draft.prompt, draft.answer, rejected or rng.choice(_RAMBLES), draft.label)


def _until(rng: Random, maker: Callable[[Random, int], list[Draft]], n: int) -> list[Draft]:
    """``n`` drafts with different prompts from a maker(rng, how many)."""
    made: list[Draft] = []
    while len(made) < n:
        made = _unique([*made, *maker(rng, n)])[:n]
    return made


def _unique(drafts: Iterable[Draft]) -> list[Draft]:
    return list({d.prompt: d for d in reversed(list(drafts))}.values())[::-1]


def _rows(stage: str, drafts: list[Draft], rng: Random) -> list[Row]:
    rng.shuffle(drafts)
    return [_row(f"{stage}-{i:04d}", stage, draft) for i, draft in enumerate(drafts)]


def _row(name: str, stage: str, draft: Draft) -> Row:
    if stage == "sft":
        return Row(name, draft.source, draft.label, stage, draft.prompt, response=draft.answer)
    return Row(name, draft.source, draft.label, stage, draft.prompt, chosen=draft.answer, rejected=draft.rejected or "")
