"""The command ``rank``: which training examples taught a behavior or a failure."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.output import progress_lines, write_json
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from explorer.data.study import Study
    from explorer.ranking.questions import Question
    from explorer.ranking.rank import Ranking


def add_rank(commands: Any) -> None:
    """Add the sub-command to the command line's own."""
    rank = commands.add_parser("rank", help="which training examples taught a behavior")
    rank.add_argument("study", type=Path, metavar="STUDY")
    which = rank.add_mutually_exclusive_group(required=True)
    which.add_argument("--behavior", metavar="NAME", help="a behavior of the study")
    which.add_argument("--failure", metavar="ID", help="a failure of the study")
    rank.add_argument("--method", help="how to rank, default explorer; see the README for all of them")
    rank.add_argument("--layer", type=int, metavar="N", help="1 to L; default: the index's own choice")
    rank.add_argument("--stage", help="the checkpoint whose vectors are used; default the earliest that is built")
    rank.add_argument("--query", choices=["bad", "contrast", "bank", "persona"], help="what is looked for")
    rank.add_argument("--trait", metavar="S", help="of the query persona: a system prompt that brings the trait out")
    rank.add_argument("--neutral", metavar="S", help="of the query persona: one that does not")
    rank.add_argument("--centre", action=argparse.BooleanOptionalAction, help="subtract the corpus mean first")
    rank.add_argument("--top", type=int, default=20, metavar="K", help="how many datapoints to show")
    rank.add_argument("--tokens", action="store_true", help="also score the tokens of each")
    rank.add_argument("--json", metavar="FILE", help="write the figures as JSON; - for stdout")
    rank.set_defaults(run=_rank)


def _rank(given: argparse.Namespace) -> None:
    from explorer.data.study import check_study
    from explorer.ranking.rank import rank

    if given.top < 1:
        raise ExplorerError(f"--top is {given.top}; expected at least 1.")
    study = check_study(given.study)
    query = None if given.query == "persona" else given.query
    ranking = rank(
        study,
        _question(study, given),
        method=given.method,
        layer=given.layer,
        stage=given.stage,
        centre=given.centre,
        query=query,
        progress=progress_lines(),
    )
    datapoints = _top(study, ranking, given)
    if given.json:
        about = {"behavior": given.behavior or given.failure, **asdict(ranking.choice), "stage": ranking.stage or None}
        write_json(given.json, {**about, "datapoints": datapoints}, indent=1)
        return
    for row in datapoints:
        about = row.get("label") or row.get("source") or ""
        print(f"{row['score']:7.3f}  {row['id']}  [{about}]  {row['text'][:120]!r}")


def _question(study: "Study", given: argparse.Namespace) -> "Question":
    from explorer.ranking.persona import NEUTRAL, Persona
    from explorer.ranking.questions import AboutBehavior, AboutFailure, AboutPersona

    if given.failure:
        failures = study.failures()
        if given.failure not in failures:
            names = ", ".join(failures) or "none"
            raise ExplorerError(f"{given.study}: no failure '{given.failure}'; expected {names}.")
        question = AboutFailure(failures[given.failure])
    else:
        question = AboutBehavior(given.behavior)
    if given.query == "persona":
        if given.trait is None:
            raise ExplorerError("--query persona needs --trait.")
        return AboutPersona(question, Persona(given.trait, NEUTRAL if given.neutral is None else given.neutral))
    if given.trait is not None or given.neutral is not None:
        raise ExplorerError("--trait and --neutral go with --query persona.")
    return question


def _top(study: "Study", ranking: "Ranking", given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the best datapoints as JSON values, with their tokens where these are asked for."""
    from explorer.ranking.table import texts
    from explorer.ranking.token_shares import token_scores

    rows = ranking.top(given.top).tolist()
    evidence = token_scores(study, ranking, rows, stage=given.stage) if given.tokens else {}
    table = study.datapoints().take(rows)
    datapoints = []
    for number, row, text in zip(rows, table.to_pylist(), texts(table), strict=True):
        datapoint = {"id": row["id"], "score": float(ranking.scores[number])}
        datapoint |= {name: row[name] for name in ("label", "source") if row.get(name)} | {"text": text}
        if number in evidence:
            datapoint["tokens"] = [asdict(token) for token in evidence[number].tokens]
        datapoints.append(datapoint)
    return datapoints
