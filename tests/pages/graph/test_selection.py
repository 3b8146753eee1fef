"""What the drawer says of a node, an edge, a gap, a half, a head."""

import re

import pytest

from tests.pages.app import shown
from tests.pages.graph.drawn import heaviest


def test_graph_node_edge_and_gap(graph_page):
    app = graph_page
    drawn = shown(app, "graph-canvas")
    edge = heaviest(app)
    source, target, weight = drawn["nodes"][edge["source"]], drawn["nodes"][edge["target"]], edge["weight"]
    app.query_params["at"] = f"edge:{source['id']}:{target['id']}"
    app.run()
    heads, paths = (group["rows"] for group in shown(app, "graph-heads")["groups"])
    assert len(heads) == 9
    assert sum(low + high for _, low, high, *_ in paths) == pytest.approx(weight, rel=1e-3)
    app.query_params["at"] = f"node:{source['id']}"
    app.run()
    seen = shown(app, "graph-seen")["tokens"]
    assert len(seen) == drawn["columns"][-1]["last"] + 1
    app.button(key="graph-pin").click().run()
    assert app.query_params["pins"] == source["id"]
    app.button(key="graph-hide-token").click().run()
    assert str(source["token"]) in app.query_params["hide"].split(".")
    next(b for b in app.button if b.label == "Undo").click().run()
    assert "hide" not in app.query_params
    app.query_params["at"] = "gap:23:24"
    app.run()
    app.button(key="graph-halves").click().run()
    parts = {node.get("part") for node in shown(app, "graph-canvas")["nodes"]}
    assert parts == {"", "attention", "MLP"}
    assert not app.exception


def test_a_half_speaks_of_itself(graph_page):
    app = graph_page
    app.query_params["halves"] = "23"
    app.run()
    drawn = shown(app, "graph-canvas")
    half = max((n for n in drawn["nodes"] if n["part"] == "attention"), key=lambda n: abs(n["relevance"]))
    whole = next(n for n in drawn["nodes"] if n["id"] == half["id"].partition("-")[0])
    app.query_params["at"] = f"node:{half['id']}"
    app.run()
    (caption,) = [c.value for c in app.caption if "reach this token through attention" in c.value]
    own, others = (float(text) for text in re.findall(r"([+-][\d.]+)(?= from)", caption))
    assert own + others == pytest.approx(half["relevance"], rel=0.02)
    assert caption.startswith(f"{half['relevance']:+.3g} logits")
    assert f"{whole['relevance']:+.3g}" in caption
    (group,) = shown(app, "graph-half")["groups"]
    edges = [e for e in drawn["edges"] if drawn["nodes"][e["target"]]["id"] == half["id"]]
    strongest = max(edges, key=lambda e: abs(e["weight"]))
    assert sum(group["rows"][0][1:3]) == pytest.approx(strongest["weight"], rel=1e-3)
    app.button(key="graph-whole-node").click().run()
    assert app.query_params["at"] == f"node:{whole['id']}"


def test_a_head_speaks_of_itself(graph_page):
    app = graph_page
    app.query_params["at"] = "edge:" + ":".join(heaviest(app)["ends"])
    app.query_params["head"] = "2"
    app.run()
    rows = shown(app, "graph-heads")["groups"][0]["rows"]
    (caption,) = [c.value for c in app.caption if c.value.startswith("Head 2 ")]
    assert f"carries {sum(rows[2][1:3]):+.3g} logits" in caption
    source = int(app.query_params["at"].split(":")[1].split("_")[1])
    assert shown(app, "graph-brought")["tokens"][source][2] == pytest.approx(sum(rows[2][1:3]), rel=1e-3)
    assert shown(app, "graph-heads")["selected"] == 2
    app.query_params["head"] = "99"
    app.run()
    assert shown(app, "graph-heads")["selected"] is None
    assert not app.exception


def test_the_bold_path_is_the_first_of_the_list(graph_page):
    app = graph_page
    source, _ = heaviest(app)["ends"]
    app.query_params["at"] = f"node:{source}"
    app.run()
    bold = [edge["weight"] for edge in shown(app, "graph-canvas")["edges"] if edge["bold"]]
    first = next(c.value for c in app.caption if " logits · " in c.value and " → " in c.value)
    assert first.startswith(f"{min(bold, key=abs):+.3g} logits")
