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
from tests.graph.tiny import attribution_graph, chain, tiny

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[tuple[Page, list[str], list[str]]]:
    """The page from a file, every address it asked for, and everything it complained about."""
    graph = attribution_graph(tiny())
    nodes = list(graph.drawing.nodes)
    marks = Marks((nodes[3],), (("</script><script>alert(4)</script>", tuple(nodes[:3])),))
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


ENDS = "(edge) => [data.nodes[edge.source].id, data.nodes[edge.target].id, edge.weight]"


def test_a_clicked_node_lists_all_its_edges_and_an_edge_its_ends(opened):
    page = opened[0]
    a, b, weight = page.evaluate(f"({ENDS})(data.edges[0])")
    page.mouse.click(*point(page, f"node:{b}"))
    index = page.evaluate("(id) => data.nodes.findIndex((node) => node.id === id)", b)
    touching = page.evaluate("(n) => data.edges.filter((edge) => [edge.source, edge.target].includes(n)).length", index)
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


@pytest.mark.parametrize("size", ((1440, 900), (1024, 768), (1920, 1300), (390, 844)))
def test_the_drawing_fills_its_page(opened, size):
    page = opened[0]
    page.set_viewport_size({"width": size[0], "height": size[1]})
    expect(page.locator(".graph canvas")).to_be_visible()
    page.wait_for_timeout(300)
    frame, header = page.locator(".graph").bounding_box(), page.locator("header").bounding_box()
    canvas = page.locator(".graph canvas").bounding_box()
    assert canvas and frame and header
    side = 0 if size[0] < 800 else 285  # the figures of what is clicked stand beside the drawing, or below it
    below = 200 if size[0] < 800 else 0
    assert canvas["width"] == pytest.approx(size[0] - side, abs=4)
    assert frame["y"] == pytest.approx(header["height"], abs=4)
    assert frame["y"] + frame["height"] == pytest.approx(size[1] - below, abs=6)
    said = [box for part in (".above", ".below") if (box := page.locator(part).bounding_box())]
    assert sum(box["height"] for box in said) + canvas["height"] == pytest.approx(frame["height"], abs=4)
    assert len(said) == (1 if size[0] < 800 else 2)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    drawn = [point(page, f"node:{node}") for node in page.evaluate("data.nodes.map((node) => node.id)")]
    high, low = min(y for _, y in drawn), max(y for _, y in drawn)
    assert low - high > 0.55 * canvas["height"]


def test_keys_walk_the_nodes_and_enter_opens_one(opened):
    page = opened[0]
    focused = "document.activeElement.getAttribute('aria-label')"
    for _ in range(3):  # the caption folds, and scrolls where it is long
        page.keyboard.press("Tab")
        if page.evaluate(focused):
            break
    assert page.evaluate(focused) == "Zoom in"
    for _ in range(4):
        page.keyboard.press("Tab")
    assert "Arrow keys" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    contrast = page.evaluate("data.nodes[data.contrast].text")
    expect(page.locator(".hover")).to_contain_text(json.dumps(contrast, ensure_ascii=False))
    page.keyboard.press("ArrowDown")
    expect(page.locator(".hover")).to_contain_text("layer 2")
    page.keyboard.press("Enter")
    expect(page.locator("aside")).to_contain_text("layer 2")
    page.keyboard.press("Home")
    expect(page.locator(".hover")).to_contain_text("layer 3")
    page.keyboard.press("Tab")  # leaves the canvas again
    expect(page.locator(".hover")).to_be_hidden()


def test_a_table_says_what_the_picture_shows(opened):
    page = opened[0]
    rows = page.locator(".table tr")
    expect(rows).to_have_count(page.evaluate("data.nodes.length") + 1)
    relevance = page.evaluate("data.nodes[1].relevance")
    expect(rows.nth(2).locator("td").nth(1)).to_have_text(f"{relevance:+.3g}")


def test_the_frame_tells_contrast_and_verdict_as_text(opened):
    page = opened[0]
    above = page.locator(".above")
    expect(above.locator(".title")).to_have_text(page.evaluate("data.title"))
    expect(above.locator(".about")).to_have_text("tiny <model> · AttnLRP")
    expect(above.locator(".verdict")).to_have_count(0)
    page.evaluate("graph({ data: { ...data, verdict: '<b>holds</b>' }, parentElement: main, key: 'page' })")
    expect(above.locator(".verdict")).to_have_text("<b>holds</b>")
    expect(above.locator("b")).to_have_count(0)
    expect(page.locator(".below .kept")).to_have_text(page.evaluate("data.kept"))


WIDTHS = """([rows, left, right]) => {
  const canvas = document.querySelector(".graph canvas"), ratio = devicePixelRatio, context = canvas.getContext("2d");
  return rows.map((y) => {
    const { data } = context.getImageData(left * ratio, Math.round(y * ratio), (right - left) * ratio, 1);
    let red = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i] > data[i + 2] + 60) red++;
    return red / ratio;
  });
}"""


def test_a_stroke_is_as_wide_as_the_relevance_along_its_run(browser: Browser, tmp_path: Path):
    file = tmp_path / "run.html"
    graph = chain("+" * 12)
    file.write_text(graph_page(graph), encoding="utf-8")
    with browser.new_context(viewport={"width": 1440, "height": 900}, device_scale_factor=4) as context:
        page = context.new_page()
        page.goto(file.as_uri())
        expect(page.locator(".graph[data-drawn]")).to_be_visible()
        (run,) = page.evaluate("data.edges.map((edge) => edge.run).filter((run) => run.length)")
        ends = [page.locator(".graph").evaluate("(node, name) => node.locate(name)", f"node:{n}_2") for n in (0, 11)]
        (x, low), (_, high) = ends
        inner = run[2:-2]  # where no node covers it
        rows = [low + (high - low) * row / 11 for row, _ in inner]
        wide = page.evaluate(WIDTHS, [rows, x - 15, x + 15])
    strongest = max(value for _, value in run)
    assert wide == pytest.approx([0.6 + 6 * value / strongest for _, value in inner], abs=0.6)
    assert wide[-1] > 2.5 * wide[0]
