"""The Behaviors page in a browser: from a block of the matrix to its card, and from there to a trace."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from explorer.behaviors.clusters import cluster
from explorer.data.study import Study
from explorer.vectors.build import build_index
from tests.browser.canvas import click_drawn, steady_place
from tests.pages.behaviors.opening import behaviors_study
from tests.pages.data_study import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    """A tiny study with its vectors and answers."""
    made = behaviors_study(tmp_path_factory.mktemp("behaviors"))
    build_index(made, "base", layers=[1, 3])
    cluster(made)
    return made


def click_block(page: Page, cluster: int) -> None:
    """Click the middle of a cluster's rows."""
    click_drawn(page, ".matrix", cluster)


def test_from_a_block_of_the_matrix_to_a_trace(page: Page, study: Study):
    alarms: list[str] = []
    page.on("dialog", lambda dialog: alarms.append(dialog.message))
    page.goto(f"/behaviors?study={study.folder}&clusters=3")
    expect(page.locator(".matrix[data-drawn]")).to_be_visible()
    expect(page.locator(".cards .card")).to_have_count(3)
    expect(page.locator(".map[data-drawn]")).to_be_visible()
    click_block(page, 2)
    expect(page).to_have_url(re.compile("prompt=.*datapoint=.*cluster="))
    expect(page.locator(".matrix")).to_have_attribute("data-selected", "2")
    expect(page.locator(".map")).to_have_attribute("data-selected", "2")
    expect(page.get_by_role("strong").filter(has_text="Cluster 2")).to_be_visible()
    took = []
    for number in (3, 1, 2):
        start = time.monotonic()
        click_block(page, number)
        expect(page.locator(".matrix")).to_have_attribute("data-selected", str(number))
        took.append(time.monotonic() - start)
    assert min(took) < 2
    page.locator(".rows .data-row").first.get_by_role("checkbox").check()
    expect(page.locator(".rows .data-row").first.get_by_role("checkbox")).to_be_checked()
    page.locator(".matrix .own").click()
    expect(page).to_have_url(re.compile("window="))
    prompt = page.locator(".rows .prompt-row").first
    words = prompt.locator(".prompt").inner_text()
    prompt.locator(".prompt").click()
    expect(page.locator(".case .prompt")).to_have_text(" ".join(words.split()))
    expect(page).to_have_url(re.compile(r"/\?.*q=.*wrong=.*right="))
    assert not alarms


def test_a_point_of_the_map_a_card_and_hostile_text(page: Page, study: Study):
    page.goto(f"/behaviors?study={study.folder}&view=hand&by=datapoint&datapoint={HOSTILE}")
    expect(page.locator(".rows .data-row").first).to_be_visible()
    expect(page.locator(".map[data-drawn]")).to_be_visible()
    click_drawn(page, ".map", 12)
    expect(page).to_have_url(re.compile("datapoint=r"))
    page.goto(f"/behaviors?study={study.folder}")
    page.locator(".cards .card").first.click()
    expect(page.locator(".rows .prompt-row").first).to_be_visible()
    assert page.locator("img[src='x'], img[src*='example.com']").count() == 0


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (720, 450), (390, 844)])
def test_wide_and_narrow(page: Page, study: Study, width: int, height: int):
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"/behaviors?study={study.folder}")
    expect(page.locator(".matrix[data-drawn]")).to_be_visible()
    expect(page.locator(".cards .card").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    first, second, cards = (page.locator(name).first.bounding_box() for name in (".matrix", ".map", ".cards"))
    assert first and second and cards
    if width > 1200:  # cards with their two lines and the matrix stand above the fold
        for node in (
            page.locator(".card .answers").nth(3),
            page.locator(".matrix canvas"),
        ):
            box = node.bounding_box()
            assert box and box["y"] + box["height"] < height
    elif width > 760:  # one under the other
        assert first["y"] < second["y"] < cards["y"] and cards["width"] > 0.9 * first["width"]
    else:  # the map first, then the matrix; the pickers last
        pickers = page.locator(".st-key-behaviors-pickers").bounding_box()
        assert pickers and second["y"] < max(height / 3, 240) and second["y"] < first["y"] < cards["y"] < pickers["y"]


def drag(page: Page, selector: str, path: list[tuple[float, float]]) -> None:
    """Drag over a canvas, from place to place in shares of its width and height."""
    steady_place(page, selector, None, "[0, 0]")
    box = page.locator(f"{selector} canvas").bounding_box()
    assert box
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in path]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def test_a_brush_filters_the_cards_and_survives_a_reload(page: Page, study: Study):
    page.goto(f"/behaviors?study={study.folder}&clusters=3")
    drawn, chip = page.locator(".map[data-drawn]"), page.get_by_role("button", name="selected · clear")
    expect(drawn).to_have_attribute("data-inside", "")
    expect(page.locator(".cards .card")).to_have_count(3)
    drag(page, ".map", [(0.02, 0.02), (0.5, 0.98)])
    expect(page).to_have_url(re.compile("brush="))
    expect(chip).to_contain_text("datapoints selected · clear")
    expect(drawn).to_have_attribute("data-inside", re.compile("[1-9]"))
    inside = int(drawn.get_attribute("data-inside") or 0)
    assert 0 < inside < 60
    expect(chip).to_contain_text(f"{inside} of 60 datapoints")
    sizes = page.locator(".cards .figures").all_inner_texts()
    assert len(sizes) < 3 or any(" of " in size for size in sizes)
    expect(page.locator(".rows .title")).to_contain_text(f"{inside} selected datapoints")
    page.reload()
    expect(drawn).to_have_attribute("data-inside", str(inside))
    chip.click()
    expect(drawn).to_have_attribute("data-inside", "")
    page.get_by_role("button", name="Select with a lasso").click()
    drag(page, ".map", [(0.05, 0.5), (0.5, 0.05), (0.95, 0.5), (0.5, 0.95)])
    expect(page).to_have_url(re.compile(r"brush=(-?\d+(%2C|,)){7,}"))
    expect(drawn).not_to_have_attribute("data-inside", "")
    box = page.locator(".map canvas").bounding_box()
    assert box
    page.mouse.click(box["x"] + 3, box["y"] + 3)  # an empty place
    expect(chip).to_have_count(0)
    page.get_by_role("button", name="Zoom in").last.click()
    expect(page).to_have_url(re.compile("map=1500"))


def focused(page: Page) -> str:
    """Class of what has the focus, inside components too."""
    inner = "while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;"
    script = f"() => {{ let e = document.activeElement; {inner} return e.className || e.tagName; }}"
    return page.evaluate(script)


def test_by_keys_alone(page: Page, study: Study):
    page.goto(f"/behaviors?study={study.folder}&clusters=3")
    cards = page.locator(".cards .card")
    expect(cards).to_have_count(3)
    cards.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    expect(cards.nth(1)).to_be_focused()
    assert cards.nth(1).evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
    page.keyboard.press("Tab")
    expect(cards.nth(2)).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator(".matrix")).to_have_attribute("data-selected", "3")
    rows = page.locator(".rows .row")
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    canvas = page.locator(".matrix canvas")
    canvas.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".matrix")).to_have_attribute("data-at", "1,1")
    expect(page.locator(".matrix .hover")).to_be_visible()
    page.keyboard.press("PageDown")
    at = page.locator(".matrix").get_attribute("data-at")
    assert at and int(at.split(",")[0]) > 1
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("prompt=.*datapoint="))
    points = page.locator(".map canvas")
    expect(page.locator(".map[data-drawn]")).to_be_visible()
    points.focus()
    page.keyboard.press("ArrowRight")
    walked = {page.locator(".map").get_attribute("data-at")}
    for way in ("Left", "Up"):
        page.keyboard.press(f"Shift+Arrow{way}")
        walked.add(page.locator(".map").get_attribute("data-at"))
    assert len(walked) > 1
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("brush="))
    for start in (canvas, points):  # Tab leaves every picture
        start.focus()
        before = focused(page)
        page.keyboard.press("Tab")
        assert focused(page) != before
    table = page.locator(".table").first
    table.locator("summary").press("Enter")
    expect(table.locator("tbody tr").first).to_be_visible()
