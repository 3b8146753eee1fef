"""The command ``bench``: speed and memory as ratios."""

import argparse
from importlib import import_module
from typing import Any

from explorer.cli.arguments import file_name
from explorer.cli.output import file_kind, progress_lines, say, write, write_json
from explorer.errors import ExplorerError


def add_bench(commands: Any) -> None:
    """Add ``bench`` to the sub-commands of the command line."""
    bench = commands.add_parser("bench", help="measure speed and memory as ratios, on the embedded model")
    bench.add_argument("--quick", action="store_true", help="short prompts and few rounds")
    bench.add_argument("--json", metavar="FILE", type=file_name, help="write the figures as JSON; - for stdout")
    about = "also draw how the cost of edges grows, as .svg or .png"
    bench.add_argument("--plot", metavar="FILE", type=file_name, help=about)
    bench.set_defaults(run=_bench)


def _bench(arguments: argparse.Namespace) -> None:
    try:
        bench = import_module("bench.run")  # part of a checkout, not of the package
    except ModuleNotFoundError as error:
        raise ExplorerError("The measurements are not installed; expected a checkout, run in its folder.") from error
    results = bench.run_bench(arguments.quick, progress_lines())
    if arguments.plot:
        write(arguments.plot, bench.plot(results, file_kind(arguments.plot)))
    if arguments.json:
        write_json(arguments.json, results)
    else:
        say(*bench.table(results).split("\n"))
