"""The commands ``trace``, ``graph`` and ``compare``: one failure explained."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.arguments import file_name, read_prompt, replacement, token_numbers
from explorer.cli.output import MODEL, file_kind, progress_lines, say, write, write_json
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from explorer.data.failures import Failure
    from explorer.graph.layout import AttributionGraph
    from explorer.model.load import LoadedModel, ModelSpec

_MODELS = "each a model, MODEL+ADAPTER, or the folder of an adapter, which stands for --model with it"

_LIST = ", of --failures a list; - for stdout"


def add_trace(commands: Any) -> None:
    """Add ``trace`` to the sub-commands."""
    trace = commands.add_parser("trace", help="which prompt tokens pushed the model to the wrong answer")
    _add_failure(trace, several=True)
    _add_heatmap(trace)
    about = "also write the heatmap: .png, .svg, .pdf, .html or .json"
    trace.add_argument("--out", metavar="FILE", type=file_name, help=about)
    trace.add_argument("--json", metavar="FILE", type=file_name, help=f"write the figures as JSON{_LIST}")
    about = "also rerun without these tokens of the prompt, by their index in the map"
    trace.add_argument("--delete", metavar="N,N,…", type=token_numbers, default=[], help=about)
    about = "also rerun with another word in a token's place; once for each token"
    trace.add_argument("--replace", metavar="N=WORD", type=replacement, action="append", default=[], help=about)
    about = "also judge the map: replace its tokens, against 50 random orders (about half a minute)"
    trace.add_argument("--faithfulness", action="store_true", help=about)
    about = "also find the fewest tokens whose removal flips the preference, and the fewest that keep it"
    trace.add_argument("--minimal", action="store_true", help=about)
    trace.set_defaults(run=_trace)


def add_graph(commands: Any) -> None:
    """Add ``graph`` to the sub-commands."""
    graph = commands.add_parser("graph", help="on which way through the layers they did")
    _add_failure(graph, several=True)
    graph.add_argument("--layers", default="all", metavar="WHICH", help="all, six (embedding + six), or e.g. 0,5,30")
    graph.add_argument("--hide-template", action="store_true", help="leave the chat format's tokens out")
    graph.add_argument("--mass", type=float, default=0.85, help="share of |A| to keep of each layer pair, 0..1")
    drop = {"type": float, "default": 0.0, "metavar": "X"}
    graph.add_argument("--node-threshold", **drop, help="drop nodes with |R| below X logits")
    graph.add_argument("--edge-threshold", **drop, help="drop edges with |A| below X logits")
    free = "residual runs are one stroke, the nodes within them don't count"
    graph.add_argument("--max-nodes", type=int, default=160, metavar="N", help=f"draw at most N nodes; {free}")
    graph.add_argument("--max-edges", type=int, default=260, metavar="N", help="draw at most N strokes")
    about = "write all dense edges as safetensors: layer.0 … layer.L-1"
    graph.add_argument("--matrices", metavar="FILE", type=file_name, help=about)
    about = "write the drawing: .json (graph.json), .html, .svg, .png or .pdf"
    graph.add_argument("--out", metavar="FILE", type=file_name, help=about)
    graph.add_argument("--json", metavar="FILE", type=file_name, help=f"write graph.json{_LIST}")
    about = "patch the drawn nodes one by one, and say whether the drawing holds"
    graph.add_argument("--faithfulness", action="store_true", help=about)
    graph.set_defaults(run=_graph)


def add_compare(commands: Any) -> None:
    """Add ``compare`` to the sub-commands."""
    compare = commands.add_parser("compare", help="one failure in the eyes of several models or checkpoints")
    _add_failure(compare)
    _add_heatmap(compare)
    compare.add_argument("--models", required=True, metavar="A,B,…", help=_MODELS)
    compare.add_argument("--out", metavar="FILE", type=file_name, help="draw gaps and maps: .png, .svg, .pdf or .html")
    compare.add_argument("--json", metavar="FILE", type=file_name, help="write the figures as JSON; - for stdout")
    compare.set_defaults(run=_compare)


def _add_failure(command: argparse.ArgumentParser, several: bool = False) -> None:
    """Add the arguments of a failure, a model and a rule; ``several``: or of a file of failures."""
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--prompt", metavar="P", help="what the user asks")
    which.add_argument("--prompt-file", metavar="FILE", type=file_name, help="a file with it; - for stdin")
    if several:
        about = "explain all failures of a file instead: JSON lines {id, prompt, wrong, right, system?}, or a study"
        which.add_argument("--failures", metavar="FILE", type=Path, help=about)
        command.add_argument("--id", metavar="ID", help="the one of --failures with this id alone")
    command.add_argument("--system", metavar="S", help="a system prompt")
    command.add_argument("--raw", action="store_true", help="no chat template: the prompt as it is, --system before it")
    command.add_argument("--evidence", metavar="E", help="the words of the prompt that should have decided")
    command.add_argument("--wrong", metavar="W", help="the wrong answer")
    command.add_argument("--right", metavar="R", help="the right answer")
    place = "contrast the answers at the Nth place where they differ, from 0; default the first that carries content"
    command.add_argument("--place", type=int, metavar="N", help=place)
    command.add_argument(
        "--model", default="smollm2", metavar="M", help=f"{MODEL}; an adapter's folder: its base with it"
    )
    command.add_argument("--adapter", metavar="A", help="a PEFT adapter folder or hub id, @revision too")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    command.add_argument("--dtype", default="auto", help="auto, float32, bfloat16 or float16")
    rules = ["attnlrp", "attnlrp-context", "cplrp", "gradient", "representation-gradient"]
    command.add_argument("--rule", default="attnlrp", choices=rules, help="how relevance is passed back")


def _add_heatmap(command: argparse.ArgumentParser) -> None:
    """Add what a heatmap is read at, beside the rule."""
    command.add_argument("--layer", type=int, metavar="N", help="0 (embeddings, default) to L (last block)")
    command.add_argument("--whole", action="store_true", help="the whole answers instead of the first differing token")


def _failure(a: argparse.Namespace) -> "Failure":
    """The failure that the arguments spell out."""
    from explorer.data.failures import Failure

    for option in ("wrong", "right"):
        if getattr(a, option) is None:
            raise ExplorerError(f"--{option} is missing; expected the {option} answer.")
    prompt = a.prompt if a.prompt is not None else read_prompt(a.prompt_file)
    return Failure(prompt, a.wrong, a.right, a.system, a.evidence, a.raw, a.place)


def _failures(a: argparse.Namespace, *single: str) -> "list[Failure]":
    """The failures that the arguments mean: one, or those of a file or study.

    ``single``: options that need one failure. Raises ExplorerError where a file has none or several for them, and for
    options that its failures bring themselves.
    """
    from explorer.data.failures import read_failures
    from explorer.data.study import FAILURES

    if not a.failures:
        if a.id:
            raise ExplorerError("--id goes with --failures.")
        return [_failure(a)]
    for option in ("wrong", "right", "system", "evidence", "place"):
        if getattr(a, option) is not None:
            raise ExplorerError(f"--{option} and --failures: the failures of a file bring their own.")
    path = a.failures / FAILURES if a.failures.is_dir() else a.failures
    failures = read_failures(path)
    if a.id is not None and a.id not in failures:
        raise ExplorerError(f"{path}: no failure '{a.id[:80]}'; expected {', '.join(failures) or 'none: it has none'}.")
    chosen = [failures[a.id]] if a.id is not None else list(failures.values())
    if not chosen:
        raise ExplorerError(f"{path}: no failure in it.")
    if len(chosen) > 1 and (option := next((name for name in single if getattr(a, name)), "")):
        raise ExplorerError(f"--{option} is for one failure, and {path} has {len(chosen)}; choose one with --id.")
    return [replace(failure, raw=True) for failure in chosen] if a.raw else chosen


def _model_spec(a: argparse.Namespace) -> "ModelSpec":
    from explorer.model.adapters import with_base
    from explorer.model.load import ModelSpec

    return with_base(ModelSpec(a.model, a.adapter, a.device, a.dtype))


def _trace(a: argparse.Namespace) -> None:
    from explorer.model.load import load_model

    failures = _failures(a, "out", "delete", "replace")
    loaded, figures = load_model(_model_spec(a), progress_lines()), []
    for failure in failures:
        values, lines = _traced(a, failure, loaded)
        figures.append({"id": failure.id, **values} if a.failures else values)
        if not a.json:
            say(*_heading(a, failure), *lines)
    if a.json:
        write_json(a.json, figures if a.failures else figures[0])


def _heading(a: argparse.Namespace, failure: "Failure") -> list[str]:
    """What stands before the lines of one failure of several."""
    return [f"# {failure.id}"] if a.failures else []


def _traced(a: argparse.Namespace, failure: "Failure", loaded: "LoadedModel") -> tuple[dict[str, Any], list[str]]:
    """The figures and the lines of one failure's heatmap."""
    from explorer.figures.heatmap import export_heatmap
    from explorer.trace.edits import Edit, try_edits
    from explorer.trace.explain import explain

    explanation = explain(failure, loaded, rule=a.rule, layer=a.layer, whole=a.whole)
    verdict = explanation.verdict(loaded, progress=progress_lines()) if a.faithfulness else None
    if a.out:
        write(a.out, export_heatmap(explanation, file_kind(a.out), verdicts=[verdict]))
    figures, lines = explanation.to_json(), explanation.table().split("\n")
    if verdict:
        figures["faithfulness"] = verdict.to_json()
        lines += verdict.table().split("\n")
    if edits := [*(Edit(index) for index in a.delete), *(Edit(*pair) for pair in a.replace)]:
        done = try_edits(failure, edits, loaded, explanation=explanation)
        figures["edits"] = done.to_json()
        lines.append(done.line())
    if a.minimal:
        from explorer.faithfulness.minimal import minimal_edit

        minimal = minimal_edit(failure, loaded, explanation=explanation, progress=progress_lines())
        figures["minimal_edit"] = minimal.to_json()
        lines += minimal.lines()
    return figures, lines


def _graph(a: argparse.Namespace) -> None:
    from explorer.figures.graph import export_graph
    from explorer.graph.graph_json import to_json
    from explorer.model.load import load_model

    failures = _failures(a, "out", "matrices")
    loaded, graphs = load_model(_model_spec(a), progress_lines()), []
    for failure in failures:
        graph, lines = _drawn(a, failure, loaded)
        if a.json:
            graphs.append(graph)
        else:
            say(*_heading(a, failure), *lines)
    if a.json and a.failures:
        write_json(a.json, [{"id": f.id, "graph": to_json(graph)} for f, graph in zip(failures, graphs, strict=True)])
    elif a.json:
        write(a.json, export_graph(graphs[0], "json"))


def _drawn(a: argparse.Namespace, failure: "Failure", loaded: "LoadedModel") -> "tuple[AttributionGraph, list[str]]":
    """The graph of one failure, and its lines."""
    from explorer.faithfulness.graph_verdict import graph_verdict
    from explorer.figures.graph import export_graph
    from explorer.graph.build import TracedEdges, attribution_graph, write_matrices
    from explorer.graph.prune import Pruning

    progress, verdict = progress_lines(), None
    pruning = Pruning(a.mass, a.node_threshold, a.edge_threshold, a.max_nodes, a.max_edges)
    drawn = {"rule": a.rule, "layers": a.layers, "pruning": pruning, "hide_template": a.hide_template}
    graph = attribution_graph(failure, loaded, **drawn, progress=progress)
    if a.faithfulness:
        verdict = graph_verdict(TracedEdges(loaded, graph.explanation), graph, progress=progress)
        graph = replace(graph, faithfulness=verdict.to_json())
    if a.matrices:
        write_matrices(loaded, graph.explanation, Path(a.matrices))
    if a.out:
        write(a.out, export_graph(graph, file_kind(a.out)))
    drawing = graph.drawing
    share = f"{drawing.edge_share:.0%} of the sum of |A|{drawing.without_caps}"
    nodes = f"{len(drawing.nodes)} of {drawing.total_nodes} nodes hold {drawing.node_share:.0%} of |relevance|"
    edges = f"{len(drawing.edges)} of {drawing.total_edges} edges hold {share}"
    return graph, [nodes, edges, graph.path_text, *(verdict.table().split("\n") if verdict else ())]


def _compare(a: argparse.Namespace) -> None:
    from explorer.figures.gaps import export_comparison
    from explorer.trace.compare import compare, comparison_json, comparison_table, parse_models

    models = parse_models(a.models, _model_spec(a))
    readings = compare(_failure(a), models, rule=a.rule, layer=a.layer, whole=a.whole, progress=progress_lines())
    if a.out:
        write(a.out, export_comparison(readings, file_kind(a.out)))
    if a.json:
        write_json(a.json, comparison_json(readings))
    else:
        say(*comparison_table(readings).split("\n"))
