"""The commands ``trace``, ``graph`` and ``compare``: one failure explained."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.arguments import file_name
from explorer.cli.output import MODEL, file_kind, progress_lines, say, write, write_json

if TYPE_CHECKING:
    from explorer.data.failures import Failure
    from explorer.model.load import ModelSpec

_MODELS = "each a model, MODEL+ADAPTER, or the folder of an adapter, which stands for --model with it"


def add_trace(commands: Any) -> None:
    """Add ``trace`` to the sub-commands."""
    trace = commands.add_parser("trace", help="which prompt tokens pushed the model to the wrong answer")
    _add_failure(trace)
    _add_heatmap(trace)
    about = "also write the heatmap: .png, .svg, .pdf, .html or .json"
    trace.add_argument("--out", metavar="FILE", type=file_name, help=about)
    trace.add_argument("--json", metavar="FILE", type=file_name, help="write the figures as JSON; - for stdout")
    trace.set_defaults(run=_trace)


def add_graph(commands: Any) -> None:
    """Add ``graph`` to the sub-commands."""
    graph = commands.add_parser("graph", help="on which way through the layers they did")
    _add_failure(graph)
    graph.add_argument("--layers", default="all", metavar="WHICH", help="all, six (embedding + six), or e.g. 0,5,30")
    graph.add_argument("--mass", type=float, default=0.85, help="share of |A| to keep of each layer pair, 0..1")
    drop = {"type": float, "default": 0.0, "metavar": "X"}
    graph.add_argument("--node-threshold", **drop, help="drop nodes with |R| below X logits")
    graph.add_argument("--edge-threshold", **drop, help="drop edges with |A| below X logits")
    graph.add_argument("--max-nodes", type=int, default=160, metavar="N", help="draw at most N nodes")
    graph.add_argument("--max-edges", type=int, default=260, metavar="N", help="draw at most N edges")
    about = "write all dense edges as safetensors: layer.0 … layer.L-1"
    graph.add_argument("--matrices", metavar="FILE", type=file_name, help=about)
    about = "write the drawing: .json (graph.json), .html, .svg, .png or .pdf"
    graph.add_argument("--out", metavar="FILE", type=file_name, help=about)
    graph.add_argument("--json", metavar="FILE", type=file_name, help="write graph.json; - for stdout")
    graph.set_defaults(run=_graph)


def add_compare(commands: Any) -> None:
    """Add ``compare`` to the sub-commands."""
    compare = commands.add_parser("compare", help="one failure in the eyes of several models or checkpoints")
    _add_failure(compare)
    _add_heatmap(compare)
    compare.add_argument("--models", required=True, metavar="A,B,…", help=_MODELS)
    compare.add_argument("--out", metavar="FILE", type=file_name, help="draw the gaps: .png, .svg, .pdf or .html")
    compare.add_argument("--json", metavar="FILE", type=file_name, help="write the figures as JSON; - for stdout")
    compare.set_defaults(run=_compare)


def _add_failure(command: argparse.ArgumentParser) -> None:
    """Add the arguments of a failure, a model and a rule."""
    command.add_argument("--prompt", required=True, metavar="P", help="what the user asks")
    command.add_argument("--system", metavar="S", help="a system prompt")
    command.add_argument("--raw", action="store_true", help="give the prompt as it is, without the chat template")
    command.add_argument("--evidence", metavar="E", help="the words of the prompt that should have decided")
    command.add_argument("--wrong", required=True, metavar="W", help="the wrong answer")
    command.add_argument("--right", required=True, metavar="R", help="the right answer")
    command.add_argument("--model", default="smollm2", metavar="M", help=MODEL)
    command.add_argument("--adapter", metavar="A", help="a PEFT adapter folder or hub id, @revision too")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    command.add_argument("--dtype", default="auto", help="auto, float32, bfloat16 or float16")
    rules = ["attnlrp", "cplrp", "gradient", "representation-gradient"]
    command.add_argument("--rule", default="attnlrp", choices=rules, help="how relevance is passed back")


def _add_heatmap(command: argparse.ArgumentParser) -> None:
    """Add what a heatmap is read at, beside the rule."""
    command.add_argument("--layer", type=int, metavar="N", help="0 (embeddings, default) to L (last block)")
    command.add_argument("--whole", action="store_true", help="the whole answers instead of the first differing token")


def _failure(a: argparse.Namespace) -> "Failure":
    from explorer.data.failures import Failure

    return Failure(a.prompt, a.wrong, a.right, a.system, a.evidence, a.raw)


def _model_spec(a: argparse.Namespace) -> "ModelSpec":
    from explorer.model.load import ModelSpec

    return ModelSpec(a.model, a.adapter, a.device, a.dtype)


def _trace(a: argparse.Namespace) -> None:
    from explorer.figures.heatmap import export_heatmap
    from explorer.model.load import load_model
    from explorer.trace.explain import explain

    loaded = load_model(_model_spec(a), progress_lines())
    explanation = explain(_failure(a), loaded, rule=a.rule, layer=a.layer, whole=a.whole)
    if a.out:
        write(a.out, export_heatmap(explanation, file_kind(a.out)))
    if a.json:
        write_json(a.json, explanation.to_json())
    else:
        say(*explanation.table().split("\n"))


def _graph(a: argparse.Namespace) -> None:
    from explorer.figures.graph import export_graph
    from explorer.graph.build import attribution_graph, write_matrices
    from explorer.graph.prune import Pruning
    from explorer.model.load import load_model

    progress = progress_lines()
    pruning = Pruning(a.mass, a.node_threshold, a.edge_threshold, a.max_nodes, a.max_edges)
    loaded = load_model(_model_spec(a), progress)
    graph = attribution_graph(_failure(a), loaded, rule=a.rule, layers=a.layers, pruning=pruning, progress=progress)
    if a.matrices:
        write_matrices(loaded, graph.explanation, Path(a.matrices))
    if a.out:
        write(a.out, export_graph(graph, file_kind(a.out)))
    if a.json:
        write(a.json, export_graph(graph, "json"))
        return
    drawing = graph.drawing
    say(f"{len(drawing.nodes)} of {drawing.total_nodes} nodes hold {drawing.node_share:.0%} of |relevance|")
    say(f"{len(drawing.edges)} of {drawing.total_edges} edges hold {drawing.edge_share:.0%} of the sum of |A|")


def _compare(a: argparse.Namespace) -> None:
    from explorer.figures.gaps import export_gaps
    from explorer.trace.compare import compare, comparison_table, parse_models

    models = parse_models(a.models, _model_spec(a))
    readings = compare(_failure(a), models, rule=a.rule, layer=a.layer, whole=a.whole, progress=progress_lines())
    if a.out:
        write(a.out, export_gaps(readings, file_kind(a.out)))
    if a.json:
        write_json(a.json, {"models": [reading.to_json() for reading in readings]})
    else:
        say(*comparison_table(readings).split("\n"))
