"""The Training data page in a browser: from a failure to the datapoints behind it, the list, the basket, the export."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from explorer.data.basket import basket_file
from explorer.data.study import Study
from tests.browser.canvas import click_drawn
from tests.pages.data_study import HOSTILE, data_study

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    """A tiny study with its vectors."""
    return data_study(tmp_path_factory.mktemp("training-data"))


@pytest.fixture(autouse=True)
def empty_basket(study: Study) -> None:
    """Every test begins with nothing ticked: the study, and so its basket, is shared by all."""
    basket_file(study.folder).unlink(missing_ok=True)


def open_data(page: Page, where: Study, query: str = "") -> None:
    page.goto(f"/training_data?study={where.folder}{query}")
    expect(page.locator(".list[data-coloured=true] .row").first).to_be_visible()


def test_from_the_failure_to_a_row_in_the_basket(page: Page, study: Study):
    page.goto(f"/?study={study.folder}")
    expect(page.locator(".token.user").first).to_be_visible()
    page.get_by_test_id("stPageLink").get_by_role("link", name="Training data").click()
    rows = page.locator(".list .row")
    expect(rows).to_have_count(20)
    expect(page.locator(".st-key-question-bar .chip.wrong")).to_have_text("Seoul")
    expect(rows.first).to_have_class(re.compile("open"))
    expect(page.locator(".list .answer span[style*='220, 38, 38']").first).to_be_visible()  # red words
    expect(page.locator(".map", has_text="Representation gradient")).to_be_visible()
    name = rows.nth(2).get_attribute("data-id") or ""
    rows.nth(2).click()
    expect(page).to_have_url(re.compile(f"row={name}"))
    expect(rows.nth(2)).to_have_class(re.compile("open"))
    expect(page.get_by_text(name, exact=True)).to_be_visible()
    rows.nth(4).get_by_role("checkbox").check()
    expect(page.get_by_role("button", name="Basket: 1")).to_be_visible()
    expect(rows.nth(2)).to_have_class(re.compile("open"))  # a tick opens nothing
    rows.nth(2).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(rows.nth(3)).to_have_class(re.compile("open"))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_test_prompts_map_has_its_verdict(page: Page, study: Study):
    open_data(page, study)
    probe = page.locator(".st-key-probe-map")
    expect(probe.locator(".map")).to_contain_text("Representation gradient")
    expect(probe.locator(".token.user").first).to_be_visible()
    verdict = page.locator(".st-key-probe-verdict-popover").get_by_role("button")
    expect(verdict).to_have_text(re.compile("Holds|replacements disagree|No better than chance"), timeout=180_000)
    expect(page.get_by_text(re.compile(r"^Replacing tokens in its order"))).to_be_visible()
    verdict.press("Enter")
    curves = page.get_by_test_id("stPopoverBody")
    expect(curves.locator(".js-plotly-plot")).to_have_count(2)
    expect(curves.get_by_text("All rules, figures")).to_be_visible()


def test_hostile_rows_stay_text(page: Page, study: Study):
    alarms: list[str] = []
    page.on("dialog", lambda dialog: alarms.append(dialog.message))
    open_data(page, study)
    page.get_by_placeholder("Search prompts and answers").fill("onerror")
    page.keyboard.press("Enter")
    expect(page.locator(".list .row")).to_have_count(1)
    expect(page.locator(".list .answer")).to_have_text(HOSTILE)
    expect(page.locator(".list .chip.label")).to_have_text(HOSTILE)
    page.get_by_role("button", name="More like this").click()
    expect(page.locator(".case .note")).to_contain_text("onerror")
    page.get_by_text("Compare with another method").click()
    expect(page.get_by_text("Same order (Spearman)")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    assert page.locator("img[src*='example.com'], img[src='x']").count() == 0
    assert not alarms


def test_a_source_filters_and_the_list_is_exported(page: Page, study: Study):
    open_data(page, study)
    page.locator(".sources .row.link", has_text="books").click()
    expect(page.locator(".sources .chosen")).to_contain_text("books")
    expect(page).to_have_url(re.compile("source=books"))
    page.get_by_role("button", name="Export the list").click()
    with page.expect_download() as started:
        page.get_by_role("button", name="CSV", exact=True).click()
    lines = started.value.path().read_text().splitlines()
    assert lines[0].startswith('"rank","score","percentile","id"')
    assert 10 < len(lines) < 30
    assert all('"books"' in line for line in lines[1:])
    assert any('"\'=1+1"' in line for line in lines)  # no formula for a spreadsheet


def test_a_node_of_the_graph_leads_here(page: Page, study: Study):
    page.goto(f"/graph?study={study.folder}&at=node:2_4")
    expect(page.locator(".graph[data-drawn]")).to_be_visible()
    first = "Array.from({ length: 60 }, (_, t) => root.locate(`node:2_${t}`)).find(Boolean)"
    click_drawn(page, ".graph", "", first)
    expect(page).to_have_url(re.compile("at=node%3A2_"))
    page.get_by_test_id("stPageLink").get_by_role("link", name="gradient").click()
    expect(page.locator(".list .row")).to_have_count(20)
    expect(page).to_have_url(re.compile("half=gradient"))
    expect(page.get_by_text("Gradient at this place")).to_be_visible()


def test_switching_methods_is_quick_once_ranked(page: Page, study: Study):
    open_data(page, study)
    took = []
    gradient, explorer = "Gradient alone (lesson)", "Topic and lesson"
    for name in (gradient, explorer, gradient, explorer):
        before = page.locator(".list").get_attribute("data-sheet")
        page.get_by_role("combobox", name="Method").click()
        page.get_by_role("option", name=name, exact=True).click()
        start = time.monotonic()
        expect(page.locator(".list")).not_to_have_attribute("data-sheet", before or "")
        took.append(time.monotonic() - start)
        expect(page.locator(".list[data-coloured=true]")).to_be_visible()
    assert min(took) < 2


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_dark_wide_and_narrow(page: Page, study: Study, width: int, height: int, scheme: str):
    page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
    page.set_viewport_size({"width": width, "height": height})
    open_data(page, study)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    row = page.locator(".list .row").first
    ink = row.evaluate("node => getComputedStyle(node).color").removeprefix("rgb(").split(",")[0]
    assert (int(ink) > 128) == (scheme == "dark")
    if width > 1000:  # eight rows stand above the fold, below the rail and a banner
        box = page.locator(".list .row").nth(7).bounding_box()
        assert box
        assert box["y"] + box["height"] < height


def test_at_1024_pixels_every_ranked_row_can_be_read(page: Page, server: str):
    """Of the demo's own behavior: the word that is wrong can be read in every ranked row, whole and inside the list."""
    page.set_viewport_size({"width": 1024, "height": 768})
    page.goto("/training_data?behavior=italy-to-portugal")
    expect(page.locator(".list[data-coloured=true] .row").first).to_be_visible()
    rows = page.locator(".list .row")
    expect(rows).to_have_count(20)
    for width in (1024, 512):  # and at 200 %
        page.set_viewport_size({"width": width, "height": 768})
        expect(page.locator(".list[data-coloured=true] .row").first).to_be_visible()
        seen = rows.evaluate_all(WORDS_INSIDE)
        assert seen == [True] * 20, (width, seen)
    page.set_viewport_size({"width": 1024, "height": 768})
    listed, detail = (
        page.locator(".list[data-coloured]").bounding_box(),
        page.get_by_role("button", name="Add to basket").bounding_box(),
    )
    assert listed and detail and detail["y"] > listed["y"] + listed["height"]  # the opened row is under the list
    assert listed["width"] > 600
    search = page.get_by_placeholder("Search prompts and answers")
    expect(search).not_to_be_visible()
    page.get_by_text("Scores and filters").click()
    expect(search).to_be_visible()
    expect(page).to_have_url(re.compile("filters=1"))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


WORDS_INSIDE = """rows => rows.map(row => {
  const walker = document.createTreeWalker(row.querySelector(".answer"), NodeFilter.SHOW_TEXT);
  const line = row.querySelector(".answer").getBoundingClientRect(), list = row.getBoundingClientRect();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.data.includes("Portugal")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    return box.left >= list.left && box.right <= line.right + 1 && box.bottom <= line.bottom + 1;
  }
  return false;
})"""


def test_arrow_keys_walk_the_rows(page: Page, study: Study):
    open_data(page, study)
    rows = page.locator(".list .row")
    assert rows.evaluate_all("rows => rows.filter(row => row.tabIndex === 0).length") == 1
    rows.first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "End", "Home", "ArrowDown"):
        page.keyboard.press(key)
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Basket: 1")).to_be_visible()
    expect(rows.nth(1)).to_be_focused()  # the list is drawn anew
    page.keyboard.press("Enter")
    expect(rows.nth(1)).to_have_class(re.compile("open"))
    expect(page).to_have_url(re.compile("row="))
    expect(page.get_by_text("rank 2, score")).to_be_visible()
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Basket: 0")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("!document.activeElement.closest('.list')")  # one stop, not forty
    table = page.locator(".reader table")
    expect(table.locator("tr")).to_have_count(21)
    expect(table).to_contain_text("the city is Seoul")
