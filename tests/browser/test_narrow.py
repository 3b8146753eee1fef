"""Every page in a narrow window, at 200 % and on a phone: nothing is cut, and the picture comes first."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SIZES = [(1024, 768), (720, 450), (390, 844)]
SEEN = {"": ".flow .token", "graph": ".graph canvas", "compare": ".flow .token", "repair": ".js-plotly-plot"}
SMALL = {"": ".map", "graph": ".graph"}
CUT = """() => {
  const wide = [];
  const visit = (root) => root.querySelectorAll("*").forEach((node) => {
    if (node.shadowRoot) visit(node.shadowRoot);
    const box = node.getBoundingClientRect();
    if (!box.width || !box.height || !node.checkVisibility()) return;
    let around = node.parentNode;
    for (; around && around !== document; around = around.parentNode || around.host) {
      const style = around.nodeType === 1 && getComputedStyle(around);
      if (style && style.overflowX !== "visible" && around.dataset.testid !== "stMain") return;  // it scrolls there
    }
    if (box.right > innerWidth + 1 || box.left < -1) wide.push(`${node.tagName}.${node.className} to ${box.right}`);
  });
  visit(document.querySelector("[data-testid='stMain']"));
  return wide;
}"""


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("path", SEEN)
def test_nothing_is_wider_than_the_window(page: Page, path: str, width: int, height: int):
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"/{path}?case=wrong-dog")
    picture = page.locator(SEEN[path]).first
    expect(picture).to_be_visible()
    rail = page.locator("nav.rail")
    expect(rail.locator("[aria-current], .case").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("[data-testid='stMain']").evaluate("main => main.scrollWidth <= main.clientWidth")
    assert page.evaluate(CUT) == []
    header = page.locator("[data-testid='stHeader']").bounding_box()
    top = rail.bounding_box()
    assert header and top and (width > 1000 or top["y"] >= header["y"] + header["height"])


@pytest.mark.parametrize("size", [(720, 450), (390, 844)])
@pytest.mark.parametrize("path", SMALL)
def test_a_small_screen_shows_the_picture_before_the_pickers(page: Page, path: str, size: tuple[int, int]):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(f"/{path}?case=wrong-dog")
    picture, rules = page.locator(SMALL[path]).first, page.get_by_role("radio").first
    expect(picture).to_be_visible()
    expect(rules).to_be_attached()
    where, pickers = picture.bounding_box(), rules.bounding_box()
    assert where and pickers
    assert where["y"] < size[1] * 0.95 < pickers["y"]
    expect(page.get_by_test_id("stExpandSidebarButton")).to_be_visible()  # the sidebar is closed


def test_details_stand_under_the_map_and_bars_keep_their_figures(page: Page):
    page.set_viewport_size({"width": 1024, "height": 768})
    page.goto("/?case=wrong-dog")
    expect(page.locator(".bars .row").first).to_be_visible()
    flow, bars = page.locator(".flow").bounding_box(), page.locator(".bars").first.bounding_box()
    assert flow and bars and bars["y"] > flow["y"] + flow["height"]
    for row in page.locator(".bars .row").all():
        label, value = row.locator(".label").bounding_box(), row.locator(".value").bounding_box()
        whole = row.bounding_box()
        assert label and value and whole
        assert label["x"] >= whole["x"] and value["x"] + value["width"] <= whole["x"] + whole["width"] + 0.5
        assert row.locator(".value").evaluate("node => node.scrollWidth <= node.clientWidth + 1")
