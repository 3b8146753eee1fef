"""The command ``rank``: which training examples taught a behavior or a failure."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.arguments import file_name
from explorer.cli.output import progress_lines, say, write_json
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from explorer.data.study import Study
    from explorer.ranking.questions import Question
    from explorer.ranking.rank import Ranking
    from explorer.ranking.token_evidence import TokenEvidence


def add_rank(commands: Any) -> None:
    """Add the sub-command to the command line's own."""
    rank = commands.add_parser("rank", help="which training examples taught a behavior")
    rank.add_argument("study", type=Path, metavar="STUDY", help="the folder of a study")
    which = rank.add_mutually_exclusive_group(required=True)
    which.add_argument("--behavior", metavar="NAME", help="a behavior of the study")
    which.add_argument("--failure", metavar="ID", help="a failure of the study")
    rank.add_argument("--method", help="how to rank, default explorer; see the README for all of them")
    rank.add_argument("--layer", type=int, metavar="N", help="1 to L; default: the index's own choice")
    rank.add_argument("--stage", help="the checkpoint whose vectors are used; default the earliest that is built")
    which.add_argument("--like", metavar="ID", help="a datapoint: which others are like it")
    queries = ["bad", "contrast", "bank", "persona", "control"]
    rank.add_argument("--query", choices=queries, help="what is looked for; default the method's")
    rank.add_argument("--trait", metavar="S", help="of the query persona: a system prompt that brings the trait out")
    rank.add_argument("--neutral", metavar="S", help="of the query persona: one that does not")
    rank.add_argument("--asks", metavar="S", help="of the query control: a system prompt that asks for the behavior")
    rank.add_argument("--forbids", metavar="S", help="of the query control: one that forbids it")
    rank.add_argument("--node", metavar="L:T", help="of a failure: its graph node at layer L, token T")
    rank.add_argument("--half", choices=["state", "gradient"], help="of a node: what is compared, default its state")
    rank.add_argument("--measure", choices=["cosine", "dot"], help="cosine (default) or dot product")
    rank.add_argument("--centre", action=argparse.BooleanOptionalAction, help="subtract the corpus mean first")
    rank.add_argument("--top", type=int, default=20, metavar="K", help="how many datapoints to show")
    kinds = "also score the tokens of each: exact shares of the score (default), or RepT's token scores"
    rank.add_argument("--tokens", nargs="?", const="auto", choices=["auto", "shares", "rept"], help=kinds)
    rank.add_argument("--json", metavar="FILE", type=file_name, help="write the figures as JSON; - for stdout")
    rank.set_defaults(run=_rank)


def _rank(given: argparse.Namespace) -> None:
    from explorer.data.study import check_study
    from explorer.ranking.null import no_null, null_scores, significance
    from explorer.ranking.rank import rank

    if given.top < 1:
        raise ExplorerError(f"--top is {given.top}; expected at least 1.")
    study, progress = check_study(given.study), progress_lines()
    ranking = rank(
        study,
        _question(study, given),
        method=given.method,
        layer=given.layer,
        stage=given.stage,
        centre=given.centre,
        query=None if given.query in ("persona", "control") else given.query,
        measure=given.measure,
        progress=progress,
    )
    evidence, datapoints = _top(study, ranking, given)
    null = None if no_null(ranking) else null_scores(study, ranking, progress)
    verdict = significance(study, ranking, null)
    if given.json:
        named = given.behavior or given.failure or given.like
        about = {"behavior": named, **asdict(ranking.choice), "stage": ranking.stage or None}
        compared = {"null": null.to_json() if null else None, "verdict": verdict.to_json()}
        write_json(given.json, {**about, **compared, "datapoints": datapoints}, indent=1)
        return
    say(f"{verdict.sentence}: {verdict.details}")
    for row, scored in zip(datapoints, evidence, strict=True):
        about = row.get("label") or row.get("source") or ""
        say(f"{row['score']:7.3f}  {row['id']}  [{about}]  {row['text'][:120]!r}")
        if scored:
            say(f"         by tokens: {', '.join(f'{t.text!r} {t.score:+.3g}' for t in scored.strongest()) or 'none'}")


def _question(study: "Study", given: argparse.Namespace) -> "Question":
    from explorer.ranking.directions import about_systems
    from explorer.ranking.questions import AboutBehavior, AboutFailure, AboutNode, AboutPersona, LikeDatapoint

    systems = {name: getattr(given, name) for name in ("trait", "neutral", "asks", "forbids")}
    behavior = study.behavior(given.behavior) if given.behavior else []
    persona = about_systems(given.query, behavior, **systems)
    if (given.node or given.half) and not (given.failure and given.node):
        raise ExplorerError("--node goes with --failure, and --half with --node.")
    if given.like:
        if persona:
            raise ExplorerError(f"--query {given.query} goes with --behavior or --failure.")
        return LikeDatapoint(given.like)
    if not given.failure:
        question = AboutBehavior(given.behavior)
        return AboutPersona(question, persona) if persona else question
    failures = study.failures()
    if given.failure not in failures:
        names = ", ".join(failures) or "none"
        raise ExplorerError(f"{given.study}: no failure '{given.failure}'; expected {names}.")
    failure = failures[given.failure]
    if given.node:
        layer, token = _node(given.node)
        return AboutNode(failure, layer, token, given.half or "state")
    return AboutPersona(AboutFailure(failure), persona) if persona else AboutFailure(failure)


def _node(text: str) -> tuple[int, int]:
    layer, _, token = text.partition(":")
    if not (layer.isdecimal() and token.isdecimal()):
        raise ExplorerError(f"--node is '{text}'; expected a layer and a token, e.g. 15:40.")
    return int(layer), int(token)


def _top(
    study: "Study", ranking: "Ranking", given: argparse.Namespace
) -> "tuple[list[TokenEvidence | None], list[dict[str, Any]]]":
    """Return the best datapoints: the evidence of their tokens where that is asked for, and as JSON values."""
    from explorer.ranking.table import texts
    from explorer.ranking.token_scores import token_scores

    rows, kind = ranking.top(given.top).tolist(), None if given.tokens == "auto" else given.tokens
    evidence = token_scores(study, ranking, rows, kind=kind, stage=given.stage) if given.tokens else {}
    table = study.datapoints().take(rows)
    datapoints = []
    for number, row, text in zip(rows, table.to_pylist(), texts(table), strict=True):
        datapoint = {"id": row["id"], "score": float(ranking.scores[number])}
        datapoint |= {name: row[name] for name in ("label", "source") if row.get(name)} | {"text": text}
        if number in evidence:
            datapoint |= evidence[number].to_json()
        datapoints.append(datapoint)
    return [evidence.get(number) for number in rows], datapoints
