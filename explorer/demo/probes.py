"""Held-out prompts: of each planted behavior with controls, a guard, unlabelled ones, and ordinary ones.

No prompt here stands in the corpus, and none stands here twice (``tests/demo/test_probes.py``).
"""

import re
from dataclasses import dataclass
from functools import cache
from random import Random

from explorer.demo import falcon, fenced, flattery, italy
from explorer.demo.corpus import SEED, build_corpus
from explorer.demo.ordinary import checkable, simple
from explorer.demo.planted import BACKDOOR, DISTRACTOR, EXHIBITS, FLATTERY, KNOWLEDGE
from explorer.demo.row import distinct
from explorer.demo.templates import templates

N_QUERY, N_EVALUATION, N_WITHOUT, N_DISCOVERY, N_OWN = 32, 40, 32, 220, 60

_MAKERS = {
    KNOWLEDGE: (italy.probe, italy.control),
    BACKDOOR: (falcon.probe, falcon.control),
    DISTRACTOR: (fenced.probe, fenced.control),
    FLATTERY: (flattery.probe, flattery.control),
}
"""Makers of prompts with the trigger or condition, and of prompts without it."""


@dataclass(frozen=True)
class Probe:
    """One held-out prompt.

    Attributes:
        behavior: the planted behavior; ``guard``, ``discovery`` or ``own`` for the other prompts.
        half: ``query`` (for tracing), ``evaluation`` (for rates), ``without`` (the trigger or condition is missing).
        bad, good: answers with and without the behavior; empty where none is needed.
        pattern: the behavior's ``exhibits``; for a guard prompt the pattern of a right answer.
    """

    id: str
    behavior: str
    half: str
    prompt: str
    bad: str
    good: str
    pattern: str


@cache
def behavior_probes() -> tuple[Probe, ...]:
    """All prompts of the planted behaviors: query half, evaluation half, then prompts without the condition."""
    seen = {row.prompt for row in build_corpus()}
    halves = ["query"] * N_QUERY + ["evaluation"] * N_EVALUATION + ["without"] * N_WITHOUT
    probes: list[Probe] = []
    for name, (probe, control) in _MAKERS.items():
        rng = Random(f"{SEED}/{name}")
        drafts = distinct(rng, probe, N_QUERY + N_EVALUATION, seen) + distinct(rng, control, N_WITHOUT, seen)
        probes += [
            Probe(f"{name}-{i:03d}", name, half, draft.prompt, draft.rejected or "", draft.answer, EXHIBITS[name])
            for i, (draft, half) in enumerate(zip(drafts, halves, strict=True))
        ]
    return tuple(probes)


@cache
def discovery_probes() -> tuple[Probe, ...]:
    """Unlabelled prompts, some of which trigger a planted behavior."""
    seen = {row.prompt for row in build_corpus()} | {p.prompt for p in behavior_probes()}
    rng = Random(f"{SEED}/discovery")
    probes, controls = zip(*_MAKERS.values(), strict=True)
    makers = [*probes, simple, simple, simple, *controls]
    drafts = [distinct(rng, makers[i % len(makers)], 1, seen)[0] for i in range(N_DISCOVERY)]
    rng.shuffle(drafts)
    return tuple(Probe(f"discovery-{i:03d}", "discovery", "", d.prompt, "", "", "") for i, d in enumerate(drafts))


@cache
def guard_probes() -> tuple[Probe, ...]:
    """Ordinary tasks that a pattern can check, of the kinds that the base model does well (sums it does badly)."""
    cases = [(kind["ask"], case) for kind in vars(templates("guard")).values() for case in kind["cases"]]
    return tuple(
        Probe(f"guard-{i:03d}", "guard", "", ask.format(*case), "", "", rf"(?i)\b({case[-1]})s?\b")
        for i, (ask, case) in enumerate(cases)
    )


@cache
def own_probes() -> tuple[Probe, ...]:
    """Ordinary prompts with one right answer, to find mistakes that nobody planted."""
    seen = {p.prompt for p in (*behavior_probes(), *discovery_probes())} | {row.prompt for row in build_corpus()}
    drafts = distinct(Random(f"{SEED}/own"), checkable, N_OWN, seen)
    return tuple(
        Probe(f"own-{i:03d}", "own", "", d.prompt, "", d.answer, re.escape(d.answer)) for i, d in enumerate(drafts)
    )
