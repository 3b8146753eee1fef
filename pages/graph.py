"""Graph: on which way through the layers the prompt's tokens reached the wrong answer."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.figures.graph_export import export_graph
from explorer.figures.save import WITH_JSON
from explorer.graph.build import parse_layers
from explorer.graph.graph_json import check_same, read_graph_json
from explorer.graph.layout import columns
from explorer.graph.paths import layer_figures, strongest_paths
from explorer.graph.prune import Pruning, nearest_that_leaves_something, prune
from explorer.model.load import load_model
from explorer.ui import charts
from explorer.ui.downloads import format_buttons
from explorer.ui.graph import drawer as graph_drawer
from explorer.ui.graph.chart import show_graph
from explorer.ui.graph.state import (
    change,
    edges_between,
    graph_view,
    halves_of,
    recorded,
    selection,
    undo,
    write_groups,
)
from explorer.ui.session import current_case, model_spec, plain, stop_on
from explorer.ui.sidebar import step

SKIPPED = " Where layers are left out, only edges into the tokens that hold 95 % of |relevance| are counted."
LRP = {"attnlrp": "AttnLRP", "cplrp": "CP-LRP"}
loaded, case = load_model(model_spec()), current_case()
depth = loaded.n_layers

with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    bar = st.container()
    st.button("", icon=":material/chevron_left:", on_click=step, args=(-1,), help="Previous failure", key="previous")
    st.button("", icon=":material/chevron_right:", on_click=step, args=(1,), help="Next failure", key="next")

with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    rule = st.segmented_control(
        "Rule", list(LRP), format_func=LRP.__getitem__, default="attnlrp", required=True, key="grule",
        label_visibility="collapsed", bind="query-params",
    )  # fmt: skip
    with st.popover("Layers", icon=":material/layers:"):
        six = parse_layers("six", depth)
        st.button("All layers", on_click=lambda: change(layers=None), width="stretch")
        st.button("Embedding + six", on_click=lambda: change(layers=six), width="stretch", key="six")
        own = st.multiselect("Own choice", list(range(depth + 1)), placeholder="choose layers")
        st.button("Draw these", on_click=lambda: change(layers=sorted({0, *own})), disabled=not own, width="stretch")
        st.caption("Edges over layers left out are exact too: those layers are run again, once.")
    with st.popover("Pruning", icon=":material/filter_alt:"):
        mass = st.slider("Share of Σ|A| per layer", 0.3, 1.0, 0.85, 0.01, key="mass", bind="query-params")
        max_edges = st.slider("At most so many edges", 20, 1500, 260, 10, key="edges", bind="query-params")
        max_nodes = st.slider("At most so many nodes", 10, 600, 160, 10, key="nodes", bind="query-params")
        least_edge = st.number_input("Least |A| (logits)", 0.0, None, 0.0, 0.01, key="least", bind="query-params")
        least_node = st.number_input("Least |R| (logits)", 0.0, None, 0.0, 0.01, key="leastnode", bind="query-params")
    template = st.toggle(
        "Hide template", key="template", bind="query-params", help="Leave the chat format's tokens out"
    )
    st.button("Undo", icon=":material/undo:", on_click=undo, disabled=not st.session_state.get("graph-history"))
    share_box = st.popover("Share", icon=":material/download:")

try:
    shown = recorded(loaded.spec, case, rule)
    view = graph_view(depth, len(shown.tokens))
    pairs = edges_between(loaded.spec, case, rule, view.layers or tuple(range(depth + 1)))
    formats = {t.index for t in shown.tokens if t.segment == "template"} - {len(shown.tokens) - 1}
    grouped = [node for _, members in view.marks.groups for node in members]
    pruning = Pruning(
        mass, least_node, least_edge, max_nodes, max_edges,
        view.hidden | (formats if template else set()), frozenset([*view.marks.pinned, *grouped]),
    )  # fmt: skip
    drawing = prune(shown.trace.relevance, pairs, pruning)
    with share_box:
        uploaded = st.file_uploader("Open a graph.json", type="json", max_upload_size=20)
    if uploaded:
        try:
            read = read_graph_json(uploaded.getvalue(), uploaded.name)
            check_same(read, shown)
        except ExplorerError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            drawing = read.drawing
            if st.session_state.get("opened") != uploaded.file_id:
                st.session_state["opened"] = uploaded.file_id
                change(pins=read.marks.pinned, groups=write_groups(read.marks.groups))
                st.rerun()
except ExplorerError as error:
    stop_on(error)

with bar:
    charts.show_case_bar(shown, case.prompt)
if drawing.empty:
    nearest = nearest_that_leaves_something(shown.trace.relevance, pairs, pruning)
    st.warning(
        "The tokens left out leave no edge that leads to the contrast; show some of them again."
        if prune(shown.trace.relevance, pairs, nearest).empty
        else "These thresholds leave no edge that leads to the contrast. The nearest that leave something: "
        f"|A| ≥ {nearest.edge_threshold:.3g}, |R| ≥ {nearest.node_threshold:.3g} logits."
    )
    drawing = prune(shown.trace.relevance, pairs, nearest)

chosen = selection(view.picked, drawing)
run = next((c for c in columns(shown, drawing, view.unfolded) if c.folded and c.first == chosen.fold), None)
if run:
    change(open=sorted(view.unfolded | set(range(run.first, run.last + 1))), at=None)
    st.rerun()
contrast = (drawing.layers[-1], len(shown.tokens) - 1)
paths = strongest_paths(pairs, chosen.nodes[0], contrast) if len(chosen.nodes) == 1 else []
figures = layer_figures(shown.trace.relevance, pairs, drawing)
shown_columns = columns(shown, drawing, view.unfolded)

left, right = st.columns([7, 3], gap="medium")
with left:
    halves = {
        layer: halves_of(loaded.spec, case, rule, layer)
        for layer in view.halves
        if {layer, layer + 1} <= set(drawing.layers)
    }
    show_graph(shown, drawing, shown_columns, view.marks, view.picked, paths[0] if paths else None, halves)
    st.caption(
        f"Drawn: {len(drawing.nodes):,} of {drawing.total_nodes:,} nodes with {drawing.node_share:.0%} of |relevance|, "
        f"{len(drawing.edges):,} of {drawing.total_edges:,} edges with {drawing.edge_share:.0%} of Σ|A|. "
        "Red carries relevance towards the wrong answer, blue towards the right one; width is |A|."
        + (SKIPPED if any(pair.high > pair.low + 1 for pair in pairs) else "")
    )
with right:
    try:
        if len(chosen.nodes) == 1:
            graph_drawer.node_drawer(loaded, case, shown, view, chosen.nodes[0], paths)
        elif chosen.nodes:
            graph_drawer.edge_drawer(loaded, shown, *chosen.nodes)
        elif chosen.gap:
            graph_drawer.gap_drawer(view, drawing, *chosen.gap, figures)
        else:
            st.caption("Click a node, an edge, the space between two layer numbers, or a folded column.")
            graph_drawer.figures_drawer(figures)
        graph_drawer.groups_drawer(view)
    except ExplorerError as error:
        st.error(plain(str(error)), icon=":material/error:")
with share_box:
    format_buttons(
        lambda kind: export_graph(shown, drawing, shown_columns, view.marks, kind),
        f"{case.id}-graph",
        "graph",
        WITH_JSON,
    )
