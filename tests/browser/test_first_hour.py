"""The first minutes in a browser: the sentence, the rail, the picker, and what stands there while a case is read."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WATCH = """
window.waited = null;
new MutationObserver(() => {
  const lines = document.querySelector(".skeleton"), map = document.querySelector(".st-key-trace-map");
  if (lines && lines.offsetParent) window.waited = { old: Boolean(map && map.offsetParent) };
}).observe(document, { childList: true, subtree: true });
"""


def test_the_first_screen_says_what_happened_and_the_rail_leads_on(page: Page):
    page.goto("/")
    expect(page.locator(".sentence")).to_contain_text(
        "Bella, which the wrong answer repeats, pushes hardest towards it"
    )
    rail = page.get_by_role("navigation", name="Steps")
    expect(rail.get_by_role("link", name="Trace Bella pushes hardest")).to_be_visible()
    expect(rail.get_by_role("link", name="Graph Rocky → is by layer")).to_be_visible()
    expect(rail.locator('[aria-current="page"]')).to_contain_text("Trace")
    rail.get_by_role("link", name="Graph").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/graph"))
    expect(page.locator("canvas").first).to_be_visible()


def test_a_failure_is_found_by_words_and_chosen_by_keys(page: Page):
    page.goto("/")
    expect(page.locator(".token").first).to_be_visible()
    page.get_by_role("button", name=re.compile("^Failure")).click()
    entries = page.get_by_role("listbox", name="Failures").get_by_role("option")
    expect(entries.first).to_be_visible()
    assert entries.count() > 50
    expect(page.get_by_text("SmolLM2-135M-Instruct + dpo").first).to_be_visible()
    page.keyboard.type("orence")  # letters within a word find nothing
    expect(entries).to_have_count(0)
    page.get_by_role("searchbox", name="Search failures").fill("portug flor")
    expect(entries).to_have_count(1)
    before = page.evaluate("history.length")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".sentence")).to_contain_text("The prompt alone does not explain Portugal")
    expect(page).to_have_url(re.compile(r"case=demo-italy-to-portugal-036$"))
    expect(page.get_by_role("listbox", name="Failures").get_by_role("option").first).not_to_be_visible()
    assert page.evaluate("history.length") == before + 1, "one step, one entry"
    page.go_back()
    expect(page.locator(".sentence")).to_contain_text("Bella")


def test_nothing_of_the_old_case_is_lit_while_the_new_one_is_computed(page: Page):
    page.add_init_script(WATCH)
    page.goto("/")
    expect(page.locator(".token").first).to_be_visible()
    page.evaluate("window.waited = null")
    page.get_by_role("button", name="New prompt").click()
    prompt = f"The red box number {time.time_ns()} " + "is heavier than the blue box. " * 40 + "Which box is lighter?"
    page.get_by_role("textbox", name="Prompt", exact=True).fill(prompt)
    page.get_by_text("Or type both answers").click()
    page.get_by_role("textbox", name="Wrong answer").fill("The red box")
    page.get_by_role("textbox", name="Right answer").fill("The blue box")
    page.get_by_role("textbox", name="Right answer").press("Tab")
    page.get_by_role("button", name="Explain", exact=True).click()
    expect(page.locator(".token", has_text="lighter").first).to_be_visible()
    waited = page.evaluate("window.waited")
    assert waited and not waited["old"]
    expect(page.locator(".skeleton")).to_have_count(0)


def test_a_name_that_can_not_be_a_model_is_refused_beside_its_field(page: Page):
    page.goto("/")
    expect(page.locator(".token").first).to_be_visible()
    page.get_by_text("Model: SmolLM2-135M-Instruct").click()
    page.get_by_role("textbox", name="Model").fill("not a model")
    page.get_by_role("textbox", name="Model").press("Enter")
    began = time.monotonic()
    page.get_by_role("button", name="Load", exact=True).click()
    error = page.get_by_test_id("stSidebar").get_by_role("alert")
    expect(error).to_contain_text("no such folder")
    assert time.monotonic() - began < 20
    field, told = page.get_by_role("textbox", name="Model").bounding_box(), error.bounding_box()
    assert field and told and 0 < told["y"] - field["y"] < 120
    expect(page.locator(".token").first).to_be_visible()
