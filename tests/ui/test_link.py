"""The link layer: keys in the link, defaults out of it, old links understood, states of pages as links to them."""

from dataclasses import dataclass

from streamlit.testing.v1 import AppTest

from explorer.ui.link import PageState
from explorer.ui.page_states import RepairState, TrainingDataState


def widgets() -> None:
    from explorer.ui import link

    link.enter("page")
    rules = {"a": "Rule A", "b": "Rule B"}
    drawn = [
        link.select("Rule", "rule", rules, "a"),
        link.segmented("Which", "which", rules, "a"),
        link.toggle("On", "on", True),
        link.slider("Mass", "mass", 0.0, 1.0, 0.85),
        link.number("K", "k", 50, min_value=1, max_value=100),
        link.number("Least", "least"),
        link.multiselect("Models", "models", rules, ["a"]),
        link.text("Find", "find"),
        link.expander("More", "more").open,
    ]
    import streamlit as st

    st.session_state["drawn"] = drawn


def run(**query: str) -> AppTest:
    app = AppTest.from_function(widgets)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


DEFAULTS = ["a", "a", True, 0.85, 50, None, ["a"], "", False]


def test_an_empty_link_means_the_defaults():
    app = run()
    assert app.session_state["drawn"] == DEFAULTS
    assert not app.query_params


def test_a_link_says_keys():
    app = run(rule="b", which="b", on="0", mass="0.5", k="7", least="0.2", models="b,a", find="x", more="1")
    assert app.session_state["drawn"] == ["b", "b", False, 0.5, 7, 0.2, ["b", "a"], "x", True]


def test_old_links_and_nonsense_are_understood_or_ignored():
    app = run(grule="Rule B", which="Rule B", on="false", mass="7", k="1e9", least="nan", models="b,zzz")
    assert app.session_state["drawn"] == ["b", "b", False, 1.0, 50, None, ["b"], "", False]
    assert "grule" not in app.query_params
    assert run(mass="x", k="-3", on="maybe").session_state["drawn"] == [*DEFAULTS[:4], 1, *DEFAULTS[5:]]


def test_a_widget_writes_its_key_and_takes_the_default_out():
    app = run()
    app.selectbox(key="page-rule").set_value("b").run()
    app.toggle(key="page-on").set_value(False).run()
    app.number_input(key="page-k").set_value(9).run()
    assert {name: app.query_params[name] for name in app.query_params} == {"rule": "b", "on": "0", "k": "9"}
    assert app.session_state["drawn"] == ["b", "a", False, 0.85, 9, None, ["a"], "", False]
    app.selectbox(key="page-rule").set_value("a").run()
    assert "rule" not in app.query_params


@dataclass(frozen=True)
class TraceState(PageState):
    rule: str = ""
    map_layer: str = ""


def test_states_are_links_to_their_pages():
    assert TraceState(rule="cplrp", map_layer="7").params() == {"rule": "cplrp", "map-layer": "7"}
    assert TrainingDataState().params() == {}
    assert RepairState(repair="new", by="basket").params() == {"repair": "new", "by": "basket"}


def reader() -> None:
    import streamlit as st

    from explorer.errors import ExplorerError
    from explorer.ui import link

    link.enter("page")
    drawn = []
    with link.reading("graph", {"grule": "AttnLRP", "k": "7", "on": "0"}):
        drawn += [link.select("Rule", "rule", {"attnlrp": "A", "cplrp": "B"}, "cplrp"), link.toggle("On", "on", True)]
        drawn += [link.number("K", "k", 50, min_value=1, max_value=100), link.session_key("k"), link.is_read()]
        link.put(k="8", on=None)
        drawn += [link.get("k"), link.has("on"), link.query()]
        try:
            link.tell_absent("case", "gone")
        except ExplorerError as error:
            drawn.append(str(error))
    heard = []
    link.hear(heard.append)
    drawn += [link.get("k"), link.is_read(), list(heard)]
    link.tell_absent("case", "gone")
    link.tell_absent("row", "x", "the first one")
    link.tell_absent("row", "x", "the first one")
    drawn.append(heard)
    st.session_state["drawn"] = drawn


def test_another_link_can_be_read_and_draws_nothing():
    app = AppTest.from_function(reader)
    app.query_params["k"] = "1"
    app.run()
    assert not app.exception
    inside, outside = app.session_state["drawn"][:9], app.session_state["drawn"][9:]
    assert inside[:5] == ["attnlrp", False, 7, "graph-k", True]
    assert inside[5:8] == ["8", False, {"rule": "attnlrp", "k": "8"}]
    assert inside[8] == "This link names the failure “gone”, which is not in this study."
    row = "This link names the datapoint “x”, which is not in this study. Shown instead: “the first one”."
    assert outside == ["1", False, [], [[inside[8]], [inside[8], row]]]
    assert not app.selectbox and not app.toggle and not app.number_input
