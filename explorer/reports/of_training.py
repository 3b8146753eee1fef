"""Sections about what training taught: the guiltiest examples, a cluster's card, a repair's verdict."""

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path

import numpy as np

from explorer.behaviors.cards import MEANING, Card
from explorer.behaviors.clusters import Clusters
from explorer.behaviors.report import summary
from explorer.data.study import Study
from explorer.figures.clusters import ClusterLegend
from explorer.figures.repair import repair_figure
from explorer.ranking.metrics import Enrichment
from explorer.ranking.null import Null, Verdict, source_significance
from explorer.ranking.questions import AboutBehavior, AboutFailure, AboutNode, AboutPersona, LikeDatapoint, Question
from explorer.ranking.rank import Ranking
from explorer.ranking.shown import END, colour_scale, percentile, score_text
from explorer.ranking.table import column
from explorer.ranking.token_evidence import KINDS, TokenEvidence, TokenScore
from explorer.repair.plan import Plan, arm_label
from explorer.repair.results import INTERVALS, NOT_YET, Result, percent, pooled, seed_rates
from explorer.reports.blocks import Block, Facts, Grid, Ink, Picture, Section, Words, facts, plain
from explorer.reports.commands import cluster_command, rank_commands, repair_commands
from explorer.safe_text import shortened

GUILTIEST = 5
"""Rows of a ranking that a report shows."""
_CUT = 700
"""Characters of one line of a training example."""
_PROMPTS, _STRONGEST, _SOURCES = 6, 5, 5
_AMONG = 50
"""Best rows whose sources are counted, as on the page."""


def shown_rows(ranking: Ranking, listed: np.ndarray | None = None, opened: int | None = None) -> list[int]:
    """The row numbers that a report shows: the best of those listed (by default of all), and the opened one."""
    best = (ranking.order if listed is None else listed)[:GUILTIEST].tolist()
    return best if opened is None or opened in best else [*best, opened]


def data_section(
    study: Study,
    ranking: Ranking,
    verdict: Verdict,
    null: Null | None,
    evidence: Mapping[int, TokenEvidence],
    rows: Sequence[int],
    filters: str = "",
    link: str = "",
) -> Section:
    """Return what the Training data page shows: the verdict on the ranking, its best rows, their sources.

    Args:
        verdict, null: see ``significance``.
        evidence: the words' scores of the rows; a row without is shown in one ink.
        rows: numbers of the rows to show, see ``shown_rows``.
        filters: which rows were listed; empty for all.
        link: address of the page.
    """
    table = study.datapoints()
    scale = colour_scale(evidence, null)
    kind = next((one.kind for one in evidence.values()), "")
    drawn = [_row(table.slice(row, 1).to_pylist()[0], ranking, row, evidence.get(row), scale) for row in rows]
    about = f"Red words pull towards the behavior, blue ones away from it. {KINDS[kind]}" if kind else ""
    sources = column(table, "source")
    blocks: list[Block] = [
        plain(f"{verdict.sentence}.", "lead"),
        plain(verdict.details, "verdict"),
        facts(("Ranked by", _how(ranking)), ("Rows", f"{len(ranking.order):,}"), ("Listed", filters)),
        plain("The guiltiest training examples" if rows else "No training example fits.", "head"),
        *drawn,
        *([plain(about, "note")] if about else []),
        *(
            _sources(source_significance(ranking, null, sources, min(_AMONG, len(ranking.order))))
            if any(sources)
            else []
        ),
        rank_commands(ranking, study, GUILTIEST),
    ]
    case = _asked(study, ranking.question)
    return Section("Which training examples taught it", tuple(blocks), case, link=link)


def _how(ranking: Ranking) -> str:
    choice = ranking.choice
    if ranking.target is None:
        return choice.method
    centred = "the corpus mean subtracted" if choice.centre else "not centred"
    measure = "dot product" if choice.measure == "dot" else "cosine"
    where = f"vectors in the model '{ranking.stage}'"
    return f"{choice.method}, layer {choice.layer}, {where}, query: {choice.query}, {measure}, {centred}"


def _asked(study: Study, question: Question | None) -> Facts | None:
    """What the training data was ranked for."""
    inks: dict[str, Ink] = {"Wrong answer": "wrong", "Right answer": "right"}
    match question:
        case AboutPersona(inner):
            return _asked(study, inner)
        case AboutBehavior(name):
            first = study.behavior(name)[0]
            rows = [("Behavior", name), ("For example", first.prompt)]
            rows += [("Wrong answer", first.bad), ("Right answer", first.good)]
        case AboutFailure(failure) | AboutNode(failure):
            rows = [("System prompt", failure.system or ""), ("Prompt", failure.prompt)]
            rows += [("Wrong answer", failure.wrong), ("Right answer", failure.right)]
            if isinstance(question, AboutNode):
                rows.append(("Node", f"layer {question.layer}, token {question.token}, its {question.part}"))
        case LikeDatapoint(name):
            rows = [("Like the datapoint", name)]
        case _:
            return None
    return Facts(tuple((label, shortened(text, _CUT), inks.get(label, "")) for label, text in rows if text))


def _row(row: Mapping[str, object], ranking: Ranking, number: int, scored: TokenEvidence | None, scale: float) -> Words:
    """One training example, its words coloured where they were scored."""
    rank = f"{ranking.ranks[number]:,}" if ranking.ranks[number] else "not ranked"
    parts = [f"score {score_text(ranking.scores[number])}", f"above {percentile(ranking, number)} of the corpus"]
    tags = [str(row["id"]), *(f"{name} {row[name]}" for name in ("source", "label") if row.get(name))]
    head = " · ".join([rank, *(parts if ranking.ranks[number] else []), *tags])
    pair = row.get("response") is None
    answer = str((row.get("chosen") if pair else row.get("response")) or "")
    texts = [
        ("Prompt", scored.prompt if scored else (), str(row.get("prompt") or "")),
        ("Chosen" if pair else "Answer", scored.answer if scored else (), answer),
        ("Rejected", scored.rejected if scored else (), str(row.get("rejected") or "") if pair else ""),
    ]
    lines = tuple((label, _words(tokens, text)) for label, tokens, text in texts if text or tokens)
    return Words(head, lines, scale)


def _words(tokens: Sequence[TokenScore], text: str) -> tuple[tuple[str, float], ...]:
    """The words of one line with their scores, cut at ``_CUT`` characters."""
    if not tokens:
        return ((shortened(text, _CUT), 0.0),)
    words, length = [], 0
    for token in tokens:
        words.append((END if token.part == "end" else token.text, token.score))
        length += len(token.text)
        if length > _CUT:
            return (*words, ("…", 0.0))
    return tuple(words)


def _sources(enriched: Sequence[Enrichment]) -> list[Block]:
    """Where the best rows are from, and whether unrelated questions have as many from there."""
    rows = [
        (e.source or "–", f"{e.hits} of {e.total:,}", f"{e.lift:.1f} ×", "–" if isnan(e.p) else f"{e.p:.2g}")
        for e in enriched[:_SOURCES]
    ]
    heads = ("source", f"among the top {_AMONG}", "as often as in the corpus", "p against unrelated questions")
    return [Grid(heads, tuple(rows), (0.34, 0.2, 0.22, 0.24))]


def cluster_section(study: Study, clusters: Clusters, prompts: str, count: int, card: Card, link: str = "") -> Section:
    """Return the card of a cluster of the cut into ``count``; ``prompts``: see ``PromptKind``."""
    c, models = card.cluster, clusters.matrix.prompts.models
    p, stability = ("–" if isnan(x) else format(x, how) for x, how in ((c.null_p, ".2g"), (c.stability, ".2f")))
    answers = [
        (shortened(p.prompt, 240), shortened(p.answer, 200), shortened(p.other or "–", 200))
        for p in card.prompts[:_PROMPTS]
    ]
    strongest = [
        (
            f"{row['similarity']:.2f}",
            *(shortened(str(row.get(name) or ""), 260) for name in ("id", "source", "label", "text")),
        )
        for row in card.strongest[:_STRONGEST]
    ]
    more = len(card.prompts) - _PROMPTS
    heads = ("prompt", *(models if models and not card.prompts[0].name else ("wrong answer", "right answer")))
    blocks: list[Block] = [
        plain(f"{card.title}: {card.verdict}", "lead"),
        *([plain(card.note.note)] if card.note.note else []),
        *map(plain, card.summary),
        facts(
            ("Size", card.sizes),
            ("Figures", f"mean similarity {c.mean_similarity:.2f}, null p {p}, stability {stability}"),
            ("Distinctive words", ", ".join(card.words)),
            ("Sources", _enriched(card.sources)),
            ("Labels", _enriched(card.labels)),
        ),
        plain("Its prompts and answers", "head"),
        Grid(heads, tuple(answers), (0.42, 0.29, 0.29)),
        *([plain(f"and {more:,} more", "note")] if more > 0 else []),
        plain("Its strongest datapoints", "head"),
        Grid(("similarity", "id", "source", "label", "text"), tuple(strongest), (0.12, 0.13, 0.13, 0.16, 0.46)),
        plain(f"{MEANING} {summary(clusters, clusters.cut(count))}", "note"),
        _cluster_command(study, clusters, prompts, count),
    ]
    return Section("What else training taught: the cluster of the behavior", tuple(blocks), link=link)


def clusters_section(
    study: Study,
    clusters: Clusters,
    prompts: str,
    count: int,
    cards: Sequence[Card],
    picture: Picture,
    legend: ClusterLegend,
    link: str = "",
) -> Section:
    """Return all clusters of a cut: the matrix, and a line a card."""
    rows = [
        (
            str(card.cluster.id),
            legend.names.get(card.cluster.id, card.title).replace("\n", " "),
            card.sizes,
            card.chip,
            ", ".join(card.words[:6]),
        )
        for card in cards
    ]
    blocks: list[Block] = [
        plain(summary(clusters, clusters.cut(count)), "lead"),
        picture,
        Grid(
            ("", "cluster", "size", "against chance", "distinctive words"), tuple(rows), (0.05, 0.2, 0.24, 0.18, 0.33)
        ),
        plain(MEANING, "note"),
        _cluster_command(study, clusters, prompts, count),
    ]
    return Section("Groups of prompts and the examples behind them", tuple(blocks), link=link)


def _cluster_command(study: Study, clusters: Clusters, prompts: str, count: int) -> Block:
    matrix, stage = clusters.matrix, clusters.index.manifest.checkpoint
    return cluster_command(study, matrix.method.name, matrix.layer, stage, prompts, count)


def _enriched(enriched: Sequence[Enrichment]) -> str:
    return ", ".join(f"{e.source or '–'} {e.hits} of {e.total:,} ({e.lift:.1f} ×)" for e in enriched[:_SOURCES])


def repair_section(study: Study, folder: Path, plan: Plan, result: Result | None, link: str = "") -> Section:
    """Return what a repair has shown; ``result``: None where nothing is measured yet."""
    head, _, rest = (result.verdict if result else NOT_YET).partition(": ")
    blocks: list[Block] = [
        plain(f"{head}.", "lead") if rest else plain(head, "lead"),
        *([plain(f"{rest[:1].upper()}{rest[1:]}", "verdict")] if rest else []),
        facts(("Repair", plan.title()), ("Datapoints", plan.source()), ("Trainings", plan.summary())),
    ]
    if result:
        lines = pooled(result.arms)
        rows = [
            (
                arm_label(x.arm, x.k, result.by_hand),
                f"{x.rate:.0%} ({x.low:.0%}–{x.high:.0%})",
                percent(x.change) if x.change else "–",
                seed_rates(x),
                *("–" if share is None else f"{share:.0%}" for share in (x.control, x.guard)),
            )
            for x in lines
        ]
        heads = ("arm", "shows it [95 %]", "change [95 %]", "seeds", "elsewhere", "tasks right")
        blocks += [
            Picture(repair_figure(result), f"Repair of {result.behavior}"),
            Grid(heads, tuple(rows), (0.18, 0.19, 0.21, 0.15, 0.14, 0.13)),
            plain(f"{lines[0].n} held-out prompts, greedy answers. {INTERVALS}", "note"),
        ]
    return Section(
        "Is it really these examples? The repair", (*blocks, repair_commands(folder, plan, study)), link=link
    )
