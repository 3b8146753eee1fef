"""The Graph page in a browser: clicks on the canvas, expansion, a shared link, the interactive download."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.canvas import click_drawn, steady_place

pytestmark = pytest.mark.browser


def open_graph(page: Page, query: str = "?case=wrong-dog") -> None:
    page.goto(f"/graph{query}")
    expect(page.locator(".graph[data-drawn]")).to_be_visible()


def click(page: Page, name: str) -> None:
    """Click a node, edge or gap by name, where the drawing says it is."""
    click_drawn(page, ".graph", name)


def drawn(page: Page) -> str:
    return page.locator(".graph").get_attribute("data-drawn") or ""


def test_node_edge_and_gap_open(page: Page):
    open_graph(page)
    before = drawn(page)
    click(page, "node:23_39")
    expect(page.get_by_text("As seen from this node")).to_be_visible()
    expect(page.locator(".map .token.user").first).to_be_visible()
    expect(page).to_have_url(re.compile("at=node%3A23_39"))
    click(page, "edge:23_39:24_61")
    expect(page.get_by_text("By head")).to_be_visible()
    expect(page.locator(".bars .row.link")).to_have_count(9)
    page.locator(".bars .row.link", has_text="head 1").click()
    expect(page.get_by_text("Where head 1 looks from there")).to_be_visible()
    click(page, "gap:23:24")
    page.get_by_role("button", name="Open into attention and MLP").click()
    expect(page.locator(".graph")).not_to_have_attribute("data-drawn", before)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".graph")).to_have_attribute("data-drawn", before)


def test_the_case_travels_along(page: Page):
    page.goto("/?case=friend-toronto")
    expect(page.locator(".chip.wrong")).to_have_text("Toronto")
    page.get_by_test_id("stPageLink").get_by_role("link", name="Graph").click()
    expect(page.locator(".graph[data-drawn]")).to_be_visible()
    expect(page.locator(".chip.wrong")).to_have_text("Toronto")
    expect(page).to_have_url(re.compile("case=friend-toronto"))


def test_hover_lists_the_strongest_edges(page: Page):
    open_graph(page)
    x, y = steady_place(page, ".graph", "node:23_39")
    page.locator(".graph canvas").hover(position={"x": x, "y": y})
    expect(page.locator(".graph .hover")).to_contain_text("goes to")
    expect(page.locator(".graph .hover")).to_contain_text("Bella")


def test_a_shared_link_shows_the_same_picture(page: Page):
    open_graph(page)
    click(page, "node:23_39")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_role("button", name="Unpin")).to_be_visible()
    before = drawn(page)
    page.get_by_text("CP-LRP").click()
    expect(page.locator(".graph")).not_to_have_attribute("data-drawn", before)
    expect(page.get_by_role("button", name="Unpin")).to_be_visible()
    expect(page).to_have_url(re.compile("rule=cplrp"))
    time.sleep(1)
    first = (drawn(page), page.locator(".graph canvas").evaluate("c => c.toDataURL()"))
    with page.context.new_page() as other:
        other.set_viewport_size({"width": 1440, "height": 900})
        open_graph(other, page.url.partition("/graph")[2])
        expect(other.get_by_role("button", name="Unpin")).to_be_visible()
        time.sleep(1)
        assert (drawn(other), other.locator(".graph canvas").evaluate("c => c.toDataURL()")) == first


def test_zoom_and_pan_move_the_drawing(page: Page):
    open_graph(page)
    where = "node => node.locate('node:23_39')"
    before = page.locator(".graph").evaluate(where)
    page.get_by_role("button", name="Zoom in").click()
    time.sleep(0.3)
    zoomed = page.locator(".graph").evaluate(where)
    assert zoomed != before
    canvas = page.locator(".graph canvas").bounding_box()
    assert canvas
    page.mouse.move(canvas["x"] + 400, canvas["y"] + 300)
    page.mouse.down()
    page.mouse.move(canvas["x"] + 460, canvas["y"] + 330, steps=4)
    page.mouse.up()
    panned = page.locator(".graph").evaluate(where)
    assert panned[0] == pytest.approx(zoomed[0] + 60, abs=2)
    page.get_by_role("button", name="Fit").click()
    assert page.locator(".graph").evaluate(where) == pytest.approx(before, abs=1)


@pytest.mark.parametrize("kind", ["PNG", "SVG", "HTML", "JSON"])
def test_graph_downloads_and_json_loads_back(page: Page, kind: str):
    open_graph(page)
    page.get_by_role("button", name="Share").click()
    with page.expect_download() as started:
        page.get_by_role("button", name=kind, exact=True).click()
    path = started.value.path()
    assert path.stat().st_size > 2000
    if kind == "JSON":
        page.locator("input[type=file]").set_input_files(
            files=[{"name": "graph.json", "mimeType": "application/json", "buffer": path.read_bytes()}]
        )
        expect(page.get_by_text("graph.json", exact=True)).to_be_visible()
        time.sleep(3)  # opening a file runs the page twice
        expect(page.locator(".graph[data-drawn]")).to_be_visible()
        page.locator("input[type=file]").set_input_files(
            files=[{"name": "bad.json", "mimeType": "application/json", "buffer": b"{"}]
        )
        expect(page.get_by_text("bad.json, line 1: not JSON")).to_be_visible()
