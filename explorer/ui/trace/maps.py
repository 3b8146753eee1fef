"""One heatmap of the Trace page with its own pickers, and the ways on to other pages."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from explorer.data.failures import Failure
from explorer.figures.heatmap import export_heatmap
from explorer.figures.save import WITH_JSON
from explorer.figures.token_map import TokenMap, token_map
from explorer.model.load import LoadedModel
from explorer.trace.explain import Explanation, default_layer
from explorer.ui import charts, link, navigation
from explorer.ui.downloads import format_buttons
from explorer.ui.explained import explained
from explorer.ui.findings import disputed
from explorer.ui.link_names import shared_address
from explorer.ui.session import selected_token
from explorer.ui.text import RULE_HELP, RULE_LABELS, SENSITIVITY, share_sentence
from explorer.ui.verdict import known_verdict, show_verdict

LAYER_HELP = "The shares of the states that enter this block; 0 are the embeddings."
LAYERED = "representation-gradient"
"""The rule whose map is read at any layer."""
FIRST, SECOND = "attnlrp", "gradient"
"""Rules of the first and the second map where the link says nothing."""


def chosen_rules(two: bool) -> list[str]:
    """The rules of the maps on screen, as the link says."""
    first = link.choice("rule", RULE_LABELS, FIRST)
    return [first, link.choice("rule-2", RULE_LABELS, SECOND)] if two else [first]


def rule_picker(number: str = "", default: str = FIRST) -> str:
    """Draw the picker of a map's rule; ``number``: what the link keys of a second map end in."""
    return link.segmented("Rule", f"rule{number}", RULE_LABELS, default, help=RULE_HELP)


def heatmap(loaded: LoadedModel, failure: Failure, rule: str, whole: bool, number: str = "") -> Explanation:
    """Draw a map, with the sentence that says how far to trust its sum. Raises ExplorerError."""
    explanation = linked_map(loaded, failure, rule, whole, number)
    if rule == LAYERED and explanation.trace.loss_gradient is not None:
        link.toggle("Sensitivity instead of the signed share", f"norms{number}", help=SENSITIVITY)
    shown = shown_map(explanation, number, doubts := disputes(loaded, failure))
    settings: dict[str, Any] = {"unit": shown.unit, "signed": shown.signed, "measure": shown.measure}
    settings["together"] = "trace" if link.flag("compare") else ""
    settings["disputed"] = doubts if shown.disputed else {}
    charts.show_token_map(explanation, link.session_key(f"map{number}"), shown.values, **settings)
    st.caption(share_sentence(explanation) if shown.signed else SENSITIVITY)
    if shown.signed:
        show_verdict(loaded.spec, failure, explanation, link.session_key(f"verdict{number}"), number)
    return explanation


def linked_map(loaded: LoadedModel, failure: Failure, rule: str, whole: bool, number: str = "") -> Explanation:
    """Draw the picker of a map's layer where its rule has one; return the explanation. Raises ExplorerError."""
    layer = default_layer(loaded.n_layers, rule)
    if rule == LAYERED:
        layer = link.slider("Layer", f"map-layer{number}", 0, loaded.n_layers - 1, layer, help=LAYER_HELP)
    return explained(loaded.spec, failure, rule, layer, whole)


def shown_map(explanation: Explanation, number: str, doubts: Mapping[int, str]) -> TokenMap:
    """Return what the map of an explanation shows under the link's switches, for the screen and for files.

    ``doubts``: the tokens whose sign the rules disagree on, about the first token that differs.
    """
    norms = explanation.trace.loss_gradient
    if explanation.rule == LAYERED and norms is not None and link.flag(f"norms{number}"):
        unsigned = {"unit": "‖∂L/∂H‖", "signed": False, "measure": "sensitivity"}
        return token_map(explanation, norms[explanation.layer], selected=selected_token(), **unsigned)
    return token_map(explanation, selected=selected_token(), disputed=() if explanation.whole else doubts)


def map_downloads(loaded: LoadedModel, failure: Failure, explanations: list[Explanation]) -> None:
    """Draw the buttons for the maps on screen as files; ``explanations``: theirs, from left to right."""
    doubts = disputes(loaded, failure)
    maps = [shown_map(each, number, doubts) for each, number in zip(explanations, ("", "-2"), strict=False)]
    file = "-".join([failure.id, *(explanation.rule for explanation in explanations)])
    address = shared_address()
    verdicts = [known_verdict(loaded.spec, failure, explanation) for explanation in explanations]
    export = lambda kind: export_heatmap(maps, kind, address, verdicts)  # noqa: E731
    format_buttons(export, file, link.session_key("download"), WITH_JSON)


def disputes(loaded: LoadedModel, failure: Failure) -> dict[int, str]:
    """Tokens whose sign the rules disagree on, as soon as the background knows them."""
    return disputed.known(loaded.spec, failure.question) or {}


def next_pages() -> None:
    """Draw links to where to look next: which way it went, in which models, and what taught it."""
    with st.container(horizontal=True, gap="small"):
        navigation.page_link(navigation.GRAPH, help="On which way through the layers the tokens got there")
        navigation.page_link(navigation.COMPARE, label="Models", help="The same failure before and after each training")
        navigation.page_link(navigation.TRAINING_DATA, help="Which training examples taught it")
