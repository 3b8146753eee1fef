"""The command ``cluster``: emergent behaviors without a browser."""

import argparse
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.arguments import file_name
from explorer.cli.output import progress_lines, say, write, write_json
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from explorer.behaviors.cards import Card


def add_cluster(commands: Any) -> None:
    """Add ``cluster`` to the sub-commands."""
    cluster = commands.add_parser("cluster", help="what else training taught: groups of prompts with their datapoints")
    cluster.add_argument("study", type=Path, metavar="STUDY", help="the folder of a study")
    cluster.add_argument("--method", default="explorer", help="what makes two things alike; see the README")
    cluster.add_argument("--layer", type=int, metavar="N", help="1 to L; default: the index's own choice")
    cluster.add_argument("--stage", help="the checkpoint whose vectors are used; default the earliest that is built")
    count = "how many; default: as the silhouette says"
    cluster.add_argument("--clusters", dest="count", type=int, metavar="N", help=count)
    kinds = ["all", "behaviors", "discovery"]
    cluster.add_argument("--prompts", default="all", choices=kinds, help="known behaviors, unlabelled prompts, or both")
    cluster.add_argument("--reference", metavar="NAME", help="whose answers count as before; default: --stage")
    cluster.add_argument("--seed", type=int, default=0, metavar="N", help="of the nulls and the resampling")
    cluster.add_argument("--labels", action="store_true", help="hold the clusters against the datapoints' labels")
    cluster.add_argument("--json", metavar="FILE", type=file_name, help="write the clusters as JSON; - for stdout")
    cluster.add_argument("--html", metavar="FILE", type=file_name, help="write the cards as a page")
    cluster.add_argument("--csv", metavar="FILE", type=file_name, help="write which datapoint belongs to which cluster")
    cluster.set_defaults(run=_cluster)


def _cluster(options: argparse.Namespace) -> None:
    from explorer.behaviors.agreement import label_agreement, require_labels
    from explorer.behaviors.cards import MEANING, annotated, make_cards
    from explorer.behaviors.clusters import cluster
    from explorer.behaviors.notes import read_notes
    from explorer.behaviors.report import assignment_csv, summary, to_json
    from explorer.data.study import check_study
    from explorer.figures.cards_page import cards_html

    if options.count is not None and options.count < 1:
        raise ExplorerError(f"--clusters is {options.count}; expected at least 1.")
    study = check_study(options.study)
    table = study.datapoints()
    labels = require_labels(table, options.study) if options.labels else None
    notes = read_notes(study.folder)  # a damaged file is told before the work, not after
    names = ("method", "layer", "stage", "prompts", "count", "seed", "reference")
    clusters = cluster(study, **{name: getattr(options, name) for name in names}, progress=progress_lines())
    cut = clusters.cut()
    cards, note = annotated(make_cards(clusters, cut, table), notes), summary(clusters, cut)
    agreement = label_agreement(cut, labels) if labels else None
    if options.csv:
        write(options.csv, assignment_csv(cards, table))
    if options.html:
        write(options.html, cards_html(f"Behaviors of {study.name}", note, cards, clusters.matrix.prompts.models))
    if options.json:
        write_json(options.json, to_json(clusters, cut, cards, agreement), indent=1)
    if "-" not in (options.json, options.html, options.csv):
        say(note, MEANING, *chain.from_iterable(map(_lines, cards)))
        if agreement:
            rand = f"Adjusted Rand index over {agreement.flagged} labelled datapoints: {agreement.rand:.2f}"
            say("", rand, "", *agreement.table().split("\n"))


def _lines(card: "Card") -> list[str]:
    note = card.note
    given = " · ".join(part for part in (note.name, note.tag, " ".join(note.note.split())) if part)
    return [
        "",
        f"{card.cluster.id}. {card.verdict}",
        *([f"   {given}"] if given else []),
        f"   {card.sizes}",
        *(f"   {line}" for line in card.summary),
    ]
