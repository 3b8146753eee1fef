"""Graph: on which way through the layers the prompt's tokens reached the wrong answer."""

from contextlib import suppress
from dataclasses import replace

import streamlit as st

from explorer.errors import ExplorerError
from explorer.figures.graph import export_graph
from explorer.figures.save import WITH_JSON
from explorer.graph.graph_json import named_nodes
from explorer.graph.paths import layer_statistics, strongest_paths
from explorer.graph.scene import scene_of
from explorer.model.load import load_model
from explorer.ui import charts
from explorer.ui.background import background
from explorer.ui.components import sentence
from explorer.ui.downloads import format_buttons
from explorer.ui.explained import edges_of
from explorer.ui.findings import of_graph
from explorer.ui.graph import drawer
from explorer.ui.graph.ablations import ablations_table
from explorer.ui.graph.chart import show_graph
from explorer.ui.graph.controls import layers_menu, pruning_menu, rule_picker, view_picker
from explorer.ui.graph.edge_drawer import edge_drawer
from explorer.ui.graph.opened_file import drawn_from, link_for_file, opened_file
from explorer.ui.graph.state import (
    build_graph,
    can_undo,
    change,
    read_view,
    selection,
    understand_old_links,
    undo,
)
from explorer.ui.graph.verdict import known_verdict, show_verdict, told_verdict
from explorer.ui.icons import icon_alone
from explorer.ui.link_names import shared_address
from explorer.ui.rail import is_short
from explorer.ui.session import current_case, model_spec
from explorer.ui.sidebar import beside
from explorer.ui.study import model_of
from explorer.ui.text import show_error, stop_on
from explorer.ui.trace.answers import answers_row

HIDDEN = "The tokens left out leave no edge that leads to the contrast; show some of them again."
RELAXED = "These thresholds leave no edge that leads to the contrast. The nearest that leave something:"

understand_old_links()
loaded, failure = load_model(model_spec()), current_case()
_, bar = charts.case_row(failure)
answers = st.container(gap="xsmall", key="graph-answers")
with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="graph-pickers"):
    view_picker()
    rule = rule_picker()
    layers_menu(loaded.n_layers)
    pruning = pruning_menu()
    hint = "Take the last change of layers, marks or ablations back"
    with icon_alone("undo"):
        st.button("Undo", icon=":material/undo:", on_click=undo, disabled=not can_undo(), help=hint)
    share = st.popover("Share", icon=":material/download:", help="Download the picture, open a graph.json")
    judged = st.container(key="graph-judged")
with share:
    file = opened_file()
try:
    edges = edges_of(loaded.spec, failure, rule)
    view = read_view(loaded.n_layers, len(edges.explanation.tokens))
    graph = build_graph(edges, view, pruning)
except ExplorerError as error:
    stop_on(error)

with bar:
    charts.show_case_bar(failure, edges.explanation)
with answers:
    answers_row(failure, edges.explanation)
    sentence(key="graph-path", data={"parts": graph.path, "copy": "Copy", "more": True})
if file:
    try:
        graph = drawn_from(file, graph)
    except ExplorerError as error:
        show_error(error)
if graph.drawing.empty:
    graph = graph.relaxed()
    nearest = f"edges of {graph.pruning.edge_threshold:.3g} and nodes of {graph.pruning.node_threshold:.3g} logits"
    st.warning(HIDDEN if graph.drawing.empty else f"{RELAXED} {nearest}.")
if not file:
    with judged:
        show_verdict(loaded.spec, failure, graph)
scene = scene_of(graph, named_nodes(view.picked))
selected = selection(view.picked, graph, scene)
column = next((column for column in graph.columns if column.folded and column.first == selected.fold), None)
if column:
    change(open=sorted(view.unfolded | set(range(column.first, column.last + 1))), at=None)
    st.rerun()
shown, stroke = selected.shown, selected.stroke
whole = shown if shown and shown.part in ("", "group") else None
paths = strongest_paths(graph.drawing, whole.members, graph.contrast) if whole else []
statistics = layer_statistics(graph)

with st.container(key="graph-body"):
    left, right = st.columns([7, 3], gap="medium")
with left:
    verdict = None if file else told_verdict(loaded.spec, failure, graph)
    show_graph(graph, view.picked, paths[0] if paths else None, verdict)
with right:
    try:
        if shown and shown.part == "group":
            drawer.group_drawer(edges, view, scene, shown, paths)
        elif shown and shown.part:
            drawer.half_drawer(edges, shown)
        elif shown:
            drawer.node_drawer(edges, view, shown.members[0], paths)
        elif stroke:
            edge_drawer(edges, graph, scene, stroke)
        elif selected.gap:
            drawer.gap_drawer(view, graph, *selected.gap, statistics)
        else:
            drawer.layers_drawer(statistics)
        drawer.marks_drawer(view)
    except ExplorerError as error:
        show_error(error)
with left:
    try:
        ablations_table(edges, view, failure.id)
    except ExplorerError as error:
        show_error(error)
following = beside(1)
if is_short(following) and model_of(following).weights == loaded.spec.weights:
    with suppress(ExplorerError):
        background.soon(of_graph, loaded.spec, following.question)  # so that the next one is there at once
saved, address = replace(graph, link=link_for_file()), shared_address()


def _file(kind: str) -> bytes:
    verdict = {} if file else known_verdict(loaded.spec, failure, saved)
    return export_graph(replace(saved, faithfulness=verdict), kind, address)


with share:
    format_buttons(_file, f"{failure.id}-graph", "graph-files", WITH_JSON)
