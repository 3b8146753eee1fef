"""The stand-alone graph page in a real browser: it draws, asks for nothing, and hostile token texts stay texts."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from explorer.figures.graph_canvas import graph_page
from explorer.graph.layout import Marks
from tests.graph.tiny import attribution_graph, tiny

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[tuple[Page, list[str], list[str]]]:
    """The page from a file, every address it asked for, and everything it complained about."""
    graph = attribution_graph(tiny())
    nodes = list(graph.drawing.nodes)
    marks = Marks((nodes[0],), (("</script><script>alert(4)</script>", tuple(nodes[:3])),))
    file = tmp_path / "graph.html"
    file.write_text(graph_page(replace(graph, marks=marks)), encoding="utf-8")
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def refuse(dialog: Dialog) -> None:
        wrong.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    page.goto(file.as_uri())
    yield page, asked, wrong
    context.close()
    assert asked == [file.as_uri()]
    assert wrong == []


COLOURED = """() => {
  const canvas = document.querySelector(".graph canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let red = 0, blue = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i] > pixels[i + 2] + 90) red++;
    if (pixels[i + 2] > pixels[i] + 90) blue++;
  }
  return [red, blue];
}"""


def test_it_draws_and_asks_for_nothing(opened):
    page = opened[0]
    expect(page.locator(".graph canvas")).to_be_visible()
    expect(page.locator("h1")).to_contain_text("<b>$wrong$</b>")
    page.wait_for_function(f"() => {{ const [r, b] = ({COLOURED})(); return r > 200 && b > 200; }}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")


def point(page: Page, name: str) -> tuple[float, float]:
    """Where on the page the drawing says that a node or an edge is."""
    x, y = page.locator(".graph").evaluate("(node, name) => node.locate(name)", name)
    box = page.locator(".graph canvas").bounding_box()
    assert box
    return box["x"] + x, box["y"] + y


def test_hover_and_click_show_figures_as_text(opened):
    page = opened[0]
    expect(page.locator(".graph canvas")).to_be_visible()
    hover, details = page.locator(".hover"), page.locator("aside")
    hostile = page.evaluate("data.nodes.filter((node) => /<|href/.test(node.text))")
    assert hostile
    for number, node in enumerate(hostile[:6]):
        page.mouse.move(5 + number, 5)
        expect(hover).to_be_hidden()
        text = json.dumps(node["text"], ensure_ascii=False)
        x, y = point(page, f"node:{node['id']}")
        page.mouse.move(x, y, steps=3)
        expect(hover).to_be_visible()
        expect(hover).to_contain_text(text)
        expect(hover).to_contain_text("relevance")
        page.mouse.click(x, y)
        expect(details).to_contain_text(text)
        expect(details).to_contain_text("logits")
        assert details.inner_text().startswith(hover.inner_text().partition("\n")[0])
        expect(page.locator("aside *, .hover *").locator("*")).to_have_count(0)
    assert page.locator("img, script[src], b").count() == 0


def test_a_clicked_node_lists_all_its_edges_and_an_edge_its_ends(opened):
    page = opened[0]
    a, b, weight = page.evaluate("[data.nodes[data.edges[0][0]].id, data.nodes[data.edges[0][1]].id, data.edges[0][2]]")
    page.mouse.click(*point(page, f"node:{b}"))
    index = page.evaluate("(id) => data.nodes.findIndex((node) => node.id === id)", b)
    touching = page.evaluate("(n) => data.edges.filter((edge) => edge.slice(0, 2).includes(n)).length", index)
    expect(page.locator("aside div:not(.head):not(.dim)", has_text=re.compile(r"^ *[+-]"))).to_have_count(touching)
    page.mouse.click(*point(page, f"edge:{a}:{b}"))
    expect(page.locator("aside")).to_contain_text(f"{weight:+.3g} logits")
    expect(page.locator("aside div")).to_have_count(3)
    x, y = point(page, "gap:0:1")
    page.mouse.click(x + 1e-3, y)
    expect(page.locator("aside")).to_have_text("layers 0 → 1")


def test_zoom_and_pan_move_the_drawing(opened):
    page = opened[0]
    name = "node:" + page.evaluate("data.nodes[0].id")
    before = point(page, name)
    x, y = before[0] + 60, before[1] - 60
    page.mouse.move(x, y)
    page.mouse.wheel(0, -200)
    zoomed = point(page, name)
    assert abs(zoomed[0] - x) > abs(before[0] - x) + 1
    page.mouse.down()
    page.mouse.move(x + 50, y + 20, steps=4)
    page.mouse.up()
    assert point(page, name) == pytest.approx((zoomed[0] + 50, zoomed[1] + 20), abs=2)
    page.get_by_role("button", name="Fit").click()
    assert point(page, name) == pytest.approx(before, abs=1)
