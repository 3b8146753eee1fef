"""From a log to a traced failure, as people click it: dropped, confirmed, measured, filtered, opened in Trace."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from explorer.data.study import Study
from explorer.jobs import stop
from explorer.surveys.folder import SURVEYS, read_survey, surveys_of
from tests.pages.data_study import data_study
from tests.pages.survey.test_flow import write_log
from tests.surveys.made import made_survey

pytestmark = pytest.mark.browser


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """A tiny study of two checkpoints, another one for each test; no run outlives it."""
    made = data_study(tmp_path, built=False, tuned=True)
    yield made
    for folder in surveys_of(made.folder):
        stop(folder)


@pytest.mark.slow
def test_from_a_dropped_log_to_trace(page: Page, study: Study, tmp_path: Path):
    page.goto(f"/survey?study={study.folder}&judged=0")
    log = write_log(tmp_path / "night.jsonl", (1, 2, 4))
    page.locator("input[type=file]").first.set_input_files(str(log))
    expect(page.get_by_text("3 of 6 samples failed")).to_be_visible()
    page.get_by_role("button", name="Start: 3 failures").click()
    expect(page.get_by_text("are these the contrasts?")).to_be_visible(timeout=180_000)
    page.get_by_role("button", name="Confirm and measure").click()
    rows = page.locator(".cases tr.row")
    expect(rows).to_have_count(3, timeout=180_000)
    expect(rows.filter(has_text="not measured yet")).to_have_count(0, timeout=180_000)
    (folder,) = surveys_of(study.folder)
    assert len(read_survey(folder).rows) == 3
    rows.filter(has_text="capital of Canada is 4").click()
    expect(page).to_have_url(re.compile(rf"case={folder.name}(%2F|/)s4"))
    expect(page.locator(".flow .token").first).to_be_visible()
    assert read_survey(folder).notes["s4"].seen
    page.get_by_role("button", name="Next failure").click()
    expect(page).to_have_url(re.compile(rf"case={folder.name}(%2F|/)s[12]"))  # another one of those listed
    page.go_back()
    page.reload()
    expect(page.get_by_text("the capital of Canada is 4?").first).to_be_visible()  # the link brings it back


@pytest.mark.slow
def test_the_table_by_keys_and_the_pictures_by_clicks(page: Page, study: Study):
    folder = made_survey(study.folder / SURVEYS / "capitals", 120, study.checkpoints())
    page.goto(f"/survey?study={study.folder}&survey=capitals")
    table, rows = page.locator("div.cases"), page.locator(".cases tr.row")
    expect(rows).to_have_count(50)  # the rest as it is scrolled
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    second = rows.nth(1)
    expect(second).to_be_focused()
    page.keyboard.press("s")
    expect(second.locator(".seen")).to_have_text("✓ seen")
    page.keyboard.press("n")
    page.keyboard.type("<b>odd")
    page.keyboard.press("Enter")
    expect(second.locator(".write")).to_have_text("<b>odd")
    page.keyboard.press(" ")
    expect(page).to_have_url(re.compile(r"ticked=\d+"))
    expect(page.get_by_text("1 selected")).to_be_visible()
    id = second.get_attribute("data-id") or ""
    assert read_survey(folder).notes[id].text == "<b>odd" and read_survey(folder).notes[id].seen
    table.get_by_role("button", name=re.compile("Δℓ|logit gap")).click()
    expect(page).to_have_url(re.compile("sort=gap"))
    expect(rows.first).to_contain_text("not made")
    part = page.locator(".stacks .track button").first
    label = part.get_attribute("aria-label") or ""
    part.press("Enter")
    expect(page).to_have_url(re.compile("outcome=M-IA"))
    expect(table).to_have_attribute("data-rows", label.rsplit(": ")[1].split(" of ")[0])
    page.get_by_role("button", name="Show all").click()
    expect(table).to_have_attribute("data-rows", "120")
    page.locator(".plot .line.link").first.press("Enter")
    expect(page).to_have_url(re.compile("profile=1"))
    page.get_by_role("radio", name="Models side by side").click()
    points = page.locator(".plot .point")
    expect(points.first).to_be_visible()
    points.first.press("Enter")
    expect(page).to_have_url(re.compile("compare.*models=base"))
    expect(page.locator(".map")).to_have_count(2)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(390, 844), (1024, 768)])
def test_a_small_screen_holds_it(page: Page, study: Study, size: tuple[int, int]):
    made_survey(study.folder / SURVEYS / "small", 12, study.checkpoints())
    page.set_viewport_size({"width": size[0], "height": size[1]})
    for link in ("survey=small", "survey=small&view=models", "survey=new"):
        page.goto(f"/survey?study={study.folder}&{link}")
        expect(page.locator(".cases tr.row, [data-testid=stFileUploader]").first).to_be_visible()
        main = page.locator("[data-testid='stMain']")
        assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
