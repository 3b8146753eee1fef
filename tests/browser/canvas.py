"""Clicks on what a canvas drew, by name."""

from typing import Any

from playwright.sync_api import Page

_STEADY = """async (root, [name, scripted]) => {
  const find = scripted ? new Function("root", `return ${scripted}`) : (root) => root.locate(name);
  const pause = () => new Promise((resolve) => setTimeout(resolve, 150));
  const place = () => { const box = root.querySelector("canvas").getBoundingClientRect();
                        return JSON.stringify([find(root), box.x, box.y, box.width, box.height]); };
  for (let last = "", now = place(), tries = 0; last !== now && tries < 100; tries++) {
    last = now; await pause(); now = place();
  }
  return find(root);
}"""


def steady_place(page: Page, selector: str, name: Any, scripted: str = "") -> tuple[float, float]:
    """Return where in its canvas the drawing says that something is, once the page around it has stopped to move.

    ``name``: what the drawing's ``locate`` takes. ``scripted``: an expression of ``root`` to use in place of it.
    """
    x, y = page.locator(selector).evaluate(_STEADY, [name, scripted])
    return x, y


def click_drawn(page: Page, selector: str, name: Any, scripted: str = "") -> None:
    """Click something on a canvas by its name."""
    x, y = steady_place(page, selector, name, scripted)
    page.locator(f"{selector} canvas").click(position={"x": x, "y": y})
