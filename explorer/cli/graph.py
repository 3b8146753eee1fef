"""The command ``graph``: on which way through the layers the tokens pushed the model to the wrong answer."""

import argparse
from pathlib import Path
from typing import Any

from explorer.cli.arguments import add_failure, failure, file_kind, model_spec
from explorer.cli.output import write
from explorer.cli.progress import progress_lines


def add_graph(commands: Any) -> None:
    """Add ``graph`` to the sub-commands of the command line."""
    graph = commands.add_parser("graph", help="on which way through the layers they did")
    add_failure(graph)
    graph.add_argument("--layers", default="all", metavar="WHICH", help="all, six (embedding + six), or e.g. 0,5,30")
    graph.add_argument("--mass", type=float, default=0.85, help="share of |A| to keep of each layer pair, 0..1")
    drop = {"type": float, "default": 0.0, "metavar": "X"}
    graph.add_argument("--node-threshold", **drop, help="drop nodes with |R| below X logits")
    graph.add_argument("--edge-threshold", **drop, help="drop edges with |A| below X logits")
    graph.add_argument("--max-nodes", type=int, default=160, metavar="N", help="draw at most N nodes")
    graph.add_argument("--max-edges", type=int, default=260, metavar="N", help="draw at most N edges")
    graph.add_argument("--matrices", metavar="FILE", help="write all dense edges as safetensors: layer.0 … layer.L-1")
    graph.add_argument("--out", metavar="FILE", help="write the drawing: .json (graph.json), .html, .svg, .png or .pdf")
    graph.add_argument("--json", metavar="FILE", help="write graph.json; - for stdout")
    graph.set_defaults(run=_graph)


def _graph(arguments: argparse.Namespace) -> None:
    from explorer.figures.graph import export_graph
    from explorer.graph.build import attribution_graph, write_matrices
    from explorer.graph.prune import Pruning
    from explorer.model.load import load_model

    a, progress = arguments, progress_lines()
    pruning = Pruning(a.mass, a.node_threshold, a.edge_threshold, a.max_nodes, a.max_edges)
    loaded = load_model(model_spec(a), progress)
    graph = attribution_graph(failure(a), loaded, rule=a.rule, layers=a.layers, pruning=pruning, progress=progress)
    if a.matrices:
        write_matrices(loaded, graph.explanation, Path(a.matrices))
    if a.out:
        write(a.out, export_graph(graph, file_kind(a.out)))
    if a.json:
        write(a.json, export_graph(graph, "json"))
        return
    drawing = graph.drawing
    print(f"{len(drawing.nodes)} of {drawing.total_nodes} nodes hold {drawing.node_share:.0%} of |relevance|")
    print(f"{len(drawing.edges)} of {drawing.total_edges} edges hold {drawing.edge_share:.0%} of the sum of |A|")
