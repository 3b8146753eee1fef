"""One heatmap of the Trace page with its own pickers, and the ways on to other pages."""

import streamlit as st

from explorer.data.failures import Failure
from explorer.model.load import LoadedModel
from explorer.trace.explain import RULES, Explanation, default_layer
from explorer.ui import charts, link, navigation
from explorer.ui.explained import explained
from explorer.ui.text import RULE_HELP, SENSITIVITY, share_sentence


def rule_picker(number: str = "", default: str = "attnlrp") -> str:
    """Draw the picker of a map's rule; ``number``: what the link keys of a second map end in."""
    return link.segmented("Rule", f"rule{number}", RULES, default, help=RULE_HELP)


def heatmap(loaded: LoadedModel, failure: Failure, rule: str, whole: bool, number: str = "") -> Explanation:
    """Draw a map, with the sentence that says how far to trust its sum. Raises ExplorerError."""
    layer = default_layer(loaded.n_layers, rule)
    inside = rule == "representation-gradient"
    if inside:
        layer = link.slider("Layer", f"map-layer{number}", 0, loaded.n_layers - 1, layer)
    explanation = explained(loaded.spec, failure, rule, layer, whole)
    norms = explanation.trace.loss_gradient
    key = link.session_key(f"map{number}")
    label = "Sensitivity ‖∂L/∂H‖ instead of the signed share"
    if inside and norms is not None and link.toggle(label, f"norms{number}"):
        charts.show_token_map(explanation, key, norms[layer], unit="‖∂L/∂H‖", signed=False, measure="sensitivity")
        st.caption(SENSITIVITY)
    else:
        charts.show_token_map(explanation, key)
        st.caption(share_sentence(explanation))
    return explanation


def next_pages() -> None:
    """Draw links to where to look next: which way it went, in which models, and what taught it."""
    with st.container(horizontal=True, gap="small"):
        navigation.page_link(navigation.GRAPH)
        navigation.page_link(navigation.COMPARE, label="Models")
        navigation.page_link(navigation.TRAINING_DATA)
