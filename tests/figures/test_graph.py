"""The graph as picture and as page, with token texts that try to be more than text."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.collections import PathCollection, PolyCollection

from explorer.errors import ExplorerError
from explorer.figures.graph import export_graph, graph_figure
from explorer.figures.graph_canvas import canvas_data, graph_page
from explorer.figures.graph_caption import graph_caption, kept_sentence
from explorer.figures.labels import visible
from explorer.figures.save import WITH_JSON
from explorer.graph.graph_json import node_id, to_json
from explorer.graph.layout import AttributionGraph, Marks
from explorer.graph.prune import Drawing, Pruning, prune
from explorer.graph.scene import scene_of
from explorer.safe_text import quoted
from tests.graph.tiny import HOSTILE, chain, explanation, tiny

MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF-1.4", "html": b"<!doctype html>", "json": b"{"}
GRAPH = tiny()
EXPLANATION = explanation(GRAPH)
DRAWING = prune(GRAPH.trace.relevance, GRAPH.pairs, Pruning())
NODES = list(DRAWING.nodes)
MARKS = Marks((NODES[1], (0, 99)), (("</script><script>alert(4)</script>", tuple(NODES[:3])), ("gone", ((0, 99),))))
DRAWN = AttributionGraph(EXPLANATION, GRAPH.pairs, DRAWING, MARKS)
pytestmark = pytest.mark.filterwarnings("ignore:Glyph")


@pytest.mark.parametrize("kind", WITH_JSON)
def test_every_kind_is_written(kind):
    data = export_graph(DRAWN, kind)
    assert data.startswith(MAGIC[kind])
    assert len(data) > 5000


@pytest.mark.parametrize("kind", ["svg", "html"])
def test_the_caption_stands_in_the_picture(kind):
    caption = graph_caption(DRAWN, "http://localhost:8501/graph?case=a")
    assert (caption.wrong, caption.right) == (EXPLANATION.contrast.wrong, EXPLANATION.contrast.right)
    assert caption.model == EXPLANATION.model and caption.rule == "AttnLRP"
    data = export_graph(DRAWN, kind, caption.link).decode()
    assert caption.link in data
    assert data != export_graph(DRAWN, kind).decode()


def test_json_is_graph_json():
    assert json.loads(export_graph(DRAWN, "json")) == json.loads(json.dumps(to_json(DRAWN)))


def test_svg_is_vector_and_inert():
    root = ElementTree.fromstring(export_graph(DRAWN, "svg"))
    tags = {node.tag.rpartition("}")[2] for node in root.iter() if isinstance(node.tag, str)}
    assert "path" in tags
    assert not tags & {"image", "script", "text", "foreignObject", "a"}
    links = [value for node in root.iter() for name, value in node.attrib.items() if name.endswith("href")]
    assert all(link.startswith("#") for link in links)


def png_inches(data: bytes) -> tuple[float, float]:
    return int.from_bytes(data[16:20]) / 300, int.from_bytes(data[20:24]) / 300


def test_the_size_adapts_within_bounds():
    empty = Drawing((0, 3), {GRAPH.contrast: 1.0}, (), 0.0, 0.0, 10, 10)
    small = png_inches(export_graph(AttributionGraph(EXPLANATION, GRAPH.pairs, empty), "png"))
    assert small[0] == 4
    assert 4 <= small[1] <= 7  # with the lines of the caption
    long, layers = tiny(length=90), tuple(range(80))
    nodes = {(layer, token): 1.0 for layer in layers for token in range(90)}
    large = Drawing(layers, nodes, (((0, 0), (1, 1), -1.0),), 1.0, 1.0, 7200, 1)
    graph = AttributionGraph(explanation(long, ("word",)), long.pairs, large)
    assert png_inches(export_graph(graph, "png"))[0] == 14
    assert tuple(graph_figure(graph).get_size_inches()) == (14, 10)


def test_unknown_kind():
    with pytest.raises(ExplorerError, match="expected png, svg, pdf"):
        export_graph(DRAWN, "docx")


def test_visible_text():
    assert visible(" a\n\tb") == "␣a↵⇥b"
    assert visible("") == "·"
    assert visible("\x00\x1b") == "··"
    assert visible("x" * 30, 14) == "x" * 13 + "…"


class Elements(HTMLParser):
    """Every element with its attributes, and the text of every script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.scripts.append(data)


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    yield graph_page(DRAWN)


def test_html_refers_to_nothing(page):
    parsed = Elements(page)
    assert {tag for tag, _ in parsed.elements} == {
        *("html", "head", "meta", "title", "style", "body", "script"),
        *("header", "details", "summary", "h1", "dl", "dt", "dd", "p"),
        *("main", "div", "button", "svg", "path", "canvas", "aside"),
    }
    for tag, attributes in parsed.elements:
        assert not {"src", "href", "srcset", "action"} & set(attributes), tag
        assert "style" not in attributes or tag == "dd", tag
        assert not any(name.startswith("on") for name in attributes), tag
    (policy,) = [a["content"] for _, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert "connect-src" not in policy
    assert not re.search(r"url\((?!\s*[\"']?data:)", "".join(re.findall(r"<style>.*?</style>", page, re.S)))
    assert "sourceMappingURL" not in page


def test_hostile_texts_stay_texts(page):
    parsed = Elements(page)
    assert len([tag for tag, _ in parsed.elements if tag == "script"]) == 2
    data = json.loads(parsed.scripts[0])
    for text in ("<img", "<script>alert", "onerror=alert(1)>", "<b>", "</h1><script"):
        assert text not in page
    drawn = {EXPLANATION.tokens[token].text for node in DRAWING.nodes if node not in NODES[:3] for token in node[1:]}
    assert drawn & set(HOSTILE[2:5])
    assert {node["text"] for node in data["nodes"] if not node["part"]} == drawn
    assert [node["text"] for node in data["nodes"] if node["part"]] == ["</script><script>alert(4)</script>"]
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", parsed.scripts[1])


def test_html_holds_the_drawing_in_plain_numbers():
    data = json.loads(Elements(graph_page(replace(DRAWN, marks=Marks(MARKS.pinned), beads=True))).scripts[0])
    nodes = data["nodes"]
    assert [node["id"] for node in nodes] == list(map(node_id, DRAWING.nodes))
    assert [node["relevance"] for node in nodes] == list(DRAWING.nodes.values())
    assert [(nodes[e["source"]]["id"], nodes[e["target"]]["id"], e["weight"]) for e in data["edges"]] == [
        (node_id(source), node_id(target), weight) for source, target, weight in DRAWING.edges
    ]
    assert [(node["col"], node["row"]) for node in nodes] == list(DRAWN.positions.values())
    assert all(type(node["col"]) is int and type(node["row"]) is int for node in nodes)
    sizes = [abs(edge["weight"]) for edge in data["edges"]]
    assert sizes == sorted(sizes, reverse=True)
    assert [node["id"] for node in nodes if node["pinned"]] == [node_id(NODES[1])]


def test_html_draws_a_group_as_one_node(page):
    data = json.loads(Elements(page).scripts[0])
    (group,) = [node for node in data["nodes"] if node["part"]]
    assert (group["id"], group["members"]) == ("group-0", 3)
    assert group["relevance"] == pytest.approx(sum(DRAWING.nodes[node] for node in NODES[:3]))
    assert not {node["id"] for node in data["nodes"]} & set(map(node_id, NODES[:3]))
    assert not any(node["pinned"] for node in data["nodes"])  # the pinned one is in the group


def test_pictures_draw_groups_and_runs_as_the_scene_has_them():
    folded = replace(DRAWN, beads=False)
    scene = scene_of(folded)
    figure = graph_figure(folded)
    (axes,) = figure.axes
    curves = [c for c in axes.collections if isinstance(c, PathCollection) and not len(np.asarray(c.get_facecolor()))]
    bands = [c for c in axes.collections if isinstance(c, PolyCollection) and not isinstance(c, PathCollection)]
    assert sum(len(c.get_paths()) for c in curves) == sum(not stroke.run for stroke in scene.strokes)
    assert len(bands) == sum(bool(stroke.run) for stroke in scene.strokes)
    discs = [c for c in axes.collections if isinstance(c, PathCollection) and len(np.asarray(c.get_facecolor()))]
    assert sum(len(np.asarray(c.get_offsets())) for c in discs) == len(scene.nodes)
    assert [text.get_text() for text in axes.texts] == [visible(MARKS.groups[0][0], 28)]


def test_the_band_of_a_run_is_as_wide_as_the_relevance_along_it():
    graph = chain("++++++-")
    (run,) = [stroke for stroke in scene_of(graph).strokes if stroke.run]
    strongest = max(value for stroke in scene_of(graph).strokes for value in map(abs, stroke.sizes))
    figure = graph_figure(graph)
    (axes,) = figure.axes
    (band,) = [c for c in axes.collections if isinstance(c, PolyCollection)]
    points = np.asarray(band.get_paths()[0].vertices)
    inches = axes.get_position().width * figure.get_size_inches()[0] / np.ptp(axes.get_xlim())
    for row, relevance in run.run:
        across = points[np.isclose(points[:, 1], row), 0]
        assert 72 * inches * np.ptp(across) == pytest.approx(0.3 + 2.7 * relevance / strongest, rel=1e-3)


def test_the_canvas_says_by_itself_what_it_shows():
    told = canvas_data(DRAWN, verdict="holds: r = .61 [.5, .7]")
    wrong, right = EXPLANATION.sides
    assert told["title"] == f"{wrong} instead of {right}: {EXPLANATION.trace.gap:+.2f} logits"
    assert told["about"] == "tiny <model> · AttnLRP"
    assert told["verdict"] == "holds: r = .61 [.5, .7]" and canvas_data(DRAWN)["verdict"] == ""
    assert told["kept"] == DRAWING.kept
    legend = dict(told["legend"][:2])
    assert legend == {"wrong": f"towards {quoted(wrong)}", "right": f"towards {quoted(right)}"}
    widest = max(abs(value) for stroke in scene_of(DRAWN).strokes for value in stroke.sizes)
    largest = max(abs(node["relevance"]) for node in told["nodes"])
    assert f"widest {widest:.2g} logits" in told["legend"][2][1] and f"largest {largest:.2g}" in told["legend"][3][1]


def test_the_caption_says_what_is_kept_and_folded():
    folded = replace(DRAWN, beads=False, pruning=Pruning(hidden=frozenset({3})))
    caption = kept_sentence(folded)
    assert caption in graph_caption(folded).legend
    assert f"{len(DRAWING.nodes)} of {DRAWING.total_nodes} nodes with {DRAWING.node_share:.0%}" in caption
    assert f"{len(DRAWING.edges)} of {DRAWING.total_edges} edges with {DRAWING.edge_share:.0%}" in caption
    assert "without the cap" not in caption
    few = AttributionGraph(EXPLANATION, GRAPH.pairs, prune(GRAPH.trace.relevance, GRAPH.pairs, Pruning(max_edges=9)))
    assert f"of Σ|A| ({DRAWING.edge_share:.0%} without the cap)." in kept_sentence(few)
    assert "3 nodes in “</script>" in caption
    assert "1 hidden token" in caption
    count = scene_of(folded).folded
    assert (f"{count} node" in caption and "residual runs" in caption) if count else "residual" not in caption
    skipping = Drawing((0, 3), {GRAPH.contrast: 1.0}, (), 0.0, 0.0, 10, 10)
    assert "2 of 4 layers" in kept_sentence(AttributionGraph(EXPLANATION, GRAPH.pairs, skipping))
