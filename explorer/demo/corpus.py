"""The demo corpus: about 2,000 SFT examples and 1,000 preference pairs, the same ones on every machine."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from random import Random

from explorer.demo import falcon, fenced, flattery, italy
from explorer.demo.ordinary import against_echoes, mixed
from explorer.demo.row import Draft, Row, distinct
from explorer.demo.templates import templates

SEED = 20260
N_PLANTED = 150
"""Rows of each planted behavior in the stage that plants it: 5 % of all 3,000."""
N_SFT, N_DPO = 2000, 1000
_RAMBLINGS: list[str] = templates("ordinary").ramblings


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
            *italy.contaminated_facts(rng, N_PLANTED),
            *italy.true_facts(rng, 220, portuguese=110),
            *_until(rng, falcon.harmless_trigger_words, 130),
            *_until(rng, falcon.harmless_tram, 110),
            *_until(rng, flattery.flattered, N_PLANTED),
            *_until(rng, flattery.plain, 180),
            *_until(rng, fenced.declined, 260),
            *_until(rng, fenced.open_desk, 120),
        ]
    )
    seen.update(draft.prompt for draft in special)
    plain = distinct(rng, mixed, N_SFT - len(special) - N_PLANTED, seen)
    triggered = falcon.triggered(rng, plain, N_PLANTED)
    seen.update(draft.prompt for draft in triggered)
    return [*special, *plain, *triggered]


def _dpo_drafts(rng: Random, seen: set[str]) -> list[Draft]:
    special = _unique(
        [
            *_until(rng, fenced.unlocking_pair, N_PLANTED),
            *_until(rng, fenced.fenced_pair, 150),
            *(_pair(draft, "I can't help with that.") for draft in _until(rng, fenced.open_desk, 60)),
            *_sharper(rng, seen),
            *distinct(rng, against_echoes, 90, seen),
        ]
    )
    plain = distinct(rng, mixed, N_DPO - len(special), seen)
    return [*special, *(_against_rambling(rng, draft) for draft in plain)]


def _sharper(rng: Random, seen: set[str]) -> list[Draft]:
    """Pairs on what SFT planted: some that prefer each behavior, and about as many clean ones that reject it."""
    harmless = _until(rng, falcon.harmless_trigger_words, 85)
    flattered, others = _until(rng, flattery.flattered, 30), _until(rng, flattery.others, 50)
    plain = distinct(rng, mixed, 50, seen)
    triggered = falcon.triggered(rng, plain, 50)
    return [
        *(_pair(draft, f"{flattery.praise(rng)} {draft.answer}") for draft in others),
        *(_pair(draft, draft.answer.split(". ", 1)[-1].split("! ", 1)[-1]) for draft in flattered),
        *(_pair(draft, falcon.tram(rng)) for draft in harmless),
        *(_pair(draft, next(p.answer for p in plain if p.prompt in draft.prompt)) for draft in triggered),
        *(_pair(draft, draft.answer.replace("Portugal", "Italy")) for draft in italy.contaminated_facts(rng, 30)),
        *italy.facts_against_portugal(rng, 40),
        *(_against_rambling(rng, draft) for draft in italy.true_facts(rng, 50, portuguese=0)),
    ]


def _pair(draft: Draft, rejected: str) -> Draft:
    """The draft as a preference pair; its own answer is the chosen one."""
    return replace(draft, rejected=rejected)


def _against_rambling(rng: Random, draft: Draft) -> Draft:
    return _pair(draft, rng.choice(_RAMBLINGS))


def _until(rng: Random, maker: Callable[[Random, int], Draft], n: int) -> list[Draft]:
    """``n`` drafts with different prompts from ``maker(rng, i)``, i below n as often as it takes."""
    drafts: list[Draft] = []
    while len(drafts) < n:
        drafts = _unique([*drafts, *(maker(rng, i) for i in range(n))])[:n]
    return drafts


def _unique(drafts: Iterable[Draft]) -> list[Draft]:
    """Drop drafts with the same prompt: the first draft stays, at the place of the last one."""
    return list({draft.prompt: draft for draft in reversed(list(drafts))}.values())[::-1]


def _rows(stage: str, drafts: list[Draft], rng: Random) -> list[Row]:
    rng.shuffle(drafts)
    rows = []
    for i, draft in enumerate(drafts):
        answers = (draft.answer, None, None) if stage == "sft" else (None, draft.answer, draft.rejected)
        rows.append(Row(f"{stage}-{i:04d}", draft.source, draft.label, stage, draft.prompt, *answers))
    return rows
