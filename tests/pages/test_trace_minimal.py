"""The minimal edit on the Trace page: asked for by a button, kept in the link, drawn as text, gone with its case."""

import pytest

from explorer import explain, minimal_edit
from explorer.data.failures import Failure, read_failures
from tests.pages.app import open_app, shown

TORONTO = read_failures()["friend-toronto"]


def drawn(app) -> list[dict]:
    try:
        return shown(app, "trace-minimal-edit")["parts"]
    except AssertionError:
        return []


def marked(part: dict) -> list[str]:
    return [text for run in part["runs"] for text, on in run if on]


@pytest.mark.slow
def test_the_button_asks_and_the_finding_is_the_calls(smollm):
    app = open_app(case="friend-toronto").run()
    assert drawn(app) == [] and "minimal" not in app.query_params
    app.button(key="trace-minimal").click().run()
    assert app.query_params["minimal"] == "1" and not app.exception
    removed, kept = drawn(app)
    found = minimal_edit(TORONTO, smollm, explanation=explain(TORONTO, smollm))
    assert found.removed and found.kept and found.rerun
    assert (removed["mark"], marked(removed)) == ("del", list(found.removed.texts))
    assert (kept["mark"], marked(kept)) == ("ins", list(found.kept.texts))
    assert "".join(text for run in removed["runs"] for text, _ in run).strip() == TORONTO.prompt
    sentence = " ".join(removed["sentences"])
    assert f"{found.rerun.gap:+.2f} logits" in sentence and " ".join(found.rerun.answer.split()) in sentence
    assert found.random[1] == len(found.players) - 1 < 20
    assert f"{found.random[0]} of all {found.random[1]} other single tokens" in sentence
    assert f"{found.kept.gap:+.2f} logits" in kept["sentences"][0]
    app.button(key="trace-minimal-close").click().run()
    assert "minimal" not in app.query_params and drawn(app) == []


@pytest.mark.slow
def test_a_link_finds_it_again_for_whole_answers_and_another_case_forgets_it(smollm):
    app = open_app(case="friend-toronto", minimal="1", whole="1", rule="gradient").run()
    assert not app.exception and " nats" in drawn(app)[0]["sentences"][0]
    app.button(key="trace-next").click().run()
    assert "minimal" not in app.query_params and drawn(app) == []


@pytest.mark.parametrize("value", ["2", "<b>", "0", "x" * 9000])
def test_other_values_in_the_link_ask_for_nothing(smollm, value):
    app = open_app(case="friend-toronto", minimal=value).run()
    assert not app.exception and drawn(app) == []


@pytest.mark.slow
def test_hostile_prompts_are_text(smollm):
    hostile = "<img src=x onerror=alert(1)> ![x](http://example.com/x.png) What is the capital of Canada?"
    for wrong, right in (("Toronto", "Ottawa"), ("Ottawa", "Toronto")):
        app = open_app(q=hostile, wrong=wrong, right=right, minimal="1").run()
        assert not app.exception and drawn(app)
        explanation = explain(Failure(hostile, wrong, right), smollm)
        first = drawn(app)[0]
        if explanation.trace.gap <= 0:
            assert first["runs"] == [] and first["title"] == "" and "nothing to remove" in first["sentences"][0]
        elif first["runs"]:
            assert "".join(text for run in first["runs"] for text, _ in run).strip() == hostile
        assert not any("<img" in node.value for node in (*app.markdown, *app.caption, *app.error))
