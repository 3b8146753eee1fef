"""What the Training data page is asked: nodes, personas, control messages, what a score is made of."""

import re

import pytest

from tests.pages.app import open_app, shown, texts
from tests.pages.data_study import SYSTEMS
from tests.pages.training_data.opening import listed, open_page


def test_methods_layers_and_queries(study):
    app = open_page(study)
    before = [r["id"] for r in listed(app)]
    app.selectbox(key="training_data-method").set_value("gradient").run()
    assert app.query_params["method"] == "gradient"
    assert [r["id"] for r in listed(app)] != before
    app.selectbox(key="training_data-layer").set_value("1").run()
    app.selectbox(key="training_data-query").set_value("contrast").run()
    app.toggle(key="training_data-centre").set_value(True).run()
    assert not app.exception
    link = dict(app.query_params)
    assert link | {"layer": "1", "query": "contrast", "centre": "1", "method": "gradient"} == link
    again = open_page(study, method="gradient", layer="1", query="contrast", centre="1")
    assert listed(again) == listed(app)
    for name in ("bm25", "length", "random"):
        app.selectbox(key="training_data-method").set_value(name).run()
        assert not app.exception
        assert len(listed(app)) == 20
    app.selectbox(key="training_data-method").set_value("explorer").run()
    assert "method" not in app.query_params


def test_a_behavior_of_the_study(study):
    app = open_page(study)
    app.selectbox(key="training_data-behavior").set_value("swapped").run()
    assert app.query_params["behavior"] == "swapped"
    assert shown(app, "question-bar")["prompt"] == "swapped"
    assert shown(app, "question-bar")["note"].endswith("3 prompts")
    app.selectbox(key="training_data-behavior").set_value("this-case").run()
    assert "behavior" not in app.query_params


def test_more_like_this(study):
    app = open_page(study, row="r3")
    app.button(key="like").click().run()
    assert app.query_params["like"] == "r3"
    assert listed(app)[0]["score"] == "1.000"
    assert app.selectbox(key="training_data-behavior").value == "special"
    app.selectbox(key="training_data-method").set_value("bm25").run()
    assert not app.exception
    app.selectbox(key="training_data-behavior").set_value("swapped").run()
    assert "like" not in app.query_params


@pytest.mark.parametrize("half", ["state", "gradient"])
def test_a_node_of_the_graph(study, half):
    app = open_page(study, node="2:4", half=half)
    assert len(listed(app)) == 20
    assert any("have no layer 2; 3 is the nearest" in text.replace("\\", "") for text in texts(app))
    assert shown(app, "question-bar")["note"].startswith("Node")
    app.toggle(key="training_data-against").set_value(True).run()
    assert not app.exception


def test_a_node_that_is_not_there_says_so(study):
    app = open_page(study, node="1:9999")
    assert any("No node at layer" in text.replace("\\", "") for text in texts(app))


def test_the_graph_offers_the_data_behind_a_node(study):
    app = open_app(study=str(study.folder))
    app.switch_page("../../pages/graph.py").run()
    drawn = shown(app, "graph-canvas")
    node = max((n for n in drawn["nodes"] if n["layer"] == 3), key=lambda n: abs(n["relevance"]))
    app.query_params["at"] = f"node:{node['id']}"
    app.run()
    links = [link.proto.query_string for link in app.get("page_link") if "node=" in link.proto.query_string]
    assert links == [f"node=3%3A{node['token']}&half={half}" for half in ("state", "gradient")]


def test_a_persona(study):
    app = open_page(study, behavior="swapped", method="lora-gradient")
    assert "Persona" not in app.selectbox(key="training_data-query").options
    app.selectbox(key="training_data-method").set_value("activation-difference").run()
    contrast = [r["score"] for r in listed(app)]
    app.selectbox(key="training_data-query").set_value("persona").run()
    assert app.text_input(key="training_data-trait").value == SYSTEMS["asks"]  # the behavior's own
    own = [r["score"] for r in listed(app)]
    app.text_input(key="training_data-trait").set_value(" ").run()
    assert any("Write a system prompt" in info.value for info in app.info)
    app.text_input(key="training_data-trait").set_value("You name no city.").run()
    assert not app.exception and not app.error
    found = [r["score"] for r in listed(app)]
    assert len(found) == 20 and found not in (contrast, own)
    app.text_input(key="training_data-trait").set_value("You are rude.").run()
    assert [r["score"] for r in listed(app)] != found
    app.toggle(key="training_data-against").set_value(True).run()
    assert [m.label for m in app.metric] == ["Overlap at 50", "Same order (Spearman)"]
    link = {"behavior": "swapped", "method": "activation-difference", "query": "persona"}
    assert dict(app.query_params).items() >= link.items()
    again = open_page(study, **link, trait="You name no city.")
    assert [r["score"] for r in listed(again)] == found


def test_a_control_message_by_another_method_and_dot_products(study):
    link = {"behavior": "swapped", "method": "residual-change", "query": "control"}
    app = open_page(study, **link)
    assert not app.exception and not app.error
    assert [app.text_input(key=f"training_data-{name}").value for name in ("asks", "forbids")] == [*SYSTEMS.values()]
    cosines = [r["score"] for r in listed(app)]
    app.toggle(key="training_data-dot").set_value(True).run()
    assert app.query_params["dot"] == "1" and [r["score"] for r in listed(app)] != cosines
    app.text_input(key="training_data-forbids").set_value("").run()
    assert any("Write a system prompt" in info.value for info in app.info)


def test_what_a_score_is_made_of_and_whose_words_make_the_topic(study):
    app = open_page(study, behavior="swapped", row="r3")
    (parts,) = [text for text in texts(app) if text.startswith("Score = ")]
    numbers = [float(n.replace("−", "-")) for n in re.findall(r"[+−]\d\.\d+", parts)]
    score = next(float(r["score"]) for r in listed(app) if r["id"] == "r3")
    assert sum(numbers) == pytest.approx(score, abs=0.02) and "topic" in parts
    app.toggle(key="training_data-topic").set_value(True).run()
    assert any(cell[2] for cell in shown(app, "topic-map")["tokens"])
    shares = [cell[2] for cell in shown(app, "row-map")["tokens"]]
    app.selectbox(key="training_data-words").set_value("rept").run()
    assert not app.exception and app.query_params["words"] == "rept"
    assert [cell[2] for cell in shown(app, "row-map")["tokens"]] != shares
    assert not any(text.startswith("Score = ") for text in texts(app))


def test_a_node_against_other_vectors(study):
    app = open_page(study, case="f", node="3:4", half="gradient", method="residual-change")
    assert not app.exception and not app.error
    assert len(listed(app)) == 20 and any("as a direction" in text for text in texts(app))
