"""The Trace page by keyboard alone: Tab comes everywhere and leaves again, arrows walk, what has the focus is seen."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DOG = "/?case=wrong-dog"
FOCUSED = """() => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  const style = (one) => getComputedStyle(one);
  const seen = (one) => one && (style(one).outlineStyle !== "none" || style(one).boxShadow !== "none");
  const framed = node.closest("[data-testid='stSelectbox'], [data-testid='stTextInput']") !== null;
  return {
    kind: node.className?.toString() || node.tagName,
    name: node.getAttribute("aria-label") || node.innerText || "",
    top: node.getBoundingClientRect().top,
    seen: framed || seen(node) || seen(node.closest("label")) || node.tagName === "MAIN",
  };
}"""


def press(page: Page, key: str) -> dict:
    """Press a key; what has the focus then."""
    page.keyboard.press(key)
    return page.evaluate(FOCUSED)


def test_tab_goes_through_the_page_once_and_out(page: Page):
    page.goto(DOG)
    expect(page.locator(".token").first).to_be_visible()
    expect(page.locator("[data-testid='stEChartsChart'] canvas, canvas").first).to_be_visible()
    expect(page.locator("summary", has_text="strongest tokens")).to_be_visible()
    stops = []
    for _ in range(70):
        stops.append(press(page, "Tab"))
        if stops[-1]["kind"] == "BODY":
            break
    assert stops.pop()["kind"] == "BODY"  # out again
    kinds = [stop["kind"] for stop in stops]
    assert sum("token" in kind.split() for kind in kinds) == 1  # of all tokens
    assert sum("row" in kind.split() for kind in kinds) == 1  # of all bars
    order = ["open", "place", "token", "row"]  # picker, answers, map, bars
    places = [next(i for i, kind in enumerate(kinds) if name in kind.split()) for name in order]
    assert places == sorted(places)
    assert "strongest tokens" in stops[-1]["name"]  # the table of the chart of layers comes last
    assert not [stop for stop in stops if not stop["seen"]]
    for name in ("Previous failure", "Next failure"):
        expect(page.get_by_role("button", name=name)).to_have_count(1)


def test_arrows_walk_tokens_and_enter_selects(page: Page):
    page.goto(DOG)
    rocky = page.locator(".token", has_text="Rocky").first
    rocky.focus()
    assert press(page, "ArrowRight")["name"].startswith(".,")
    assert press(page, "ArrowLeft")["name"].startswith(" Rocky, -2.5")
    here = page.evaluate(FOCUSED)["top"]
    assert press(page, "ArrowDown")["top"] > here + 10
    assert abs(press(page, "ArrowUp")["top"] - here) < 10
    first, last = page.locator(".token").first, page.locator(".map .token").last
    press(page, "Home")
    expect(first).to_be_focused()
    press(page, "ArrowLeft")
    expect(first).to_be_focused()  # no further
    press(page, "End")
    expect(last).to_be_focused()
    rocky.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".token.selected")).to_have_text(" Rocky")
    expect(page).to_have_url(re.compile(r"token=\d+"))
    expect(rocky).to_be_focused()  # though all is drawn anew
    expect(rocky).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Space")
    expect(page.locator(".token.selected")).to_have_count(0)
    page.locator(".bars .row.link").first.focus()
    press(page, "ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".bars .row.selected")).to_have_count(1)
    expect(page.locator(".bars .row.link").nth(1)).to_have_class(re.compile("selected"))


def test_pictures_have_tables(page: Page):
    page.goto(DOG)
    tokens = page.locator(".token")
    expect(tokens.first).to_be_visible()
    page.locator(".map summary").first.focus()
    page.keyboard.press("Enter")
    rows = page.locator(".map .table tbody tr")
    expect(rows).to_have_count(tokens.count())
    expect(rows.filter(has_text="Bella").first).to_contain_text("+2.46, towards wrong")
    page.locator("summary", has_text="strongest tokens").click()
    expect(page.locator("th", has_text="layer 30")).to_be_visible()
    for picture in page.locator("[data-testid='stEChartsChart']").all():
        expect(picture).to_be_visible()
    expect(page.get_by_role("grid", name="Push towards the wrong answer")).to_contain_text("Bella")
    expect(page.get_by_role("table", name="By segment (sum)")).to_contain_text("evidence")
