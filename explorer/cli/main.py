"""The command line: every page's work without a browser. JSON goes to stdout, progress and errors to stderr."""

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

from explorer.cli.app import add_app
from explorer.cli.arguments import finite_number, path, text, whole_number
from explorer.cli.bench import add_bench
from explorer.cli.build import add_build
from explorer.cli.cluster import add_cluster
from explorer.cli.demo import add_demo
from explorer.cli.evaluate import add_evaluate
from explorer.cli.failure import add_compare, add_graph, add_trace
from explorer.cli.new import add_new
from explorer.cli.output import say
from explorer.cli.rank import add_rank
from explorer.cli.repair import add_repair
from explorer.cli.report import add_report
from explorer.cli.survey import add_survey
from explorer.errors import ExplorerError, one_line


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, or 2 with one line on stderr for input that can't be used."""
    arguments = parser().parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except ExplorerError as error:
        say(f"explorer: {error}", to_stderr=True)
        return 2
    except OSError as error:  # a folder that may not be entered, a disk that fails: whatever no reader has named
        sentence = f"{error.filename or 'A file'}: {error.strerror or error}."
        say(f"explorer: {one_line(sentence)}", to_stderr=True)
        return 2
    except KeyboardInterrupt:
        say("explorer: stopped", to_stderr=True)
        return 130


class _Parser(argparse.ArgumentParser):
    """Wrong arguments are one line on stderr and exit code 2; every value is checked by its type."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        for kind, check in ((None, text), (int, whole_number), (float, finite_number), (Path, path)):
            self.register("type", kind, check)

    def error(self, message: str) -> NoReturn:
        say(f"explorer: {one_line(message)} (see '{self.prog} --help')", to_stderr=True)
        sys.exit(2)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = _Parser(prog="python -m explorer", description="Find out why a language model went wrong.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    trace = (add_app, add_trace, add_graph, add_compare, add_survey)
    study = (add_new, add_build, add_rank, add_evaluate, add_cluster, add_repair, add_report)
    for add in (*trace, *study, add_bench, add_demo):
        add(commands)
    return top
