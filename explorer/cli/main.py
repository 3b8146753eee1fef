"""The command line: every page's work without a browser. JSON goes to stdout, progress and errors to stderr."""

import argparse
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from explorer.cli.app import add_app
from explorer.cli.build import add_build
from explorer.cli.cluster import add_cluster
from explorer.cli.evaluate import add_evaluate
from explorer.cli.new import add_new
from explorer.cli.output import write, write_json
from explorer.cli.rank import add_rank
from explorer.cli.repair import add_repair
from explorer.errors import ExplorerError
from explorer.files import writing

if TYPE_CHECKING:
    from explorer.model.load import ModelSpec


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, or 2 with one line on stderr for input that can't be used."""
    arguments = parser().parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except ExplorerError as error:
        print(f"explorer: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("explorer: stopped", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    """Wrong arguments are one line on stderr and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"explorer: {message} (see '{self.prog} --help')\n")


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = _Parser(prog="python -m explorer", description="Find out why a language model went wrong.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    add_app(commands)
    trace = commands.add_parser("trace", help="which prompt tokens pushed the model to the wrong answer")
    _add_selection(trace)
    trace.add_argument("--layer", type=int, metavar="N", help="0 (embeddings, default) to L (last block)")
    trace.add_argument("--whole", action="store_true", help="the whole answers instead of the first differing token")
    trace.add_argument("--out", metavar="FILE", help="also write the heatmap: .png, .svg, .pdf, .html or .json")
    trace.add_argument("--json", metavar="FILE", help="write the figures as JSON; - for stdout")
    trace.set_defaults(run=_trace)

    graph = commands.add_parser("graph", help="on which way through the layers they did")
    _add_selection(graph)
    graph.add_argument("--layers", default="all", metavar="WHICH", help="all, six (embedding + six), or e.g. 0,5,30")
    graph.add_argument("--mass", type=float, default=0.85, help="share of |A| to keep of each layer pair, 0..1")
    graph.add_argument(
        "--node-threshold", type=float, default=0.0, metavar="X", help="drop nodes with |R| below X logits"
    )
    graph.add_argument(
        "--edge-threshold", type=float, default=0.0, metavar="X", help="drop edges with |A| below X logits"
    )
    graph.add_argument("--max-nodes", type=int, default=160, metavar="N", help="draw at most N nodes")
    graph.add_argument("--max-edges", type=int, default=260, metavar="N", help="draw at most N edges")
    graph.add_argument("--matrices", metavar="FILE", help="write all dense edges as safetensors: layer.0 … layer.L-1")
    graph.add_argument("--out", metavar="FILE", help="write the drawing: .json (graph.json), .html, .svg, .png or .pdf")
    graph.add_argument("--json", metavar="FILE", help="write graph.json; - for stdout")
    graph.set_defaults(run=_graph)

    compare = commands.add_parser("compare", help="one failure in the eyes of several models or checkpoints")
    _add_selection(compare)
    compare.add_argument(
        "--models", required=True, metavar="A,B,…",
        help="each a model, MODEL+ADAPTER, or the folder of an adapter, which stands for --model with it",
    )  # fmt: skip
    compare.add_argument("--layer", type=int, metavar="N", help="0 (embeddings, default) to L (last block)")
    compare.add_argument("--whole", action="store_true", help="the whole answers instead of the first differing token")
    compare.add_argument("--out", metavar="FILE", help="draw the gaps: .png, .svg, .pdf or .html")
    compare.add_argument("--json", metavar="FILE", help="write the figures as JSON; - for stdout")
    compare.set_defaults(run=_compare)

    add_new(commands)
    add_build(commands)
    add_rank(commands)
    add_evaluate(commands)
    add_cluster(commands)
    add_repair(commands)

    bench = commands.add_parser("bench", help="measure speed and memory as ratios, on the embedded model")
    bench.add_argument("--quick", action="store_true", help="short prompts and few rounds")
    bench.add_argument("--json", metavar="FILE", help="write the figures as JSON; - for stdout")
    bench.add_argument("--plot", metavar="FILE", help="also draw how the cost of edges grows, as .svg or .png")
    bench.set_defaults(run=_bench)

    demo = commands.add_parser("demo", help="the embedded model, and the demo study made from it")
    what = (
        "path: fetch the embedded model, print its folder; build: lay the demo study out; train, measure: make it again"
    )
    demo.add_argument("what", choices=["path", "build", "train", "measure"], help=what)
    demo.add_argument("rest", nargs=argparse.REMAINDER, help="options of build, train or measure (see their --help)")
    demo.set_defaults(run=_demo)
    return top


def _add_selection(command: argparse.ArgumentParser) -> None:
    """What is explained: prompt, answers, model and rule; the same for every command that explains a failure."""
    command.add_argument("--prompt", required=True, metavar="P", help="what the user asks")
    command.add_argument("--system", metavar="S", help="a system prompt")
    command.add_argument("--raw", action="store_true", help="give the prompt as it is, without the chat template")
    command.add_argument("--evidence", metavar="E", help="the words of the prompt that should have decided")
    command.add_argument("--wrong", required=True, metavar="W", help="the wrong answer")
    command.add_argument("--right", required=True, metavar="R", help="the right answer")
    command.add_argument("--model", default="smollm2", metavar="M", help="smollm2, a hub id, a folder or a .gguf file")
    command.add_argument("--adapter", metavar="A", help="a PEFT adapter folder or hub id")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    command.add_argument("--dtype", default="auto", help="auto, float32, bfloat16 or float16")
    rules = ["attnlrp", "cplrp", "gradient", "representation-gradient"]
    command.add_argument("--rule", default="attnlrp", choices=rules, help="how relevance is passed back")


def _progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _spec(arguments: argparse.Namespace) -> "ModelSpec":
    from explorer.model.load import ModelSpec

    return ModelSpec(arguments.model, arguments.adapter, arguments.device, arguments.dtype)


def _load(arguments: argparse.Namespace) -> Any:
    from explorer.model.load import load_model

    return load_model(_spec(arguments), _progress)


def _trace(arguments: argparse.Namespace) -> None:
    from explorer.figures.heatmap import export_heatmap
    from explorer.trace.explain import explain

    a = arguments
    shown = explain(
        a.prompt, a.wrong, a.right, system=a.system, raw=a.raw, evidence=a.evidence, model=_load(a), rule=a.rule,
        layer=a.layer, whole=a.whole,
    )  # fmt: skip
    if a.out:
        write(a.out, export_heatmap(shown, a.out.rpartition(".")[2].lower()))
    if a.json:
        write_json(a.json, shown.to_json())
    else:
        print(shown.table())


def _graph(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from explorer.figures.graph_export import export_graph
    from explorer.graph.build import explain_graph, write_matrices
    from explorer.graph.graph_json import Marks
    from explorer.graph.prune import Pruning
    from explorer.model.prompts import Prompt

    a = arguments
    pruning = Pruning(a.mass, a.node_threshold, a.edge_threshold, max_nodes=a.max_nodes, max_edges=a.max_edges)
    loaded, prompt = _load(a), Prompt(a.prompt, a.system, a.raw, a.evidence)
    found = explain_graph(loaded, prompt, a.wrong, a.right, a.rule, a.layers, pruning, _progress)
    if a.matrices:
        write_matrices(loaded, found.shown.trace, Path(a.matrices))
    for path, kind in ((a.out, (a.out or "").rpartition(".")[2].lower()), (a.json, "json")):
        if path:
            write(path, export_graph(found.shown, found.drawing, found.columns, Marks(), kind))
    if not a.json:
        d = found.drawing
        print(f"{len(d.nodes)} of {d.total_nodes} nodes hold {d.node_share:.0%} of |relevance|")
        print(f"{len(d.edges)} of {d.total_edges} edges hold {d.edge_share:.0%} of the sum of |A|")


def _compare(arguments: argparse.Namespace) -> None:
    from explorer.figures.gaps import gaps_file
    from explorer.model.prompts import Prompt
    from explorer.trace.compare import compare, named_models, table

    a = arguments
    prompt = Prompt(a.prompt, a.system, a.raw, a.evidence)
    found = compare(named_models(a.models, _spec(a)), prompt, a.wrong, a.right, a.rule, a.layer, a.whole, _progress)
    if a.out:
        write(a.out, gaps_file([(one.spec.title, one) for one in found], a.out.rpartition(".")[2].lower()))
    if a.json:
        write_json(a.json, {"models": [one.to_json() for one in found]})
    else:
        print(table(found))


def _bench(arguments: argparse.Namespace) -> None:
    from bench.run import plot, run_bench, table

    results = run_bench(arguments.quick, _progress)
    if arguments.plot:
        with writing(arguments.plot):
            plot(results, arguments.plot)
    if arguments.json:
        write_json(arguments.json, results)
    else:
        print(table(results))


def _demo(arguments: argparse.Namespace) -> int:
    if arguments.what == "path":
        from explorer.model.embedded import embedded_folder

        print(embedded_folder(_progress))
        return 0
    from explorer.demo.build import demo_command

    return demo_command([arguments.what, *arguments.rest])
