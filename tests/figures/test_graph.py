"""The graph as picture and as page, with token texts that try to be more than text."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from explorer.errors import ExplorerError
from explorer.figures.graph import export_graph
from explorer.figures.graph_canvas import graph_page
from explorer.figures.labels import visible
from explorer.figures.save import WITH_JSON
from explorer.graph.graph_json import node_id, to_json
from explorer.graph.layout import AttributionGraph, Marks
from explorer.graph.prune import Drawing, Pruning, prune
from tests.graph.tiny import HOSTILE, explanation, tiny

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
    assert small == (4, 3)
    long, layers = tiny(length=90), tuple(range(80))
    nodes = {(layer, token): 1.0 for layer in layers for token in range(90)}
    large = Drawing(layers, nodes, (((0, 0), (1, 1), -1.0),), 1.0, 1.0, 7200, 1)
    graph = AttributionGraph(explanation(long, ("word",)), long.pairs, large)
    assert png_inches(export_graph(graph, "png")) == (14, 10)


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
        *("header", "h1", "p", "span", "main", "div", "button", "canvas", "aside"),
    }
    for tag, attributes in parsed.elements:
        assert not {"src", "href", "srcset", "action", "style"} & set(attributes), tag
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
    drawn = {EXPLANATION.tokens[token].text for _, token in DRAWING.nodes}
    assert drawn & set(HOSTILE[2:5])
    assert {node["text"] for node in data["nodes"]} == drawn
    assert {node["group"] for node in data["nodes"]} == {"", "</script><script>alert(4)</script>"}
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", parsed.scripts[1])


def test_html_holds_the_drawing_in_plain_numbers(page):
    data = json.loads(Elements(page).scripts[0])
    nodes = data["nodes"]
    assert [node["id"] for node in nodes] == list(map(node_id, DRAWING.nodes))
    assert [node["relevance"] for node in nodes] == list(DRAWING.nodes.values())
    assert [(nodes[a]["id"], nodes[b]["id"], weight) for a, b, weight in data["edges"]] == [
        (node_id(source), node_id(target), weight) for source, target, weight in DRAWING.edges
    ]
    assert [(node["col"], node["row"]) for node in nodes] == list(DRAWN.positions.values())
    assert all(type(node["col"]) is int and type(node["row"]) is int for node in nodes)
    sizes = [abs(edge[2]) for edge in data["edges"]]
    assert sizes == sorted(sizes, reverse=True)
    assert {node["id"] for node in nodes if node["pinned"]} == set(map(node_id, NODES[:3]))
