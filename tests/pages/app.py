"""The app in Streamlit's AppTest: opened at a link, and what its components were given."""

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest


def open_app(**query: str) -> AppTest:
    """The app at a link, not yet run."""
    app = AppTest.from_file(str(Path(__file__).parents[2] / "explorer/ui/main.py"), default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    return app


def shown(app: AppTest, key: str) -> dict:
    """The data of a component."""
    for node in app.get("bidi_component"):
        if key in node.proto.id:
            return json.loads(node.proto.json)
    raise AssertionError(f"no component {key}")
