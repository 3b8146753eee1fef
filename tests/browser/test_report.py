"""Reports and shared links in a real browser: collect, order by keyboard, save, open offline; the same elsewhere."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from explorer.data.study import Study
from explorer.reports.collection import read_collection
from tests.pages.data_study import data_study
from tests.surveys.made import made_survey

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ABOUT = "Report: gather this case, or collect this view"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = data_study(tmp_path)
    made_survey(study.folder / "surveys" / "capitals")
    return study


def add(page: Page, label: str) -> None:
    page.get_by_role("button", name=ABOUT).click()
    page.get_by_role("button", name=f"Add this view ({label}) to the report").click()
    expect(page.get_by_text(re.compile("This view is page \\d of the report"))).to_be_visible()
    page.keyboard.press("Escape")


def test_views_are_collected_ordered_by_keyboard_and_saved_as_files_that_open_offline(page, study, browser, tmp_path):
    page.goto(f"/?study={study.folder}")
    expect(page.locator(".token.user").first).to_be_visible()
    add(page, "Trace")
    page.goto(f"/training_data?study={study.folder}")
    expect(page.locator(".list[data-coloured=true] .row").first).to_be_visible()
    add(page, "Training data")
    page.get_by_role("button", name=ABOUT).click()
    page.get_by_role("button", name=re.compile("Open the report")).click()
    up = page.get_by_role("button", name="Move page Training data up")
    up.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("1. Training data")).to_be_visible()
    assert [view.page for view in read_collection(study.folder).views] == ["training_data", "trace"]
    expect(page.locator('.stApp[data-test-script-state="notRunning"]')).to_be_visible()
    comment = page.get_by_role("textbox", name="Comment").first
    comment.fill("<b>look</b>")
    comment.blur()
    until(lambda: read_collection(study.folder).views[0].comment == "<b>look</b>")
    expect(page.get_by_role("button", name="Make the report")).to_be_visible()
    expect(page.locator('.stApp[data-test-script-state="notRunning"]')).to_be_visible()
    page.get_by_text("Verdicts", exact=True).click()
    page.get_by_role("button", name="Make the report").click()
    files = {kind: saved(page, kind, tmp_path) for kind in ("HTML", "PDF")}
    assert files["PDF"].read_bytes().startswith(b"%PDF")
    offline(browser, files["HTML"])


def until(true: Callable[[], bool], seconds: int = 30) -> None:
    """Wait until something is so; whoever asks says what follows where it never is."""
    for _ in range(2 * seconds):
        if true():
            return
        time.sleep(0.5)


def saved(page: Page, kind: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Save {kind}").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def offline(browser: Browser, file: Path) -> None:
    """Open a saved page: it shows its parts, runs nothing and asks for nothing."""
    context = browser.new_context(offline=True, color_scheme="dark")
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: asked.append(message.text))
    page.goto(f"file://{file}")
    expect(page.get_by_role("heading", level=2)).to_have_count(3)
    assert page.get_by_role("heading", level=2).first.inner_text() == "Which training examples taught it"
    assert page.locator("p.comment").inner_text() == "<b>look</b>"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert asked == [f"file://{file}"]
    context.close()


def test_the_report_of_a_case_is_one_click_away_and_can_be_stopped(page, study):
    page.goto(f"/graph?study={study.folder}")
    page.get_by_role("button", name=ABOUT).focus()
    page.keyboard.press("Enter")
    case = page.get_by_role("button", name="Report of this case")
    case.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Save PDF")).to_be_visible(timeout=240_000)
    expect(page.get_by_text("Which way it took through the layers")).to_be_visible()


def picture(page: Page, where: str) -> object:
    """What a page draws: texts and colours of its words, or the rows of its table."""
    texts = "(nodes) => nodes.map((n) => [n.textContent, getComputedStyle(n).backgroundColor])"
    return page.locator(where).evaluate_all(texts)


@pytest.mark.parametrize(
    ("link", "where", "least"),
    [
        ("/?rule=cplrp&compare=1&token=4&", ".token", 20),
        ("/training_data?behavior=swapped&label=swapped&words=rept&", ".list[data-coloured=true] .row .words span", 60),
        ("/survey?survey=capitals&outcome=M-IA&sort=gap&ticked=0&", ".cases tbody tr", 3),
    ],
)
def test_a_copied_link_shows_the_same_in_a_second_browser(page, browser, server, study, link, where, least):
    page.goto(f"{link}study={study.folder}")
    expect(page.locator(where).nth(least - 1)).to_be_visible()
    page.wait_for_timeout(1500)
    address = page.url
    other = browser.new_context(viewport={"width": 1440, "height": 900})
    second = other.new_page()
    second.set_default_timeout(60_000)
    second.goto(address)
    expect(second.locator(where).nth(least - 1)).to_be_visible()
    until(lambda: picture(second, where) == picture(page, where))  # either may still be filling itself in
    second.wait_for_timeout(1500)
    assert picture(second, where) == picture(page, where)
    other.close()
