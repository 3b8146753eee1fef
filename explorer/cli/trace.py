"""The command ``trace``: which prompt tokens pushed the model to the wrong answer."""

import argparse
from typing import Any

from explorer.cli.arguments import add_failure, add_heatmap, failure, file_kind, model_spec
from explorer.cli.output import write, write_json
from explorer.cli.progress import progress_lines


def add_trace(commands: Any) -> None:
    """Add ``trace`` to the sub-commands of the command line."""
    trace = commands.add_parser("trace", help="which prompt tokens pushed the model to the wrong answer")
    add_failure(trace)
    add_heatmap(trace)
    trace.add_argument("--out", metavar="FILE", help="also write the heatmap: .png, .svg, .pdf, .html or .json")
    trace.add_argument("--json", metavar="FILE", help="write the figures as JSON; - for stdout")
    trace.set_defaults(run=_trace)


def _trace(arguments: argparse.Namespace) -> None:
    from explorer.figures.heatmap import export_heatmap
    from explorer.model.load import load_model
    from explorer.trace.explain import explain

    a = arguments
    loaded = load_model(model_spec(a), progress_lines())
    explanation = explain(failure(a), loaded, rule=a.rule, layer=a.layer, whole=a.whole)
    if a.out:
        write(a.out, export_heatmap(explanation, file_kind(a.out)))
    if a.json:
        write_json(a.json, explanation.to_json())
    else:
        print(explanation.table())
