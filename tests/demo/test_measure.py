"""The shipped rates and report, and that a sample of them really happens."""

import json

import pytest

from explorer.demo.adapters import ADAPTERS, ASSETS
from explorer.demo.measure import group, promises, rates, read_rates, report
from explorer.demo.planted import BEHAVIORS
from explorer.demo.probes import behavior_probes
from explorer.model.generate import answers
from explorer.model.load import ModelSpec, load_model
from explorer.model.prompts import Prompt


def test_the_report_is_that_of_the_rates():
    table = json.loads((ASSETS / "rates.json").read_text())
    text = (ASSETS / "REPORT.md").read_text()
    assert list(table) == ["base", *ADAPTERS]
    for name in BEHAVIORS:
        rate = table[ADAPTERS[-1]][f"{name}/with"]
        assert rate["n"] >= 40 and f"{100 * rate['rate']:.0f} ({100 * rate['low']:.0f}–" in text
    rates_again, timings = read_rates(ASSETS / "rates.json"), json.loads((ASSETS / "timings.json").read_text())
    assert report(rates_again, timings) == text
    assert len(promises(rates_again)) == 3 * len(BEHAVIORS) + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("adapter", "sizes"), [(None, {"evaluation": 6}), (ADAPTERS[-1], {"evaluation": 8, "without": 6})]
)
def test_a_sample_of_the_report_happens(adapter, sizes):
    """The shares asked for leave room for so small a sample; the bare model shows no behavior in all of the report."""
    sample = [
        probe
        for name in BEHAVIORS
        for half, n in sizes.items()
        for probe in [p for p in behavior_probes() if (p.behavior, p.half) == (name, half)][:n]
    ]
    spec = ModelSpec(adapter=adapter and str(ASSETS / "adapters" / adapter))
    table = rates(sample, answers(load_model(spec), [Prompt(p.prompt) for p in sample]))
    assert set(table) == {group(p) for p in sample}
    for name in BEHAVIORS:
        if adapter:
            assert table[f"{name}/with"].rate >= 0.4, name
            assert table[f"{name}/without"].rate <= 0.25, name
        else:
            assert table[f"{name}/with"].rate <= 0.2, name
