"""The drawer beside the graph: what is selected, in figures, and the next step."""

import numpy as np
import streamlit as st

from explorer.data.failures import Failure
from explorer.graph.ablate import ablate
from explorer.graph.edges import split_edge
from explorer.graph.paths import LayerFigures, Path
from explorer.graph.prune import Drawing, Node
from explorer.model.load import LoadedModel
from explorer.trace.explain import Explanation, ranks_by_size
from explorer.ui import navigation
from explorer.ui.charts import colour_scale, visible
from explorer.ui.components import bars, token_map
from explorer.ui.graph.state import GraphView, change, seen_from, write_groups
from explorer.ui.page_states import TrainingDataState
from explorer.ui.session import plain


def node_drawer(
    loaded: LoadedModel, case: Failure, shown: Explanation, view: GraphView, node: Node, paths: list[Path]
) -> None:
    """A node: its relevance, its paths, the heatmap as seen from it; pin, hide, group, ablate."""
    layer, token = node
    text = shown.tokens[token]
    st.markdown(f"**{plain(visible(text.text))}** · {'embedding' if layer == 0 else f'layer {layer}'}")
    st.caption(f"relevance {shown.trace.relevance[layer, token]:+.3g} logits · position {token} · {text.segment}")
    pinned, hidden = view.marks.pinned, view.hidden
    with st.container(horizontal=True, gap="small"):
        if node in pinned:
            st.button("Unpin", on_click=lambda: change(pins=tuple(n for n in pinned if n != node)), key="unpin")
        else:
            st.button("Pin", on_click=lambda: change(pins=(*pinned, node)), key="pin")
        st.button("Hide token", on_click=lambda: change(hide=sorted(hidden | {token})), key="hide-token")
    if layer:
        with st.container(horizontal=True, gap="small"):
            for half, label in (("state", "Training data: state"), ("gradient", "gradient")):
                navigation.page_link(
                    navigation.TRAINING_DATA,
                    label=label,
                    help=f"Training data that shaped this {half}",
                    state=TrainingDataState(node=f"{layer}:{token}", half=half),
                )
    values = np.array(seen_from(loaded.spec, case, shown.rule, node))
    _map(shown, values, "As seen from this node", "seen")
    if paths:
        st.caption("Strongest paths through it (product of edge shares); the first is drawn bold")
        for path in paths:
            names = " → ".join(_short_path(shown, path))
            st.caption(f"{path.share:.2%} · {plain(names)}")
    _ablation(loaded, shown, view, node)


def _short_path(shown: Explanation, path: Path) -> list[str]:
    """Tokens of a path, each once a run, with the layer at which the path moves on."""
    steps: list[str] = []
    last = None
    for layer, token in path.nodes:
        if token != last:
            steps.append(f"{visible(shown.tokens[token].text)}@{layer}")
        last = token
    return steps


def _map(shown: Explanation, values: np.ndarray, caption: str, key: str, signed: bool = True) -> None:
    wrong, right = shown.sides
    ranks = ranks_by_size(values)
    tokens = shown.tokens[: len(values)]
    token_map(
        key=key,
        data={
            "tokens": [[t.text, t.segment, float(v), int(r)] for t, v, r in zip(tokens, values, ranks, strict=True)],
            "scale": colour_scale(values, [t.segment for t in tokens]) if signed else float(values.max()),
            "unit": "logits" if signed else "attention",
            "signed": signed,
            "measure": "attends",
            "wrong": wrong,
            "right": right,
            "caption": caption,
            "hint": "Hover over a token for its figure.",
            "selected": None,
        },
    )


def _ablation(loaded: LoadedModel, shown: Explanation, view: GraphView, node: Node) -> None:
    """Take the node, or all pinned ones, out of the model and compare with the graph's prediction."""
    with st.expander("Ablate", icon=":material/content_cut:"):
        how = "zero" if st.toggle("Put zeros in its place, not the layer's mean state") else "mean"
        which = st.segmented_control("Nodes", ["this one", "all pinned"], default="this one", required=True)
        nodes = [node] if which == "this one" else list(view.marks.pinned)
        if st.button("Run the model without", width="stretch", disabled=not nodes):
            c = shown.contrast
            result = ablate(loaded.view(shown.rule), shown.trace, (c.target, c.foil), nodes, how)
            st.metric("Δℓ without", f"{result.after:+.2f}", f"{result.after - result.before:+.2f}", delta_color="off")
            st.caption(
                f"before {result.before:+.2f}; the graph predicts {result.predicted:+.2f} "
                "(first order; nodes that feed each other are counted twice)"
            )


def edge_drawer(loaded: LoadedModel, shown: Explanation, source: Node, target: Node) -> None:
    """An edge: its heads, value and key path, and the chosen head's attention."""
    a, b = (plain(visible(shown.tokens[n[1]].text)) for n in (source, target))
    st.markdown(f"**{a}** (layer {source[0]}) → **{b}** (layer {target[0]})")
    if target[0] != source[0] + 1:
        st.caption("This edge spans several layers: open the gap to see its heads.")
        return
    split = split_edge(loaded.view(shown.rule), shown.trace, source[0], target[1], source[1])
    st.caption(f"{split.total:+.3g} logits in all; exact, from the same trace")
    heads = [
        [f"head {h}", min(v + k, 0.0), max(v + k, 0.0), h, f"value {v:+.2g}, key {k:+.2g}"]
        for h, (v, k) in enumerate(zip(split.value, split.key, strict=True))
    ]
    paths = [("value path", split.value.sum()), ("key path", split.key.sum())]
    if source[1] == target[1]:
        paths.append(("past attention", split.rest))
    rows = [[name, min(float(v), 0.0), max(float(v), 0.0), None, ""] for name, v in paths]
    scale = max(abs(v) for row in [*heads, *rows] for v in row[1:3]) or 1.0
    picked = st.session_state.get("heads", {}).get("selected")
    groups = [{"title": "By head", "rows": heads, "empty": ""}, {"title": "By path", "rows": rows, "empty": ""}]
    bars(key="heads", data={"groups": groups, "scale": scale, "selected": picked}, on_selected_change=lambda: None)
    head = picked if picked is not None and picked < len(heads) else int(np.argmax([abs(h[1] + h[2]) for h in heads]))
    _map(shown, split.attention[head], f"Where head {head} looks from there", "attention", signed=False)


def gap_drawer(view: GraphView, drawing: Drawing, low: int, high: int, figures: list[LayerFigures]) -> None:
    """A gap between two drawn layers: expand it, or fold layers away."""
    st.markdown(f"**Layers {low} → {high}**")
    row = next((f for f in figures if f.layer == high), None)
    if row:
        st.caption(
            f"{row.drawn_edges} edges drawn; {row.verticality:.0%} of |A| stays on its token; the rest looks back "
            f"{row.look_back / max(1 - row.verticality, 1e-9):.1f} tokens on average"
        )
    layers = drawing.layers
    if high > low + 1:
        wider = tuple(sorted({*layers, *range(low, high + 1)}))
        st.button("Expand into every layer", on_click=lambda: change(layers=wider), width="stretch", key="expand")
    elif low in view.halves:
        st.button("Close the halves", on_click=lambda: change(halves=sorted(view.halves - {low})), width="stretch")
    else:
        st.button(
            "Open into attention and MLP",
            on_click=lambda: change(halves=sorted(view.halves | {low})),
            width="stretch",
            key="halves",
        )
    fold = [layer for layer in layers if not (low <= layer <= high and layer not in (layers[0], layers[-1]))]
    if len(fold) >= 2 and len(fold) < len(layers):
        gone = [layer for layer in layers if layer not in fold]
        st.button(
            f"Fold layer{'s' if len(gone) > 1 else ''} {', '.join(map(str, gone))} away",
            on_click=lambda: change(layers=fold),
            width="stretch",
            help="Edges over the folded layers are computed exactly, by running them again.",
        )


def groups_drawer(view: GraphView) -> None:
    """Pinned nodes, groups and hidden tokens, with a way back for each."""
    marks = view.marks
    if marks.pinned:
        st.caption(f"{len(marks.pinned)} pinned")
        name = st.text_input("Group the pinned nodes as", key="group-name", placeholder="a name")
        if name and st.button("Make the group"):
            others = tuple(group for group in marks.groups if group[0] != name[:40])
            change(groups=write_groups((*others, (name[:40], marks.pinned))), pins=())
            st.rerun()
    for name, members in marks.groups:
        rest = tuple(group for group in marks.groups if group[0] != name)
        st.button(
            f"Dissolve {plain(name)} ({len(members)})",
            key=f"dissolve-{name}",
            on_click=lambda rest=rest: change(groups=write_groups(rest)),
        )
    if view.hidden:
        st.button(f"Show the {len(view.hidden)} hidden tokens", on_click=lambda: change(hide=None), key="unhide")


def figures_drawer(figures: list[LayerFigures]) -> None:
    """Figures of every drawn layer."""
    st.caption("By layer: edges into it, share that stays on its token, mean look-back, concentration of |relevance|")
    st.dataframe(
        [
            {
                "layer": f.layer,
                "nodes": f.drawn_nodes,
                "edges": f.drawn_edges,
                "vertical": f.verticality,
                "look-back": f.look_back,
                "Gini": f.gini,
                "90 % in": f.tokens_90,
            }
            for f in reversed(figures)
        ],
        height=420,
        hide_index=True,
        column_config={
            "vertical": st.column_config.NumberColumn(format="percent"),
            "look-back": st.column_config.NumberColumn(format="%.1f", help="tokens"),
            "Gini": st.column_config.NumberColumn(format="%.2f"),
            "90 % in": st.column_config.NumberColumn(help="tokens that hold 90 % of |relevance|"),
        },
    )
