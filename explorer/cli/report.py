"""The command ``report``: what is known of a failure, as a page or a PDF to send on."""

import argparse
from pathlib import Path
from typing import Any

from explorer.cli.arguments import file_name
from explorer.cli.output import MODEL, file_kind, progress_lines, write


def add_report(commands: Any) -> None:
    """Add the sub-command to the command line's own."""
    report = commands.add_parser("report", help="one failure from its words to its repair, as a page or a PDF")
    add = report.add_argument
    add("study", type=Path, metavar="STUDY", help="the folder of a study")
    add("--failure", metavar="ID", required=True, help="a failure of the study")
    add("--out", metavar="FILE", type=file_name, required=True, help="write the report: .html or .pdf")
    add("--model", metavar="M", help=f"{MODEL}; default the study's")
    add("--adapter", metavar="A", help="a PEFT adapter folder or hub id, @revision too")
    add("--title", default="", metavar="T", help="of the report; default the failure")
    add("--no-verdicts", action="store_true", help="don't judge map and graph, which takes a minute or more")
    add("--app", default="", metavar="URL", help="address of an app, for links to each part")
    report.set_defaults(run=_report)


def _report(given: argparse.Namespace) -> None:
    from explorer.figures.save import check_format
    from explorer.model.adapters import with_base
    from explorer.model.spec import ModelSpec
    from explorer.reports.blocks import FILES
    from explorer.reports.gather import report

    kind = file_kind(given.out)
    check_format(kind, FILES)  # before minutes of work
    spec = None
    if given.model or given.adapter:
        spec = with_base(ModelSpec(given.model or ModelSpec.source, given.adapter))
    told = {"title": given.title, "judge": not given.no_verdicts, "app": given.app, "progress": progress_lines()}
    write(given.out, report(given.study, given.failure, spec, **told).file(kind))
