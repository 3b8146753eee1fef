"""The stand-alone graph page in a real browser: it draws, asks for nothing, and hostile token texts stay texts."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from explorer.figures.graph_page import graph_page
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
  const canvas = document.querySelector("#graph canvas");
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
    expect(page.locator("#graph canvas")).to_be_visible()
    expect(page.locator("h1")).to_contain_text("<b>$wrong$</b>")
    page.wait_for_function(f"() => {{ const [r, b] = ({COLOURED})(); return r > 200 && b > 200; }}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")


def test_hover_and_click_show_figures_as_text(opened):
    page = opened[0]
    expect(page.locator("#graph canvas")).to_be_visible()
    hostile = page.evaluate("nodes.get().filter((n) => n.title && /<|href/.test(n.title)).map((n) => n.id)")
    assert hostile
    for number, node in enumerate(hostile[:6]):
        page.evaluate("(id) => network.moveTo({position: network.getPosition(id), scale: 1.5})", node)
        page.mouse.move(5 + number, 5)
        spot = page.evaluate("(id) => network.canvasToDOM(network.getPosition(id))", node)
        box = page.locator("#graph").bounding_box()
        assert box
        x, y = box["x"] + spot["x"], box["y"] + spot["y"]
        page.mouse.move(x, y, steps=3)
        expect(page.locator(".vis-tooltip")).to_be_visible()
        expect(page.locator(".vis-tooltip")).to_contain_text("relevance")
        page.mouse.click(x, y)
        expect(page.locator("#details pre").first).to_contain_text("logits")
        expect(page.locator("#details pre, .vis-tooltip").locator("*:not(br)")).to_have_count(0)
    assert page.locator("img, script[src], b").count() == 0
