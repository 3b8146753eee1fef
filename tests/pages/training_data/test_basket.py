"""The basket on the Training data page, and what is exported."""

import json

from streamlit.testing.v1 import AppTest

from tests.pages.app import shown, texts
from tests.pages.data_study import data_study
from tests.pages.training_data.opening import listed, open_page


def test_basket(study):
    app = open_page(study)
    app.button(key="basket-row").click().run()
    first = shown(app, "ranked-list")
    assert [r["id"] for r in first["rows"] if r["ticked"]] == [first["open"]]
    app.number_input(key="training_data-add").set_value(5).run()
    app.button(key="add-top").click().run()
    assert sum(r["ticked"] for r in listed(app)) == 5
    again = open_page(study)  # another visit
    assert sum(r["ticked"] for r in listed(again)) == 5
    rows = [button for button in again.button if (button.key or "").startswith("basket-open-")]
    assert len(rows) == 5 and all("→" in button.label for button in rows)
    name = listed(again)[0]["id"]
    again.button(key="basket-remove-0").click().run()
    assert sum(r["ticked"] for r in listed(again)) == 4 and not listed(again)[0]["ticked"]
    assert "Basket: 4" in labels_of_popovers(again)
    again.button(key="basket-open-1").click().run()
    assert again.query_params["row"] not in ("", name)
    again.button(key="clear").click().run()
    assert not any(r["ticked"] for r in listed(again))


def labels_of_popovers(app: AppTest) -> list[str]:
    return [node.proto.popover.label for node in app.get("popover")]


def test_the_basket_counts_what_it_shows(tmp_path, baskets):
    made = data_study(tmp_path, built=False)
    (baskets / "study.json").write_text(json.dumps({"format": 1, "ids": ["r3", "gone", "r5"]}))
    app = open_page(made)
    assert "Basket: 2" in labels_of_popovers(app)
    assert any("1 id no longer among the datapoints: gone" in text for text in texts(app))


def test_the_basket_offers_what_is_listed_after_a_search_is_cleared(study):
    app = open_page(study)
    usual = app.button(key="add-top").label
    assert usual == "Add the top 50 of the list"
    app.text_input(key="training_data-find").set_value("Seoul").run()
    assert app.button(key="add-top").label != usual
    app.text_input(key="training_data-find").set_value("").run()
    assert app.button(key="add-top").label == usual


def test_export_buttons(study):
    app = open_page(study)
    app.button(key="basket-row").click().run()
    labels = [b.proto.label for b in app.get("download_button")]
    files = ["CSV", "JSONL", "PARQUET"]
    assert labels == ["Download the ids", *files, *files]  # of the basket, and of the list
    app.button(key="clear").click().run()
