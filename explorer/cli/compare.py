"""The command ``compare``: one failure read by several models or checkpoints."""

import argparse
from typing import Any

from explorer.cli.arguments import add_failure, add_heatmap, failure, file_kind, model_spec
from explorer.cli.output import write, write_json
from explorer.cli.progress import progress_lines

_MODELS = "each a model, MODEL+ADAPTER, or the folder of an adapter, which stands for --model with it"


def add_compare(commands: Any) -> None:
    """Add ``compare`` to the sub-commands of the command line."""
    compare = commands.add_parser("compare", help="one failure in the eyes of several models or checkpoints")
    add_failure(compare)
    add_heatmap(compare)
    compare.add_argument("--models", required=True, metavar="A,B,…", help=_MODELS)
    compare.add_argument("--out", metavar="FILE", help="draw the gaps: .png, .svg, .pdf or .html")
    compare.add_argument("--json", metavar="FILE", help="write the figures as JSON; - for stdout")
    compare.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> None:
    from explorer.figures.gaps import export_gaps
    from explorer.trace.compare import compare, comparison_table, parse_models

    a = arguments
    models = parse_models(a.models, model_spec(a))
    readings = compare(failure(a), models, rule=a.rule, layer=a.layer, whole=a.whole, progress=progress_lines())
    if a.out:
        write(a.out, export_gaps(readings, file_kind(a.out)))
    if a.json:
        write_json(a.json, {"models": [reading.to_json() for reading in readings]})
    else:
        print(comparison_table(readings))
