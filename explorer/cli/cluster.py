"""The command ``cluster``: emergent behaviors without a browser."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.output import write, write_json
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from explorer.behaviors.cards import Card
    from explorer.behaviors.pipeline import Found


def add_cluster(commands: Any) -> None:
    """Add the sub-command to the command line's own."""
    cluster = commands.add_parser("cluster", help="what else training taught: groups of prompts with their datapoints")
    cluster.add_argument("study", type=Path, metavar="STUDY")
    cluster.add_argument("--method", default="explorer", help="what makes two things alike; see the README")
    cluster.add_argument("--layer", type=int, metavar="N", help="1 to L; default: the index's own choice")
    cluster.add_argument("--stage", help="the checkpoint whose vectors are used; default the earliest that is built")
    cluster.add_argument("--clusters", type=int, metavar="N", help="how many; default: as the silhouette says")
    which = ["all", "behaviors", "discovery"]
    cluster.add_argument("--prompts", default="all", choices=which, help="known behaviors, unlabelled prompts, or both")
    cluster.add_argument("--reference", metavar="NAME", help="whose answers count as before; default: --stage")
    cluster.add_argument("--seed", type=int, default=0, metavar="N", help="of the nulls and the resampling")
    cluster.add_argument("--labels", action="store_true", help="hold the clusters against the datapoints' labels")
    cluster.add_argument("--json", metavar="FILE", help="write the clusters as JSON; - for stdout")
    cluster.add_argument("--html", metavar="FILE", help="write the cards as a page")
    cluster.add_argument("--csv", metavar="FILE", help="write which datapoint belongs to which cluster")
    cluster.set_defaults(run=_cluster)


def _cluster(given: argparse.Namespace) -> None:
    from explorer.behaviors.agreement import label_agreement, require_labels
    from explorer.behaviors.cards import MEANING, assignment_csv, cards
    from explorer.behaviors.pipeline import discover
    from explorer.data.study import check_study
    from explorer.figures.cards_page import cards_html
    from explorer.ranking.rank import Choice
    from explorer.vectors.find import pick_index

    if given.clusters is not None and given.clusters < 1:
        raise ExplorerError(f"--clusters is {given.clusters}; expected at least 1.")
    study = check_study(given.study)
    table = study.datapoints()
    labels = require_labels(table, given.study) if given.labels else None
    index = pick_index(study, given.method, given.layer, given.stage)
    choice = Choice(given.method, given.layer)
    found = discover(study, index, choice, given.prompts, given.clusters, given.seed, given.reference, _tell)
    clusters = found.clustering.cut(given.clusters)
    agreed = label_agreement(clusters, labels) if labels else None
    made = cards(found.clustering, clusters, table)
    note = found.note(clusters)
    if given.csv:
        write(given.csv, assignment_csv(clusters, table))
    if given.html:
        write(given.html, cards_html(f"Behaviors of {study.name}", note, made, found.subjects.models))
    if given.json:
        whole = as_dict(found, made, note) | ({"agreement": agreed.as_dict()} if agreed else {})
        write_json(given.json, whole, indent=1)
    if "-" not in (given.json, given.html, given.csv):
        print(f"{note}\n{MEANING}")
        for card in made:
            print(_line(card))
        if agreed:
            print(f"\nAdjusted Rand index over {agreed.flagged} labelled datapoints: {agreed.rand:.2f}\n")
            print(agreed.table())


def as_dict(found: "Found", made: "list[Card]", note: str) -> dict[str, Any]:
    """The command's JSON."""
    subjects, clustering = found.subjects, found.clustering
    after, before = subjects.models or (None, None)
    return {
        "clusters": [card.as_dict() for card in made],
        "method": found.choice.method,
        "layer": found.choice.layer,
        "stage": found.checkpoint,
        "answers": {"now": after, "before": before},
        "unchanged": list(subjects.unchanged),
        "silhouettes": clustering.silhouettes,
        "unassigned": int(clustering.matrix.ranked.sum()) - sum(len(card.ids) for card in made),
        "reduction": found.reduction or None,
        "note": note,
    }


def _line(card: "Card") -> str:
    c = card.cluster
    first = card.subjects[0]
    return (
        f"\n{c.id}. {card.verdict}\n   {len(card.subjects)} prompts, {len(c.datapoints)} datapoints; "
        f"words: {', '.join(card.words[:8])}\n   {first.prompt[:70]!r} → {first.answer[:60]!r}"
    )


def _tell(what: str, done: int, of: int) -> None:
    if done == of or done % max(1, of // 20) == 0:
        print(f"{what}: {done}/{of}", file=sys.stderr, flush=True)
