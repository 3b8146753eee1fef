"""Fixtures of the Graph page's tests."""

import pytest
from streamlit.testing.v1 import AppTest

from explorer.model.load import LoadedModel
from tests.pages.app import open_app


@pytest.fixture
def app(smollm: LoadedModel) -> AppTest:
    """The app on a failure of the bare embedded model, which the tests share."""
    return open_app(case="wrong-dog")


@pytest.fixture
def graph_page(app: AppTest) -> AppTest:
    """The Graph page on the same failure, in the full view."""
    app.query_params["graph"] = "full"
    app.run()
    return app.switch_page("../../pages/graph.py").run()
