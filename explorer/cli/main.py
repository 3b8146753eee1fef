"""The command line: every page's work without a browser. JSON goes to stdout, progress and errors to stderr."""

import argparse
import sys
from typing import NoReturn

from explorer.cli.app import add_app
from explorer.cli.bench import add_bench
from explorer.cli.build import add_build
from explorer.cli.cluster import add_cluster
from explorer.cli.compare import add_compare
from explorer.cli.demo import add_demo
from explorer.cli.evaluate import add_evaluate
from explorer.cli.graph import add_graph
from explorer.cli.new import add_new
from explorer.cli.rank import add_rank
from explorer.cli.repair import add_repair
from explorer.cli.trace import add_trace
from explorer.errors import ExplorerError


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
    add_trace(commands)
    add_graph(commands)
    add_compare(commands)
    add_new(commands)
    add_build(commands)
    add_rank(commands)
    add_evaluate(commands)
    add_cluster(commands)
    add_repair(commands)
    add_bench(commands)
    add_demo(commands)
    return top
