"""Graph: on which way through the layers the prompt's tokens reached the wrong answer."""

from dataclasses import replace

import streamlit as st

from explorer.errors import ExplorerError
from explorer.figures.graph import export_graph
from explorer.figures.save import WITH_JSON
from explorer.graph.paths import layer_statistics, strongest_paths
from explorer.model.load import load_model
from explorer.ui import charts, link
from explorer.ui.downloads import format_buttons
from explorer.ui.explained import edges_of
from explorer.ui.graph import drawer
from explorer.ui.graph.chart import show_graph
from explorer.ui.graph.controls import layers_menu, open_file, pruning_menu, rule_picker
from explorer.ui.graph.state import build_graph, can_undo, change, read_view, selection, undo
from explorer.ui.session import current_case, model_spec
from explorer.ui.text import show_error, stop_on

HIDDEN = "The tokens left out leave no edge that leads to the contrast; show some of them again."
RELAXED = "These thresholds leave no edge that leads to the contrast. The nearest that leave something:"

loaded, failure = load_model(model_spec()), current_case()
_, bar = charts.case_row()
with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    rule = rule_picker()
    layers_menu(loaded.n_layers)
    pruning = pruning_menu()
    hide_template = link.toggle("Hide template", "template", help="Leave the chat format's tokens out")
    st.button("Undo", icon=":material/undo:", on_click=undo, disabled=not can_undo())
    share = st.popover("Share", icon=":material/download:")
try:
    edges = edges_of(loaded.spec, failure, rule)
    view = read_view(loaded.n_layers, len(edges.explanation.tokens))
    graph = build_graph(edges, view, pruning, hide_template)
    with share:
        if opened := open_file(edges.explanation):
            graph = replace(graph, drawing=opened)
except ExplorerError as error:
    stop_on(error)

with bar:
    charts.show_case_bar(failure, edges.explanation)
if graph.drawing.empty:
    graph = graph.relaxed()
    nearest = f"|A| ≥ {graph.pruning.edge_threshold:.3g}, |R| ≥ {graph.pruning.node_threshold:.3g} logits"
    st.warning(HIDDEN if graph.drawing.empty else f"{RELAXED} {nearest}.")
selected = selection(view.picked, graph.drawing)
column = next((column for column in graph.columns if column.folded and column.first == selected.fold), None)
if column:
    change(open=sorted(view.unfolded | set(range(column.first, column.last + 1))), at=None)
    st.rerun()
paths = strongest_paths(graph.pairs, selected.nodes[0], graph.contrast) if len(selected.nodes) == 1 else []
statistics = layer_statistics(graph)

left, right = st.columns([7, 3], gap="medium")
with left:
    drawn = set(graph.drawing.layers)
    halves = {layer: edges.halves(layer) for layer in view.halves if {layer, layer + 1} <= drawn}
    show_graph(graph, view.picked, paths[0] if paths else None, halves)
with right:
    try:
        if len(selected.nodes) == 1:
            drawer.node_drawer(edges, view, selected.nodes[0], paths)
        elif selected.nodes:
            drawer.edge_drawer(edges, *selected.nodes)
        elif selected.gap:
            drawer.gap_drawer(view, graph, *selected.gap, statistics)
        else:
            drawer.layers_drawer(statistics)
        drawer.marks_drawer(view)
    except ExplorerError as error:
        show_error(error)
with share:
    format_buttons(lambda kind: export_graph(graph, kind), f"{failure.id}-graph", "graph-files", WITH_JSON)
