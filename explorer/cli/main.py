"""The command line: every page's work without a browser. JSON goes to stdout, progress and errors to stderr."""

import argparse
import sys
from typing import NoReturn

from explorer.cli.cluster import add_cluster
from explorer.cli.compare import add_compare
from explorer.cli.graph import add_graph
from explorer.cli.index_commands import add_index_commands
from explorer.cli.new import add_new
from explorer.cli.output import print_progress, write_json
from explorer.cli.repair import add_repair
from explorer.cli.trace import add_trace
from explorer.errors import ExplorerError
from explorer.files import writing


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

    add_trace(commands)
    add_graph(commands)
    add_compare(commands)
    add_new(commands)
    add_index_commands(commands)
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


def _bench(arguments: argparse.Namespace) -> None:
    from bench.run import plot, run_bench, table

    results = run_bench(arguments.quick, print_progress)
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

        print(embedded_folder(print_progress))
        return 0
    from explorer.demo.build import demo_command

    return demo_command([arguments.what, *arguments.rest])
