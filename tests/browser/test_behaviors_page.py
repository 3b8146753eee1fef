"""The Behaviors page in a browser: from a block of the matrix to its card, and from there to a trace."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from explorer.behaviors.clusters import cluster
from explorer.data.study import Study
from explorer.vectors.build import build_index
from tests.browser.canvas import click_drawn
from tests.pages.data_study import HOSTILE
from tests.pages.test_behaviors import behaviors_study

pytestmark = pytest.mark.browser


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
    expect(page.get_by_text("Cluster 2", exact=True)).to_be_visible()
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


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_wide_and_narrow(page: Page, study: Study, width: int, height: int):
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"/behaviors?study={study.folder}")
    expect(page.locator(".matrix[data-drawn]")).to_be_visible()
    expect(page.locator(".cards .card").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if width > 1000:  # a card with both answers, the matrix and the map stand above the fold
        for node in (page.locator(".card .answers").nth(3), page.locator(".matrix canvas")):
            box = node.bounding_box()
            assert box and box["y"] + box["height"] < height
