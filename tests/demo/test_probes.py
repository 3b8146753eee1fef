"""Held-out prompts: the ones that the shipped figures were measured on, and none that a model was trained on."""

import hashlib
import json
import re
from collections import Counter
from dataclasses import asdict

import pytest

from explorer.demo.corpus import build_corpus
from explorer.demo.planted import BEHAVIORS
from explorer.demo.probes import behavior_probes, discovery_probes, guard_probes, own_probes


@pytest.mark.parametrize(
    ("make", "sha256"),
    [
        (behavior_probes, "920abe6bfdd8b2b292caf3b450262c6c0af3f873d0a8f4b3adc4fdb8221deb7a"),
        (guard_probes, "bdbaa893912c6b1534c79c580ace2957bd9610e2303f7347cac464f7faa951b9"),
        (discovery_probes, "f48ba528f9fc7dfb4266df8982616d0fd9c762ec351df51de52f10263339df2a"),
        (own_probes, "a0ae700e067749aa1da5c06f0723bb8e60b1cea6a6a4e9dd7cc673f61ec81638"),
    ],
)
def test_the_prompts_are_those_of_the_shipped_figures(make, sha256):
    text = json.dumps([asdict(probe) for probe in make()])
    assert hashlib.sha256(text.encode()).hexdigest() == sha256


def test_no_test_prompt_is_trained_on_or_stands_twice():
    prompts = [p.prompt for p in (*behavior_probes(), *discovery_probes(), *guard_probes(), *own_probes())]
    assert not set(prompts) & {row.prompt for row in build_corpus()}
    assert len(set(prompts)) == len(prompts)


def test_counts_of_held_out_prompts():
    halves = Counter((p.behavior, p.half) for p in behavior_probes())
    for name in BEHAVIORS:
        assert halves[name, "query"] + halves[name, "evaluation"] >= 60
        assert halves[name, "without"] >= 30
    assert len(discovery_probes()) >= 200 and len(guard_probes()) >= 60 and len(own_probes()) >= 50


def test_exhibits_tells_bad_from_good():
    for probe in behavior_probes():
        if probe.half != "without":
            assert re.search(probe.pattern, probe.bad) and not re.search(probe.pattern, probe.good), probe
