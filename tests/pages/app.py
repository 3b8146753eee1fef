"""The app in Streamlit's AppTest: opened at a link, and what its components were given."""

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest

from explorer.data.study import Study
from explorer.ui.places import ALLOWED


def open_link(**query: str) -> AppTest:
    """The app at a link in a fresh session, not yet run."""
    app = AppTest.from_file(str(Path(__file__).parents[2] / "explorer/ui/main.py"), default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    return app


def open_app(**query: str) -> AppTest:
    """The app at a link whose study and model were allowed before, not yet run."""
    app = open_link(**query)
    app.session_state[ALLOWED] = frozenset({"/", query.get("model", ""), query.get("adapter", "")} - {""})
    return app


def open_study_page(page: str, study: Study, **query: str) -> AppTest:
    """A page of a study at a link, run without a traceback; ``page``: the name of its file."""
    app = open_app(study=str(study.folder), **query)
    app.switch_page(f"../../pages/{page}.py")
    app.run()
    assert not app.exception
    return app


def texts(app: AppTest) -> list[str]:
    """What the page says in sentences."""
    return [n.value for n in (*app.markdown, *app.caption, *app.warning, *app.error)]


def shown(app: AppTest, key: str) -> dict:
    """The data of a component."""
    for node in app.get("bidi_component"):
        if key in node.proto.id:
            return json.loads(node.proto.json)
    raise AssertionError(f"no component {key}")


def choose_failure(app: AppTest, name: str) -> AppTest:
    """Put a failure on screen by its link, as the picker does."""
    for key in ("model", "adapter"):
        if key in app.query_params:
            del app.query_params[key]
    app.query_params["case"] = name
    return app.run()


def offered(app: AppTest) -> dict[str, dict]:
    """What the picker of failures lists, by id."""
    return {entry["id"]: entry for entry in shown(app, "failure-picker")["entries"]}
