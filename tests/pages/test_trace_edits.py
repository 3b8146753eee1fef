"""Edit and rerun on the Trace page: tries add up, can be undone, stand in the link, and hostile links do nothing."""

import numpy as np
import pytest

from explorer.data.failures import read_failures
from explorer.trace.edits import Edit, try_edits
from tests.pages.app import open_app, shown

DOG = read_failures()["wrong-dog"]


@pytest.fixture
def app(smollm):
    """The page on a shipped failure, with the word Bella selected."""
    app = open_app(case="wrong-dog").run()
    at = next(i for i, token in enumerate(shown(app, "trace-map")["tokens"]) if token[0] == " Bella")
    app.query_params["token"] = str(at)
    return app.run(), at


def rows(app):
    try:
        return shown(app, "trace-tries")["rows"]
    except AssertionError:
        return []


@pytest.mark.slow
def test_delete_replace_undo_and_start_over(app, smollm):
    app, at = app
    assert rows(app) == []
    app.button(key="trace-delete").click().run()
    assert app.query_params["edits"] == str(at)
    (row,) = rows(app)
    done = try_edits(DOG, [Edit(at)], smollm)
    assert done.predicted is not None
    assert np.allclose([float(row["predicted"]), float(row["measured"])], [done.predicted, done.change], atol=0.006)
    assert row["answer"] == " ".join(done.answer.split())
    assert f"edits={at}" in row["href"] and "case=wrong-dog" in row["href"]

    app.text_input(key=f"trace-with-{at}").set_value("Max")
    next(b for b in app.button if b.label == "Replace").click().run()
    assert app.query_params["edits"] == f"{at};{at}=Max"  # of one token, the later edit holds
    assert [word for row in rows(app) for word in row["words"]] == [
        {"old": "␣Bella", "new": ""},
        {"old": "␣Bella", "new": "Max"},
    ]
    app.button(key="trace-start-over").click().run()
    app.query_params["token"] = str(at - 1)
    app.run()
    app.button(key="trace-delete").click().run()
    assert app.query_params["edits"] == f"{at};{at}=Max;;{at - 1}"
    for left in (f"{at};{at}=Max;", f"{at};{at}=Max", str(at), None):
        app.button(key="trace-undo").click().run()
        assert app.query_params.get("edits") == left
    assert rows(app) == [] and not app.exception


def test_a_template_token_can_not_be_edited(app):
    app, _ = app
    app.query_params["token"] = "0"
    app.run()
    assert "trace-delete" not in [button.key for button in app.button]
    assert any("can't be edited" in caption.value for caption in app.caption)


def test_edits_belong_to_their_case(app):
    app, _ = app
    app.button(key="trace-delete").click().run()
    app.button(key="trace-next").click().run()
    assert "edits" not in app.query_params and rows(app) == []


@pytest.mark.parametrize(
    ("edits", "complaint"),
    [("999999", "has no token"), ("0", "is the template's"), ("9" * 5000, None), ("x;=;²;,", None), ("[" * 9000, None)],
)
def test_links_beyond_sense_are_a_sentence_or_nothing(smollm, edits, complaint):
    app = open_app(case="wrong-dog", edits=edits).run()
    assert not app.exception
    shown_rows = rows(app)
    assert len(shown_rows) == (1 if complaint else 0)
    assert not complaint or complaint in shown_rows[0]["error"]
    assert shown(app, "trace-map")["tokens"]


def test_hostile_words_are_text(app):
    app, at = app
    hostile = "<img src=x onerror=alert(1)> ![x](http://example.com/x.png)"
    app.text_input(key=f"trace-with-{at}").set_value(hostile)
    next(b for b in app.button if b.label == "Replace").click().run()
    assert rows(app)[0]["words"] == [{"old": "␣Bella", "new": hostile}]
    assert rows(app)[0]["predicted"] == "no estimate"
    assert not any("<img" in node.value for node in (*app.markdown, *app.caption, *app.error))


def test_two_maps_move_together(smollm):
    query = {"compare": "1", "rule": "cplrp", "rule-2": "representation-gradient", "map-layer-2": "7", "norms-2": "1"}
    app = open_app(case="wrong-dog", **query).run()
    first, second = shown(app, "trace-map"), shown(app, "trace-map-2")
    assert first["together"] == second["together"] == "trace"
    assert second["signed"] is False and second["unit"] == "‖∂L/∂H‖"
