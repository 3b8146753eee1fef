"""Trace: which words of the prompt pushed the model to the wrong token."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.figures.heatmap import export_heatmap
from explorer.figures.save import WITH_JSON
from explorer.model.load import load_model
from explorer.trace.explain import RULES, Explanation, default_layer
from explorer.ui import charts, navigation
from explorer.ui.downloads import format_buttons
from explorer.ui.session import current_case, explained_at, model_spec, stop_on
from explorer.ui.sidebar import step
from explorer.ui.text import RULE_HELP, SENSITIVITY, share_sentence
from explorer.ui.trace.composer import composer

loaded = load_model(model_spec())
case = current_case()


def choose_rule(key: str, default: str) -> str:
    """The rule of one map; in the link."""
    return st.segmented_control(
        "Rule",
        list(RULES),
        format_func=RULES.__getitem__,
        default=default,
        required=True,
        key=key,
        help=RULE_HELP,
        label_visibility="collapsed",
        bind="query-params",
    )


def explain(rule: str, key: str) -> Explanation:
    """The explanation under a rule, at the layer that the slider of a representation gradient says."""
    layer = default_layer(loaded.n_layers, rule)
    if rule == "representation-gradient":
        layer = st.slider("Layer", 0, loaded.n_layers - 1, layer, key=f"{key}-layer", bind="query-params")
    return explained_at(loaded.spec, case, rule, layer, whole)


def heatmap(shown: Explanation, key: str) -> None:
    """The map and the sentence that says how far to trust its sum."""
    norms = shown.trace.loss_gradient is not None and shown.rule == "representation-gradient"
    if norms:
        norms = st.toggle("Sensitivity ‖∂L/∂H‖ instead of the signed share", key=f"{key}-norms", bind="query-params")
    charts.show_token_map(shown, f"{key}-map", norms)
    st.caption(SENSITIVITY if norms else share_sentence(shown))


def next_pages() -> None:
    """Where to look next: on which way it travelled, in which models, and what taught it."""
    with st.container(horizontal=True, gap="small"):
        navigation.page_link(
            navigation.GRAPH,
            label="Graph",
        )
        navigation.page_link(
            navigation.COMPARE,
            label="Models",
        )
        navigation.page_link(
            navigation.TRAINING_DATA,
            label="Training data",
        )


with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    bar = st.container()
    st.button("", icon=":material/chevron_left:", on_click=step, args=(-1,), help="Previous failure", key="previous")
    st.button("", icon=":material/chevron_right:", on_click=step, args=(1,), help="Next failure", key="next")
    if st.button("New prompt", icon=":material/edit:", key="new"):
        st.session_state["composing"] = not st.session_state.get("composing", False)
if st.session_state.get("composing"):
    composer(loaded, case)

with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    compare = st.session_state.get("compare", False) or st.query_params.get("compare") == "true"
    rule = "attnlrp" if compare else choose_rule("rule", "attnlrp")
    compare = st.toggle("Compare two maps", key="compare", bind="query-params")
    whole = st.toggle(
        "Whole answer",
        key="whole",
        bind="query-params",
        help="Explain the gap of the whole answers' log-probabilities instead of the first token that differs.",
    )
    downloads = st.popover("Download", icon=":material/download:")
    if compare:
        next_pages()

try:
    if compare:
        left, right = st.columns(2, gap="medium")
        with left:
            shown = explain(choose_rule("rule", "attnlrp"), "rule")
            heatmap(shown, "rule")
        with right:
            heatmap(explain(choose_rule("rule2", "gradient"), "rule2"), "rule2")
    else:
        left, right = st.columns([7, 3], gap="medium")
        with right:
            next_pages()
        with left:
            shown = explain(rule, "rule")
            heatmap(shown, "rule")
        with right:
            charts.show_strongest(shown, "strongest")
            charts.show_segments(shown, "segments")
except ExplorerError as error:
    stop_on(error)

with bar:
    charts.show_case_bar(shown, case.prompt)
with downloads:
    format_buttons(lambda kind: export_heatmap(shown, kind), f"{case.id}-{shown.rule}", "download", WITH_JSON)
st.subheader(
    "Relevance by layer",
    help="Each cell is one node: a token's state after a block (layer 0: its embedding). Red: this state supports the "
    "wrong token; blue: the right one. Click a cell to follow its token.",
)
charts.show_layers(shown, "layers")
