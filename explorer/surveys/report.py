"""What a survey says: its headline in one sentence, and its cases as a table."""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any, Literal

import pyarrow as pa

from explorer.errors import count, one_line
from explorer.ranking.table import write_rows
from explorer.safe_text import hold_direction
from explorer.surveys.folder import OUTCOMES, LogAbout, Note, Outcome, Row, Survey
from explorer.surveys.listing import State
from explorer.surveys.totals import Counts

MEANING: dict[Outcome, str] = {
    "M-IA": "masking the reddest tokens closes the gap more than random masks do",
    "NC-IA + M-AG": "only ablating the graph's strongest nodes does",
    "NC-IA + AG": "neither does",
}
"""Outcome → what it means."""
PATTERN_MEANING = {
    "URT": "relevant tokens underweighted",
    "OIT": "irrelevant tokens overweighted",
    "both": "both patterns",
    "neither": "neither pattern",
}
VERDICT_MEANING = {"holds": "map holds", "disagree": "replacements disagree", "chance": "no better than chance"}
STATE_MEANING = {
    "failure": "made by this model",
    "small": "small gap",
    "not-made": "not made by this model",
    "unreadable": "could not be read",
    "waiting": "not measured yet",
}
Division = Literal["outcome", "pattern", "verdict", "made"]
DIVISIONS: dict[Division, dict[str, str]] = {
    "outcome": {**MEANING},
    "pattern": PATTERN_MEANING,
    "verdict": VERDICT_MEANING,
    "made": {state: meaning for state, meaning in STATE_MEANING.items() if state != "waiting"},
}
"""What bars are divided by → its values → what they mean."""
DIVISION_TITLES: dict[Division, str] = {
    "outcome": "Outcome",
    "pattern": "Pattern",
    "verdict": "Verdict",
    "made": "Gap",
}
REST = "rest"
"""Stands for the cases that have no value."""


def values_of(counts: Counts, by: Division) -> dict[str, int]:
    """Return how many cases have each value, and under ``REST`` how many have none."""
    made = {
        "failure": counts.measured - counts.not_made - counts.small,
        "small": counts.small,
        "not-made": counts.not_made,
        "unreadable": counts.failed,
    }
    given = {"outcome": counts.outcomes, "pattern": counts.patterns, "verdict": counts.verdicts, "made": made}[by]
    values = {name: given.get(name, 0) for name in DIVISIONS[by]}
    return values | {REST: counts.cases - sum(values.values())}


def made_of(parts: Mapping[str, int], most: int = 3) -> str:
    """Name the largest categories of a group, with their counts."""
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    named = ", ".join(f"{one_line(hold_direction(name), 40) or 'no category'} {n}" for name, n in ordered[:most])
    return named + (f" and {len(ordered) - most} more" if len(ordered) > most else "")


def value_name(by: Division, value: str) -> str:
    """Return what people read of a value; of ``REST``, why a case has none."""
    if value == REST:
        return STATE_MEANING["waiting"] if by == "made" else "not made by this model, not read, or not measured"
    return value if by in ("outcome", "pattern") else DIVISIONS[by][value]


def states_without(by: Division) -> tuple[State, ...]:
    """Return the states of cases that have no value."""
    return ("waiting",) if by == "made" else ("not-made", "unreadable", "waiting")


def headline(counts: Counts) -> str:
    """Say in a sentence or two what a survey found: shares of the outcomes, 95 % intervals, and what is left out."""
    judged = counts.judged
    if not judged:
        made = counts.measured - counts.not_made
        return f"{count(counts.cases, 'failure')}, of which the model makes {made:,}." + _left_out(counts)
    (share, low, high), *others = (counts.share(outcome) for outcome in OUTCOMES)
    first = OUTCOMES[0]
    sentence = f"Of {count(judged, 'failure')}, {share:.0%} [{low:.0%}–{high:.0%}] are {first}: {MEANING[first]}; "
    parts = [f"in {part[0]:.0%} {MEANING[outcome]}" for outcome, part in zip(OUTCOMES[1:], others, strict=True)]
    checked = sum(counts.verdicts.values())
    held = f" {counts.verdicts.get('holds', 0) / checked:.0%} of {checked:,} judged maps hold." if checked else ""
    return sentence + ", ".join(parts) + "." + held + _left_out(counts)


def _left_out(counts: Counts) -> str:
    waiting = counts.cases - counts.measured - counts.failed
    parts = (
        (counts.small, "with a small gap"),
        (counts.not_made, STATE_MEANING["not-made"]),
        (counts.failed, STATE_MEANING["unreadable"]),
        (waiting, STATE_MEANING["waiting"]),
    )
    said = [f"{number:,} {words}" for number, words in parts if number]
    return f" Marked: {', '.join(said)}." if said else ""


def source(about: LogAbout) -> str:
    """Say which log a survey is of, and what was left out or chosen when it was read; empty for a survey of no log."""
    harness = " ".join(filter(None, (about.harness, about.version)))
    parts = [f"From {about.name}" + (f" ({harness})" if harness else "")] if about.name else []
    parts += [f"task {about.task}"] if about.task else []
    parts += [f"run of {about.model}"] if about.model else []
    parts += [f"{about.failed:,} of {count(about.samples, 'sample')} failed"] if about.samples else []
    return ". ".join(filter(None, [", ".join(parts), *(problem.rstrip(".") for problem in about.problems)]))


def segment_shares(row: Row) -> dict[str, float]:
    """Return the share of |relevance| that each segment of the prompt carries, the largest first; they sum to 1."""
    sizes = {name: wrong - right for name, (wrong, right, _) in row.segments.items()}
    total = sum(sizes.values())
    shares = {name: size / total for name, size in sizes.items()} if total > 0 else {}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def case_rows(survey: Survey, ids: Sequence[str], labels: Mapping[str, int] | None = None) -> list[dict[str, Any]]:
    """Return cases as rows of a table: what was asked and said, all figures, marks and notes.

    ``labels``: id → number of its profile cluster.
    """
    segments = dict.fromkeys(name for row in survey.rows.values() for name in row.segments)
    models = [name for name, _ in survey.settings.models]
    return [_case_row(survey, id, (labels or {}).get(id), list(segments), models) for id in ids]


def _case_row(
    survey: Survey, id: str, profile: int | None, segments: Sequence[str], models: Sequence[str]
) -> dict[str, Any]:
    case, row, note = survey.cases[id], survey.rows.get(id) or Row(id), survey.notes.get(id, Note(id))
    shares = segment_shares(row)
    return {
        "id": id,
        "category": case.category,
        "prompt": case.prompt,
        "wrong": case.wrong,
        "right": case.right,
        "contrast": case.how,
        "said": case.said,
        "expected": " | ".join(case.expected),
        "gap_logits": row.gap,
        "mark": row.mark if id in survey.rows else STATE_MEANING["waiting"],
        "outcome": row.outcome,
        "pattern": row.pattern,
        "percentile": row.percentile,
        "graph_percentile": row.graph_percentile,
        "verdict": row.verdict,
        "verdict_figures": row.verdict_figures,
        "reddest": _words(row.reddest),
        "bluest": _words(row.bluest),
        **{f"share_{name}": shares.get(name) for name in segments},
        "peak_layer": row.peak,
        "profile_cluster": profile,
        "sink_share": row.sink_share,
        **{f"gap_{name}": row.readings[name].gap if name in row.readings else None for name in models},
        "tokens": row.tokens or None,
        "seen": note.seen,
        "note": note.text,
    }


def _words(strongest: Sequence[tuple[str, float]]) -> str:
    return " ".join(f"{text.strip()} ({relevance:+.2f})" for text, relevance in strongest)


def case_table(survey: Survey, ids: Sequence[str], labels: Mapping[str, int] | None = None) -> bytes:
    """Return cases as CSV; arguments as in ``case_rows``."""
    return write_rows(pa.Table.from_pylist(case_rows(survey, ids, labels)), "csv")


def pace(surveys: Sequence[Survey], judged: bool) -> float | None:
    """Return the mean seconds that a failure took in surveys that were judged, or not; None where none was measured."""
    alike = [survey for survey in surveys if survey.settings.judged == judged]
    seconds = [row.seconds for survey in alike for row in survey.rows.values() if row.seconds > 0 and not row.error]
    return mean(seconds) if seconds else None
