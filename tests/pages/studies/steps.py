"""The Studies page, and its fields and buttons by key."""

import time
from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from tests.pages.app import open_app, texts

HOSTILE = "<img src=x onerror=alert(1)> ![x](http://example.com/x.png) **b** $x$"
DATA = [{"id": "a", "prompt": "p", "response": "r"}]


def open_studies(app: AppTest | None = None, **query: str) -> AppTest:
    app = open_app(**query) if app is None else app  # one that has not run yet counts as false
    app.switch_page(str(Path(__file__).parents[3] / "pages/studies.py"))
    app.run()
    assert not app.exception
    return app


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception
    return app


def fill(app: AppTest, key: str, value: str) -> AppTest:
    (app.text_area if key in ("studies-prompt", "studies-pasted") else app.text_input)(key=key).set_value(value).run()
    return app


def errors(app: AppTest) -> list[str]:
    return [error.value.replace("\\", "").replace(":small[]", "") for error in app.error]


def waited(app: AppTest, over: Callable[[AppTest], bool], seconds: float = 120) -> AppTest:
    """Run the page until something is so."""
    end = time.monotonic() + seconds
    while not over(app):
        assert time.monotonic() < end, [texts(app), errors(app)]
        time.sleep(0.5)
        app.run()
        assert not app.exception
    return app
