"""The commands ``build``, ``rank`` and ``evaluate``: training-data attribution without a browser."""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.output import write_json
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    import pyarrow as pa

    from explorer.data.study import Study
    from explorer.ranking.rank import Ranking
    from explorer.vectors.build import Pace

EVERY = 5.0
"""Seconds between two lines of progress."""


def add_index_commands(commands: Any) -> None:
    """Add the three sub-commands to the command line's own."""
    build = commands.add_parser("build", help="compute and store the vectors of a study's training examples")
    build.add_argument("study", type=Path, metavar="STUDY")
    build.add_argument("--methods", default="", metavar="A,B", help="only what these methods need; default all")
    build.add_argument("--layers", default="auto", metavar="WHICH", help="auto, or e.g. 15,22,28")
    build.add_argument(
        "--stage", default="before", help="before (default) or after the training in question, or a checkpoint's name"
    )
    build.set_defaults(run=_build)

    rank = commands.add_parser("rank", help="which training examples taught a behavior")
    rank.add_argument("study", type=Path, metavar="STUDY")
    which = rank.add_mutually_exclusive_group(required=True)
    which.add_argument("--behavior", metavar="NAME", help="a behavior of the study")
    which.add_argument("--failure", metavar="ID", help="a failure of the study")
    _add_choice(rank)
    rank.add_argument("--top", type=int, default=20, metavar="K", help="how many datapoints to show")
    rank.add_argument("--tokens", action="store_true", help="also score the tokens of each")
    rank.add_argument("--json", metavar="FILE", help="write the figures as JSON; - for stdout")
    rank.set_defaults(run=_rank)

    evaluate = commands.add_parser(
        "evaluate", help="how well each method finds the datapoints that are labelled guilty"
    )
    evaluate.add_argument("study", type=Path, metavar="STUDY")
    evaluate.add_argument("--label", metavar="L", help="the guilty label; default: each behavior's name")
    evaluate.add_argument("--stage", help="only the vectors of this checkpoint")
    evaluate.add_argument("--every", action="store_true", help="every method plain and centred, with every query kind")
    evaluate.add_argument("--json", metavar="FILE", help="write the table as JSON; - for stdout")
    evaluate.set_defaults(run=_evaluate)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--method", help="how to rank, default explorer; see the README for all of them")
    parser.add_argument("--layer", type=int, metavar="N", help="1 to L; default: the index's own choice")
    parser.add_argument("--stage", help="the checkpoint whose vectors are used; default the earliest that is built")
    parser.add_argument("--query", choices=["bad", "contrast", "bank", "persona"], help="what is looked for")
    parser.add_argument("--trait", metavar="S", help="of the query persona: a system prompt that brings the trait out")
    parser.add_argument("--neutral", metavar="S", help="of the query persona: one that does not")
    parser.add_argument("--centre", action=argparse.BooleanOptionalAction, help="subtract the corpus mean first")


def _build(given: argparse.Namespace) -> None:
    from explorer.data.study import check_study
    from explorer.vectors.build import build_index
    from explorer.vectors.layers import parse_layers
    from explorer.vectors.methods import parts_of

    study = check_study(given.study)
    parts, layers = parts_of(_names(given.methods)), parse_layers(given.layers)
    index = build_index(study, given.stage, _teller(), parts=parts, layers=layers)
    notes = index.manifest.notes
    print(
        f"{index.manifest.n} datapoints ({notes['pairs']} pairs, {notes['unranked']} without an answer, never ranked) "
        f"in {index.manifest.checkpoint} at layers {', '.join(map(str, index.manifest.layers))}",
        file=sys.stderr,
    )
    print(index.folder)


def _teller() -> Callable[["Pace"], None]:
    """Says how far a build is: a line every few seconds, and one at the end."""
    told = -EVERY

    def tell(pace: "Pace") -> None:
        nonlocal told
        if pace.done < pace.rows and time.monotonic() < told + EVERY:
            return
        told = time.monotonic()
        minutes, seconds = divmod(round(pace.left), 60)
        line = f"{pace.done}/{pace.rows} datapoints, {pace.rate:.1f} a second, {minutes}:{seconds:02d} left"
        print(line, file=sys.stderr, flush=True)

    return tell


def _rank(given: argparse.Namespace) -> None:
    from explorer.data.study import check_study
    from explorer.ranking.rank import Choice, behavior_items, failure_items, pick_index, rank
    from explorer.vectors.methods import parts_of

    if given.top < 1:
        raise ExplorerError(f"--top is {given.top}; expected at least 1.")
    study = check_study(given.study)
    if given.failure:
        failures = study.failures()
        if given.failure not in failures:
            raise ExplorerError(
                f"{given.study}: no failure '{given.failure}'; expected {', '.join(failures) or 'none'}."
            )
        items = failure_items(failures[given.failure])
    else:
        items = behavior_items(study, given.behavior)
    method = _method(given)
    needs = given.tokens or parts_of([method])
    index = pick_index(study, method, given.layer, given.stage) if needs else None
    if given.query == "persona":
        ranking = _by_persona(study, index, items, given)
    else:
        ranking = rank(study, index, items, Choice(method, given.layer, given.centre, given.query))
    tokens = _tokens(study, index, items, ranking, given.top) if index and given.tokens else None
    found = {
        "behavior": given.behavior or given.failure,
        **asdict(ranking.choice),
        "stage": index.manifest.checkpoint if index and ranking.choice.layer else None,
        "datapoints": _shown(study.datapoints(), ranking, given.top, tokens),
    }
    if given.json:
        write_json(given.json, found, indent=1)
        return
    for row in found["datapoints"]:
        print(
            f"{row['score']:7.3f}  {row['id']}  [{row.get('label') or row.get('source') or ''}]  {row['text'][:120]!r}"
        )


def _method(given: argparse.Namespace) -> str:
    """The method asked for, or the default one; options that do not go together are refused."""
    if given.query != "persona":
        if given.trait is not None or given.neutral is not None:
            raise ExplorerError("--trait and --neutral go with --query persona.")
        return given.method or "explorer"
    if given.trait is None or given.method not in (None, "activation-difference"):
        raise ExplorerError("--query persona needs --trait, and goes with the method activation-difference alone.")
    return "activation-difference"


def _by_persona(study: "Study", index: Any, items: Any, given: argparse.Namespace) -> "Ranking":
    from explorer.model.load import load_model
    from explorer.ranking.persona import NEUTRAL, Persona, persona_items, rank_by_persona
    from explorer.ranking.rank import index_model

    persona = Persona(given.trait, NEUTRAL if given.neutral is None else given.neutral)
    say = lambda _, done=0, of=0: print(f"answers: {done}/{of}", file=sys.stderr, flush=True)  # noqa: E731
    answered = persona_items(load_model(index_model(study, index)), items, persona, say)
    return rank_by_persona(study, index, answered, given.layer, given.centre)


def _shown(table: "pa.Table", ranking: "Ranking", k: int, tokens: list[Any] | None) -> list[dict[str, Any]]:
    from explorer.ranking.rank import texts

    top = ranking.top(k)
    rows = table.take(top.tolist())
    shown = []
    for i, (row, text) in enumerate(zip(rows.to_pylist(), texts(rows), strict=True)):
        found = {"id": row["id"], "score": float(ranking.scores[top[i]])}
        found |= {name: row[name] for name in ("label", "source") if row.get(name)}
        found["text"] = text
        if tokens is not None:
            found["tokens"] = [{"text": t.text, "part": t.part, "score": t.score} for t in tokens[i]]
        shown.append(found)
    return shown


def _tokens(study: "Study", index: Any, items: Any, ranking: "Ranking", k: int) -> list[Any]:
    from explorer.model.load import load_model
    from explorer.ranking.rank import index_model
    from explorer.ranking.token_shares import behavior_direction, token_scores
    from explorer.vectors.build import row_items

    loaded = load_model(index_model(study, index))
    layer = ranking.choice.layer or index.manifest.default_layer
    rows = row_items(study.datapoints().take(ranking.top(k).tolist()).to_pylist(), study.template == "raw")
    return [own for own, _ in token_scores(loaded, rows, layer, behavior_direction(loaded, items, layer))]


def _evaluate(given: argparse.Namespace) -> None:
    from explorer.data.study import check_study
    from explorer.ranking.evaluate import evaluate
    from explorer.ranking.rank import study_indexes

    study = check_study(given.study)
    wanted = study.checkpoint(given.stage)[0] if given.stage else None
    indexes = [i for i in study_indexes(study) if wanted in (None, i.manifest.checkpoint)]
    if not indexes:
        raise ExplorerError(
            f"{given.study}: no vectors{f' of {wanted}' if wanted else ''}; run 'explorer build' first."
        )
    say = lambda done, of: print(f"{done}/{of}", file=sys.stderr, flush=True)  # noqa: E731
    table = evaluate(study, indexes, given.label, given.every, say)
    if given.json:
        write_json(given.json, {"rows": [score.as_dict() for score in table]}, indent=1)
        return
    for s in sorted(table, key=lambda s: (s.behavior, -s.average_precision)):
        low, high = s.interval
        how = f"{'centred' if s.centre else 'plain':7} {s.query:8}"
        where = f"{s.checkpoint:8} {s.layer or '':>3}"
        print(f"{s.behavior:20} {s.method:22} {where} {how} AP {s.average_precision:.3f} [{low:.3f}, {high:.3f}]")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
