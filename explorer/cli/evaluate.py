"""The command ``evaluate``: how well each method finds the datapoints that are labelled guilty."""

import argparse
from pathlib import Path
from typing import Any

from explorer.cli.arguments import file_name
from explorer.cli.output import progress_lines, say, write_json


def add_evaluate(commands: Any) -> None:
    """Add the sub-command to the command line's own."""
    about = "how well each method finds the datapoints that are labelled guilty"
    evaluate = commands.add_parser("evaluate", help=about)
    evaluate.add_argument("study", type=Path, metavar="STUDY", help="the folder of a study")
    evaluate.add_argument("--label", metavar="L", help="the guilty label; default: each behavior's name")
    evaluate.add_argument("--stage", help="only the vectors of this checkpoint")
    evaluate.add_argument("--every", action="store_true", help="each method with all that pairs with it")
    evaluate.add_argument("--json", metavar="FILE", type=file_name, help="write the table as JSON; - for stdout")
    evaluate.set_defaults(run=_evaluate)


def _evaluate(given: argparse.Namespace) -> None:
    from explorer.data.study import check_study
    from explorer.ranking.evaluate import evaluate

    study = check_study(given.study)
    table = evaluate(study, given.label, stage=given.stage, every=given.every, progress=progress_lines())
    if given.json:
        write_json(given.json, {"rows": [score.to_json() for score in table]}, indent=1)
        return
    for s in sorted(table, key=lambda s: (s.behavior, -s.average_precision)):
        low, high = s.interval
        how = f"{'centred' if s.centre else 'plain':7} {s.query:8} {s.measure:6}"
        where = f"{s.checkpoint:8} {s.layer or '':>3}"
        say(f"{s.behavior:20} {s.method:22} {where} {how} AP {s.average_precision:.3f} [{low:.3f}, {high:.3f}]")
