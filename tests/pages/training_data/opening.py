"""The Training data page of a tiny study whose vectors are built once."""

from functools import partial

from streamlit.testing.v1 import AppTest

from tests.pages.app import open_study_page, shown

open_page = partial(open_study_page, "training_data")


def listed(app: AppTest) -> list[dict]:
    return shown(app, "ranked-list")["rows"]
