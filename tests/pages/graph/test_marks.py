"""Groups and ablations: what a user adds to the drawing."""

import pytest

from tests.pages.app import open_app, shown, texts


def test_a_group_is_one_node_with_a_name(graph_page):
    app = graph_page
    before = shown(app, "graph-canvas")
    members = [node["id"] for node in before["nodes"] if node["layer"] == 24][:3]
    for member in members:
        app.query_params["at"] = f"node:{member}"
        app.run()
        app.button(key="graph-pin").click().run()
    app.text_input(key="graph-group").set_value("my group").run()
    next(b for b in app.button if b.label == "Make the group").click().run()
    drawn = shown(app, "graph-canvas")
    (group,) = [node for node in drawn["nodes"] if node["part"] == "group"]
    assert (group["text"], group["members"]) == ("my group", 3)
    alone = {node["id"]: node["relevance"] for node in before["nodes"]}
    assert group["relevance"] == pytest.approx(sum(alone[member] for member in members), rel=1e-4)
    assert any("my group" in text for text in texts(app))
    assert shown(app, "graph-members")["groups"][0]["rows"]
    app.button(key="graph-ablate-group").click().run()
    assert app.dataframe[-1].value["what"].iloc[0].startswith("my group")
    at = drawn["nodes"].index(group)
    stroke = next(edge for edge in drawn["edges"] if at in (edge["source"], edge["target"]))
    app.query_params["at"] = "edge:" + ":".join(drawn["nodes"][stroke[end]]["id"] for end in ("source", "target"))
    app.run()
    assert any("the sum of" in caption.value for caption in app.caption)
    app.button(key="graph-dissolve-0").click().run()
    assert not any(node["part"] for node in shown(app, "graph-canvas")["nodes"])
    assert not app.exception


def test_ablations_stand_in_a_table_and_in_the_link(graph_page):
    app = graph_page
    drawn = shown(app, "graph-canvas")
    biggest = max((n for n in drawn["nodes"] if n["layer"] == 20), key=lambda n: n["relevance"])
    app.query_params["at"] = f"node:{biggest['id']}"
    app.run()
    app.button(key="graph-ablate").click().run()
    assert app.query_params["ablated"] == f"mean.{biggest['id']}"
    app.segmented_control(key="graph-how").set_value("zero").run()
    app.button(key="graph-ablate").click().run()
    assert app.query_params["ablated"] == f"mean.{biggest['id']}~zero.{biggest['id']}"
    table = app.dataframe[-1].value
    assert list(table["replaced by"]) == ["zeros", "mean state"]
    assert list(table["relevance"]) == pytest.approx([biggest["relevance"]] * 2, rel=1e-4)
    assert table["predicted"].iloc[0] == pytest.approx(-biggest["relevance"], rel=1e-4)
    assert (table["measured"] < -0.1).all()  # taking the strongest support away lowers the gap
    assert list(table["difference"]) == pytest.approx(list(table["measured"] - table["predicted"]))
    (sentence,) = [caption.value for caption in app.caption if "Ablations" in caption.value]
    for number in table.iloc[0][["relevance", "predicted", "measured", "difference"]]:
        assert f"{number:+.2f}".replace("+", "\\+").replace("-", "\\-").replace(".", "\\.") in sentence
    fresh = open_app(**dict(app.query_params.items()) if hasattr(app.query_params, "items") else app.query_params)
    fresh.run()
    fresh.switch_page("../../pages/graph.py").run()
    assert fresh.dataframe[-1].value.equals(table)  # computed anew from the link
    next(b for b in app.button if b.label == "Undo").click().run()
    assert app.query_params["ablated"] == f"mean.{biggest['id']}"
    app.button(key="graph-clear-ablations").click().run()
    assert "ablated" not in app.query_params
    assert not app.exception
