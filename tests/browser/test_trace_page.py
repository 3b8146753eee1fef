"""The flows of the Trace page that only a browser can check."""

import json
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from explorer.data.study import create_study

pytestmark = pytest.mark.browser
DOG, PLANTED = "?case=wrong-dog", "?case=demo-italy-to-portugal-036"


@pytest.mark.parametrize(("query", "wrong", "right"), [(PLANTED, "Portugal", "Italy"), ("", "Bella", "Rocky")])
def test_first_screen_explains_a_failure(page: Page, query: str, wrong: str, right: str):
    page.goto(f"/{query}")
    expect(page.locator(".token.user" if query else ".token.evidence").first).to_be_visible()
    expect(page.locator(".answers .current")).to_have_text([wrong, right])
    expect(page.locator(".bars .row").first).to_be_visible()
    expect(page.locator("[data-testid='stEChartsChart'] canvas, canvas").first).to_be_visible()
    box = page.locator(".flow").bounding_box()
    assert box
    assert box["y"] + box["height"] < 900
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.slow
def test_hover_click_and_link(page: Page):
    page.goto(f"/{DOG}")
    token = page.locator(".token", has_text="Bella").first
    token.hover()
    expect(page.locator(".info").first).to_contain_text("logits, towards wrong · rank")
    token.click()
    expect(page.locator(".token.selected")).to_have_text(" Bella")
    expect(page.locator(".bars .row.selected")).to_contain_text("Bella")
    expect(page).to_have_url(re.compile(r"token=\d+"))
    with page.context.new_page() as other:
        other.goto(page.url)
        expect(other.locator(".token.selected")).to_have_text(" Bella")
    page.locator(".bars .row.link", has_text="Rocky").click()
    expect(page.locator(".token.selected")).to_have_text(" Rocky")


@pytest.mark.slow
def test_switching_rules_is_quick_once_traced(page: Page):
    page.goto(f"/{DOG}")
    expect(page.locator(".token").first).to_be_visible()
    fixed, through = ("Fixed attention", "CP-LRP"), ("Through attention", "AttnLRP")
    took = []
    for label, rule in (fixed, through, fixed, through):
        start = time.monotonic()
        page.get_by_role("radio", name=label).click()
        expect(page.locator(".legend .caption").first).to_have_text(rule)
        took.append(time.monotonic() - start)
    assert min(took) < 2


@pytest.mark.slow
def test_own_prompt_by_clicking_a_generated_token(page: Page):
    page.goto(f"/{DOG}")
    page.get_by_role("button", name="New prompt").click()
    box = page.get_by_role("textbox", name="Prompt", exact=True)
    box.fill("What is the capital of Turkey?")
    box.press("Control+Enter")
    page.get_by_role("button", name="Ask the model").click()
    answer = page.locator(".map", has=page.get_by_text("Its greedy answer"))
    answer.locator(".token", has_text="Istanbul").click()
    page.get_by_role("textbox", name="or type the right continuation").fill(" Ankara")
    page.get_by_role("textbox", name="or type the right continuation").press("Enter")
    page.get_by_role("button", name="Explain this contrast").click()
    expect(page.locator(".answers .current")).to_have_text(["Istanbul", "Ankara"])
    expect(page).to_have_url(re.compile("q=What"))


@pytest.mark.slow
def test_answers_are_contrasted_where_one_clicks_or_presses_a_key(page: Page):
    page.goto("/?q=Where is Genoa?&wrong=The country is Portugal.&right=Genoa is in Italy.")
    marked = page.locator(".answers .current")
    expect(marked).to_have_text(["Portugal", "Italy"])
    page.locator(".answers .wrong .place", has_text="The country").click()
    expect(marked.first).to_have_text("The")  # of the run "The country", the first word
    expect(page.locator(".answers .wrong .words")).to_contain_text("The country is Portugal")
    expect(page).to_have_url(re.compile("place=0"))
    italy = page.locator(".answers .right .place", has_text="Italy")
    page.locator(".answers .place").first.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
        if italy.evaluate("node => node === node.getRootNode().activeElement"):
            break
    assert italy.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
    page.keyboard.press("Space")
    expect(marked.last).to_have_text("Italy")
    expect(page).to_have_url(re.compile("place=2"))
    page.get_by_text("Whole answer").click()
    expect(page.locator(".answers .note")).to_contain_text("per token the gap is")
    page.locator(".answers .right .place", has_text="Italy").click()
    expect(page.locator(".answers .current").first).to_have_text("Portugal")
    expect(page).not_to_have_url(re.compile("whole"))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_hostile_prompt_stays_text(page: Page):
    alarms: list[str] = []
    page.on("dialog", lambda dialog: alarms.append(dialog.message))
    image = "<img src='http://example.com/a.png' onerror='alert(1)'>"
    hostile = image + " ![x](http://example.com/b.png) <script>alert(2)</script>"
    page.goto("/?" + "&".join(f"{k}={v}" for k, v in {"q": hostile, "wrong": "<b>Yes</b>", "right": "No"}.items()))
    expect(page.locator(".token").first).to_be_visible()
    shown = page.locator(".token.user").all_text_contents()
    assert "".join(shown) == hostile
    expect(page.locator(".answers .wrong .words")).to_have_text("<b>Yes</b>")
    assert page.locator("img[src*='example.com']").count() == 0
    assert not alarms


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PNG", "SVG", "PDF", "HTML", "JSON"])
def test_downloads(page: Page, kind: str):
    page.goto(f"/{DOG}")
    page.get_by_role("button", name="Download", exact=False).filter(visible=True).first.click()
    with page.expect_download() as started:
        page.get_by_role("button", name=kind, exact=True).click()
    data = started.value.path().read_bytes()
    assert started.value.suggested_filename == f"wrong-dog-attnlrp.{kind.lower()}"
    if kind == "JSON":
        assert json.loads(data)["contrast"]["wrong"].endswith("Bella")
    if kind == "HTML":
        page.set_content(data.decode())
        expect(page.locator("svg text", has_text="Bella").first).to_be_visible()


@pytest.mark.slow
def test_hostile_study_stays_text(page: Page, tmp_path: Path):
    alarms: list[str] = []
    page.on("dialog", lambda dialog: alarms.append(dialog.message))
    hostile = "<img src='http://example.com/a.png' onerror='alert(1)'> ![x](http://example.com/b.png)"
    data = [{"id": "a", "prompt": "p", "response": "r"}]
    failure = {"id": hostile, "prompt": "Is it?", "wrong": "Yes", "right": "No", "title": hostile, "kind": hostile}
    made = create_study(tmp_path / "s", name=hostile, model="smollm2", datapoints=data, failures=[failure])
    page.goto(f"/?study={made.folder}")
    expect(page.locator(".token").first).to_be_visible()
    page.get_by_role("combobox", name="Study").click()
    expect(page.get_by_role("option", name=hostile)).to_be_visible()
    assert page.locator("img[src*='example.com']").count() == 0
    assert not alarms


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_dark_wide_and_narrow(page: Page, width: int, height: int, scheme: str):
    page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"/{DOG}")
    token = page.locator(".token.user").first
    expect(token).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    ink = token.evaluate("node => getComputedStyle(node).color").removeprefix("rgb(").split(",")[0]
    assert (int(ink) > 128) == (scheme == "dark")


def test_the_tab_key_leaves_a_token_and_a_bar(page: Page):
    page.goto(f"/{DOG}")
    for place in (".token", ".bars .row"):
        expect(page.locator(place).first).to_be_visible()
        page.locator(place).first.focus()
        page.keyboard.press("Tab")
        expect(page.locator(place).first).not_to_be_focused()


@pytest.mark.slow
def test_the_minimal_edit_by_keyboard_is_struck_through_and_in_the_link(page: Page):
    page.goto(f"/{DOG}")
    button = page.get_by_role("button", name="Minimal edit", exact=True)
    button.focus()
    button.press("Enter")
    expect(page.locator(".marked del")).to_have_text([" Bella"])
    expect(page.locator(".marked p").first).to_contain_text("the model answers")
    expect(page).to_have_url(re.compile(r"minimal=1"))
    hostile = "?q=<img src=x onerror=alert(1)> What is the capital of Canada?&wrong=Toronto&right=Ottawa&minimal=1"
    page.goto(f"/{hostile}")
    expect(page.locator(".marked p").first).to_be_visible()
    assert page.locator(".marked img").count() == 0
