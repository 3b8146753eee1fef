"""The verdict on the pages that show a map: what stands there while it is computed, and when it is known."""

import threading
import time
from dataclasses import replace
from functools import partial

import pytest

from explorer.data.failures import read_failures
from explorer.model.load import ModelSpec
from explorer.model.passes import tell
from explorer.trace.explain import explain
from explorer.ui import verdict as module
from explorer.ui.background import Background, Wish, background
from explorer.ui.caching import results
from tests.pages.app import open_app, texts

DOG = read_failures()["wrong-dog"]
RULES = ("attnlrp", "cplrp")


@pytest.fixture(scope="module")
def judged(smollm):
    """Verdicts on two maps of the dog from few orders, so that it is quick; the second is made the better one."""
    from explorer.faithfulness.verdict import verdicts

    first, second = verdicts([explain(DOG, smollm, rule=rule) for rule in RULES], smollm, orders=10)
    return replace(first, tests=tuple(replace(t, least_first=t.most_first) for t in first.tests)), second


@pytest.mark.slow
def test_a_verdict_that_is_known_stands_below_the_map_with_its_figures(judged, monkeypatch, smollm):
    monkeypatch.setattr(background, "later", lambda *_: judged)
    app = open_app(case="wrong-dog").run()
    assert not app.exception
    assert any(text.startswith("Replacing tokens in its order") for text in texts(app))
    assert any("AttnLRP" in text and "no better than chance" in text.lower() for text in texts(app))
    assert len(app.get("plotly_chart")) == 2
    app.button(key="trace-verdict-best").click().run()
    assert app.query_params["rule"] == ["cplrp"] or app.query_params["rule"] == "cplrp"


def test_while_it_is_computed_the_page_says_how_far_it_is_and_offers_to_stop(monkeypatch, smollm):
    asked, cancelled = [], []

    def later(function, *given):
        asked.append(given)
        return Wish(lambda: None, 0.0, True, "AttnLRP beats 3 of 10 random orders so far", 3, 100)

    monkeypatch.setattr(background, "later", later)
    monkeypatch.setattr(background, "cancel", cancelled.append)
    app = open_app(case="wrong-dog").run()
    assert asked[0] == (ModelSpec(), DOG.question, False)
    assert "beats 3 of 10 random orders so far" in app.get("progress")[0].proto.text
    app.button(key="trace-verdict-stop").click().run()
    assert cancelled == [module.judged.key(*asked[0])]
    before = len(asked)
    app.run()
    assert len(asked) == before  # it stays stopped
    app.button(key="trace-verdict-ask").click().run()
    assert len(asked) > before


def test_what_a_session_waits_for_stands_among_the_jobs_and_is_stopped_there(monkeypatch, smollm):
    gate = threading.Event()

    def waits(*_given, **_named):
        while not gate.wait(0.05):
            tell("AttnLRP beats 3 of 10 random orders so far", 3, 10)
        return []

    monkeypatch.setattr("explorer.ui.verdict.verdicts", waits)
    monkeypatch.setattr(background, "later", partial(Background.later, background))
    monkeypatch.setattr("explorer.ui.background._LONG_REST", 0.02)
    results.clear()
    app = open_app(case="wrong-dog").run()
    for _ in range(100):
        if any("beats 3 of 10" in bar.proto.text for bar in app.sidebar.get("progress")):
            break
        time.sleep(0.1)
        app.run()
    assert any("Is this map true?" in text and "verdict" in text for text in texts(app))
    other = open_app(case="wrong-dog")
    other.switch_page("../../pages/studies.py").run()
    assert not any("Is this map true?" in text for text in texts(other))  # another session's
    app.switch_page("../../pages/studies.py").run()
    app.button(key="job-0-show").click().run()
    assert not app.exception and any(button.key == "trace-verdict-stop" for button in app.button)
    app.button(key="job-0-stop").click().run()
    app.switch_page("../../pages/trace.py").run()
    assert any(button.key == "trace-verdict-ask" for button in app.button)
    gate.set()


@pytest.mark.slow
def test_two_maps_and_several_models_have_a_verdict_each(judged, monkeypatch, smollm):
    monkeypatch.setattr(background, "later", lambda *_: judged)
    app = open_app(case="wrong-dog", compare="1", **{"rule-2": "cplrp"}).run()
    assert not app.exception
    assert sum(text.startswith("Replacing tokens in its order") for text in texts(app)) == 2
    app = open_app(case="wrong-dog")
    app.switch_page("../../pages/compare.py").run()
    assert not app.exception
    assert sum(text.startswith("Replacing tokens in its order") for text in texts(app)) >= 2


def test_a_map_at_another_layer_is_judged_by_itself(smollm):
    first = explain(DOG, smollm, rule="representation-gradient")
    other = explain(DOG, smollm, rule="representation-gradient", layer=3)
    assert module._call(ModelSpec(), DOG, first)[0] is module.judged
    assert module._call(ModelSpec(), DOG, other) == (
        module.judged_at,
        (ModelSpec(), DOG.question, "representation-gradient", 3, False),
    )


def test_a_refusal_is_said_in_a_sentence(monkeypatch, smollm):
    from explorer.errors import PromptError

    def refuse(*_):
        raise PromptError("The prompt has 2 tokens that can be replaced; a verdict needs 5.")

    monkeypatch.setattr(background, "later", refuse)
    app = open_app(case="wrong-dog").run()
    assert any(text.startswith("Is this map true? The prompt has 2 tokens") for text in texts(app))
