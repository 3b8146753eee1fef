"""Every control on every page says what it does: a label, which screen readers read out, and help."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from explorer.surveys.folder import SURVEYS
from explorer.trace.explain import RULES
from explorer.ui.link import OLD_RULES
from explorer.ui.text import LRP_LABELS, RULE_HELP, RULE_LABELS
from explorer.vectors.methods import METHODS
from tests.pages.app import open_app
from tests.pages.data_study import data_study
from tests.surveys.made import made_survey

PAGES = Path(__file__).parents[2] / "pages"
NO_HELP = {"Expandable"}
"""Kinds of control whose label says all: the heading of what opens below it."""
METHOD = "activation-difference"
STATES: list[tuple[str, dict[str, str]]] = [
    ("trace", {}),
    ("trace", {"compare": "1", "rule": "representation-gradient", "token": "3"}),
    ("graph", {}),
    ("graph", {"at": "gap:0:5"}),
    ("compare", {"study": "tiny"}),
    ("training_data", {"study": "tiny", "against": "1", "evaluate": "1", "build-more": "1"}),
    ("training_data", {"study": "tiny", "behavior": "swapped", "method": METHOD, "query": "persona"}),
    ("behaviors", {}),
    ("behaviors", {"view": "hand", "by": "prompt"}),
    ("behaviors", {"view": "hand", "by": "datapoint"}),
    ("behaviors", {"view": "hand", "by": "text"}),
    ("survey", {}),
    ("survey", {"study": "surveyed", "contrasts": "1", "ticked": "0", "made": "small"}),
    ("survey", {"study": "surveyed", "view": "models"}),
    ("repair", {}),
    ("repair", {"repair": "new"}),
    ("report", {}),
    ("report", {"of": "collected"}),
    ("studies", {"manage": "demo"}),
    ("studies", {"new": "1", "step": "model"}),
    ("studies", {"new": "1", "step": "data"}),
    ("studies", {"new": "1", "step": "failures"}),
    ("studies", {"new": "1", "step": "vectors", "study": "tiny"}),
]


def controls(app: AppTest) -> Iterator[Any]:
    """Everything on the page that has a label, and would take help."""
    waiting: list[Any] = [app._tree]  # pyright: ignore[reportPrivateUsage]
    while waiting:
        node = waiting.pop()
        waiting += getattr(node, "children", {}).values()
        proto = getattr(node, "proto", None)
        if not isinstance(proto, Message):
            continue
        if {"label", "help"} <= set(proto.DESCRIPTOR.fields_by_name) or proto.DESCRIPTOR.name in NO_HELP:
            yield proto


def unexplained(app: AppTest) -> list[tuple[str, str]]:
    """(kind, label) of the controls without a label, or without help."""
    found = ((proto.DESCRIPTOR.name, proto) for proto in controls(app))
    silent = [(kind, proto.label) for kind, proto in found if kind not in NO_HELP and not proto.help.strip()]
    return silent + [(proto.DESCRIPTOR.name, "") for proto in controls(app) if not proto.label.strip()]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A study of two checkpoints that answer and are evaluated at once."""
    return str(data_study(tmp_path_factory.mktemp("tiny"), tuned=True).folder)


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A study with a survey."""
    study = data_study(tmp_path_factory.mktemp("surveyed"), built=False, tuned=True)
    made_survey(study.folder / SURVEYS / "capitals", 12, study.checkpoints())
    return str(study.folder)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "query"), STATES)
def test_every_control_has_a_label_and_help(smollm, tiny: str, surveyed: str, page: str, query: dict[str, str]):
    studies = {"tiny": tiny, "surveyed": surveyed}
    app = open_app(**query | ({"study": studies[query["study"]]} if "study" in query else {}))
    app.switch_page(str(PAGES / f"{page}.py"))
    app.run()
    assert not app.exception
    if query.get("query") == "persona":
        assert app.text_input(key="training_data-trait").value
    if (page, query) == STATES[0]:
        app.button(key="trace-new").click().run()
    assert len(list(controls(app))) > 8
    assert unexplained(app) == []


def test_a_control_that_says_nothing_is_found():
    def script() -> None:
        import streamlit as st

        st.button("", help="it has help")
        st.toggle("Whole answer")
        with st.expander("More"):
            st.button("Fine", help="so it is")

    app = AppTest.from_function(script).run()
    assert sorted(unexplained(app)) == [("Button", ""), ("Checkbox", "Whole answer")]


def test_plain_names_keep_the_term_beside_them():
    assert set(RULE_LABELS) == set(RULES) == set(OLD_RULES.values()) and set(LRP_LABELS) < set(RULES)
    assert all(label in RULE_HELP and label != RULES[rule] for rule, label in RULE_LABELS.items())
    assert all(name.lower() in RULE_HELP.lower() for name in RULES.values())
    assert {OLD_RULES[name] for name in RULES.values()} == set(RULES)  # what old links may say
    assert len({method.title for method in METHODS.values()}) == len(METHODS)
    assert all(len(method.title) <= 30 and method.title != name for name, method in METHODS.items())
