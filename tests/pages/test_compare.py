"""The Compare page: maps under one scale, their changes, models that can't be read."""

import numpy as np
import pytest

from explorer.errors import ExplorerError
from explorer.ui import explained
from tests.pages.app import open_app, shown


@pytest.fixture
def app(smollm):
    """The page on the study's first failure, before and after the stage that taught it."""
    return open_app(case="demo-italy-to-portugal-036", models="base,sft").run().switch_page("../../pages/compare.py")


def test_page(app):
    app.run()
    assert not app.exception
    assert not app.error
    rows = {name: low + high for name, low, high, *_ in shown(app, "compare-gaps")["groups"][0]["rows"]}
    assert list(rows) == ["base", "sft"]
    assert rows["base"] < 0 < rows["sft"]
    first, second = shown(app, "compare-map-0"), shown(app, "compare-map-1")
    assert first["scale"] == second["scale"]
    assert "Portugal" in second["hint"]
    before = [value for _, _, value, _ in second["tokens"]]
    app.toggle(key="compare-change").set_value(True).run()
    assert app.query_params["change"] == "1"
    moved = [value for _, _, value, _ in shown(app, "compare-map-1")["tokens"]]
    base = [value for _, _, value, _ in shown(app, "compare-map-0")["tokens"]]
    assert np.allclose(moved, np.subtract(before, base), atol=1e-6)
    assert shown(app, "compare-map-1")["caption"] == "sft − base"


@pytest.mark.parametrize("rule", ["cplrp", "CP-LRP"])  # a key, or a label in an old link
def test_the_rule_of_the_link_is_understood(app, rule):
    app.query_params["rule"] = rule
    app.run()
    assert "CP-LRP" in shown(app, "compare-map-0")["caption"]


def test_page_asks_for_two_and_says_which_model_can_not_be_read(app, monkeypatch):
    app.run()
    app.multiselect(key="compare-models").set_value(["base"]).run()
    assert "Choose two" in app.info[0].value

    def only_others(spec, *arguments):
        if spec.adapter and spec.adapter.endswith("/dpo"):
            raise ExplorerError(f"{spec.adapter}: *no* adapter.")
        return real(spec, *arguments)

    real = explained.explained
    monkeypatch.setattr(explained, "explained", only_others)
    app.multiselect(key="compare-models").set_value(["base", "dpo"]).run()
    assert "adapter" in app.error[0].value
    assert "\\*no" in app.error[0].value
    assert len(shown(app, "compare-gaps")["groups"][0]["rows"]) == 1
    assert not app.exception
