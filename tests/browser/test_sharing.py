"""Links and files that leave the app: copied by the button, opened in Chromium, compared with the screen."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]
COLOUR = re.compile(r"rgba?\(([\d., ]+)\)")


def numbers(text: str) -> list[float]:
    found = COLOUR.search(text)
    assert found, text
    return [float(part) for part in found[1].split(",")]


def test_the_link_is_copied_and_says_names(page: Page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/?case=wrong-dog&adapter=sft&token=30")
    expect(page.locator(".token.selected")).to_have_count(1)
    button = page.get_by_role("button", name="Copy the link")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".copy-link .said")).to_have_text("Copied")
    address = urlsplit(page.evaluate("navigator.clipboard.readText()"))
    assert address.netloc == urlsplit(page.url).netloc
    assert parse_qs(address.query) == {"case": ["wrong-dog"], "adapter": ["sft"], "token": ["30"]}


def test_where_the_browser_refuses_the_link_can_be_selected(page: Page):
    page.add_init_script("delete Navigator.prototype.clipboard")
    page.goto("/?case=wrong-dog")
    page.get_by_role("button", name="Copy the link").click()
    field = page.get_by_role("textbox", name="Link to what is on screen")
    expect(field).to_be_focused()
    assert parse_qs(urlsplit(field.input_value()).query) == {"case": ["wrong-dog"]}
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()


def test_a_downloaded_page_is_the_screen(page: Page, browser: Browser, tmp_path):
    page.goto("/?case=wrong-dog&token=30")
    tokens = page.locator(".st-key-trace-map .token")
    expect(tokens.nth(30)).to_be_visible()
    script = "nodes => nodes.map(n => [n.textContent, getComputedStyle(n).backgroundColor])"
    screen = tokens.evaluate_all(script)
    page.get_by_role("button", name="Download", exact=False).filter(visible=True).first.click()
    with page.expect_download() as saving:
        page.get_by_role("button", name="HTML", exact=True).click()
    file = tmp_path / "map.html"
    saving.value.save_as(file)

    other = browser.new_page()
    asked: list[str] = []
    other.on("request", lambda request: asked.append(request.url))
    other.goto(file.as_uri())
    groups = other.locator('g[id^="map-0-"]')
    script = """nodes => nodes.map(n => {
      const path = n.querySelector("path"), style = getComputedStyle(path);
      return [n.querySelector("text").textContent, style.fill, Number(style.fillOpacity) * Number(style.opacity)];
    })"""
    drawn = groups.evaluate_all(script)
    assert [text for text, *_ in drawn] == [text for text, _ in screen]
    for (_, fill, opacity), (_, background) in zip(drawn, screen, strict=True):
        *colour, alpha = [*numbers(background), 1.0][:4]
        if alpha > 0.02:
            assert numbers(fill)[:3] == pytest.approx(colour, abs=2)
            assert opacity == pytest.approx(alpha, abs=0.02)
    expect(other.locator("dd").filter(has_text="Bella")).not_to_have_count(0)
    assert [label for label in other.locator("dt").all_inner_texts() if "answer" in label] == [
        "Wrong answer",
        "Right answer",
    ]
    link = other.locator("dd a").get_attribute("href")
    assert link and parse_qs(urlsplit(link).query) == {"case": ["wrong-dog"], "token": ["30"]}
    assert asked == [file.as_uri()]
    other.close()


def test_a_try_by_keyboard_and_its_link(page: Page):
    page.goto("/?case=wrong-dog")
    token = page.locator(".st-key-trace-map .token", has_text="Bella").first
    expect(token).to_be_visible()
    token.focus()
    page.keyboard.press("Enter")
    delete = page.get_by_role("button", name="Delete")
    expect(delete).to_be_visible()
    delete.focus()
    page.keyboard.press("Enter")
    rows = page.locator(".tries tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.locator("td.number").first).to_have_text(re.compile(r"^[+-]\d"))
    href = rows.get_by_role("link").get_attribute("href")
    assert href
    page.goto(f"/{href}")
    expect(page.locator(".tries tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".tries")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("edits="))


def test_two_maps_show_whole_and_move_together(page: Page):
    page.goto("/?case=wrong-dog&compare=1")
    flows = page.locator(".flow")
    expect(flows).to_have_count(2)
    expect(flows.nth(1).locator(".token").first).to_be_visible()
    fits = "nodes => nodes.every(n => n.scrollHeight <= n.clientHeight + 1)"
    assert flows.evaluate_all(fits)
    flows.nth(0).locator(".token", has_text="Bella").first.hover()
    expect(flows.nth(1).locator(".token.twin")).to_have_text(re.compile("Bella"))
    page.set_viewport_size({"width": 1024, "height": 300})
    flows.nth(0).evaluate("n => { n.scrollTop = n.scrollHeight; }")
    expect(flows.nth(1)).to_be_visible()
    ends = "nodes => nodes.map(n => Math.abs(n.scrollTop + n.clientHeight - n.scrollHeight) < 3)"
    for _ in range(40):
        if all(flows.evaluate_all(ends)):
            break
        page.wait_for_timeout(250)
    assert flows.evaluate_all(ends) == [True, True]
