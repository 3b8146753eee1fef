"""The report of a survey as one HTML page that opens offline and runs nothing."""

from collections.abc import Sequence
from html import escape

from explorer.errors import count
from explorer.figures.caption import CAPTION_CSS, Caption, caption_html
from explorer.figures.labels import visible
from explorer.figures.save import html_page, svg_element
from explorer.figures.style import ACCENT, rgba
from explorer.figures.survey import cluster_colour, survey_figure
from explorer.safe_text import hold_direction, printable
from explorer.surveys.folder import Note, Row, Survey
from explorer.surveys.profiles import Profiles
from explorer.surveys.report import (
    MEANING,
    PATTERN_MEANING,
    STATE_MEANING,
    VERDICT_MEANING,
    headline,
    made_of,
    segment_shares,
)
from explorer.surveys.totals import Counts, totals

_TEXT = 600
"""Characters of a prompt or an answer."""
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1c1c22;max-width:1180px;margin:2rem auto;padding:0 1rem;
overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:1.6rem 0 .4rem}p{margin:.35rem 0}.n{color:#55555f;font-size:.88rem}
table{border-collapse:collapse;width:100%;font-size:.88rem}
th,td{text-align:left;vertical-align:top;padding:.25rem .5rem;border-top:1px solid #ececf0}
th{color:#55555f;font-weight:600}.w{border-radius:4px;padding:0 .35rem;margin-right:.2rem;unicode-bidi:isolate}
.b{color:#fff;border-radius:.7rem;padding:0 .45rem;font-size:.8rem}.r{color:#dc2626}.u{color:#2563eb}
.mark{font-style:italic;color:#55555f}.note{border-left:3px solid $ACCENT;padding-left:.4rem}
""".replace("$ACCENT", ACCENT)


def survey_html(survey: Survey, ids: Sequence[str], profiles: Profiles | None = None, link: str = "") -> str:
    """Return the page of some cases of a survey: what was found, the pictures, every case; every text is escaped.

    ``link``: address of the same survey in the app.
    """
    counts, log = totals(survey, ids), survey.settings.log
    source = " ".join(filter(None, (log.harness, log.version, log.task, log.name)))
    models = ", ".join(f"{name} ({spec.title})" for name, spec in survey.settings.models)
    legend = f"{count(len(ids), 'failure')} of {len(survey.cases):,}" + (f", from {source}" if source else "")
    caption = Caption(survey.settings.title, model=models, rule=survey.settings.rule, legend=legend, link=link)
    parts = [
        caption_html(caption),
        f"<p><b>{escape(headline(counts.all))}</b></p>",
        svg_element(survey_figure(survey, ids, counts, profiles)),
        _outcomes(counts.categories, counts.all),
        _clusters(profiles),
        f"<h2>Failures</h2>{_cases(survey, ids, profiles.labels if profiles else {})}",
    ]
    return html_page(survey.settings.title, "\n".join(parts), CAPTION_CSS + _STYLE)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; cells are markup."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _text(text: str, most: int = _TEXT) -> str:
    """A text on one line, cut and escaped."""
    text = printable(hold_direction(" ".join(text.split())))
    return escape(text if len(text) <= most else text[: most - 1] + "…")


def _outcomes(categories: dict[str, Counts], whole: Counts) -> str:
    heads = ["category", "failures", *MEANING, "small gap", "not made", "not read"]
    rows = []
    for name, counts in {**categories, "all": whole}.items():
        if not counts.cases:
            continue
        shares = [_share(counts, outcome) for outcome in MEANING]
        left_out = [str(n) for n in (counts.small, counts.not_made, counts.failed)]
        rows.append([_text(name) or "no category", f"{counts.cases:,}", *shares, *left_out])
    about = "; ".join(f"{name}: {words}" for name, words in MEANING.items())
    patterns = "; ".join(f"{name}: {words}" for name, words in PATTERN_MEANING.items())
    return f'<h2>Outcomes</h2>{_table(heads, rows)}<p class="n">{escape(about)}. Patterns: {escape(patterns)}.</p>'


def _share(counts: Counts, outcome: str) -> str:
    if not counts.judged:
        return "–"
    share, low, high = counts.share(outcome)
    return f"{counts.outcomes.get(outcome, 0)} · {share:.0%} [{low:.0%}–{high:.0%}]"


def _clusters(profiles: Profiles | None) -> str:
    if profiles is None:
        return ""
    rows = [
        [_badge(number), str(sum(parts.values())), str(profiles.peaks[number - 1]), _text(made_of(parts, 8))]
        for number, parts in profiles.composition.items()
    ]
    return f"<h2>Relevance by layer</h2>{_table(['cluster', 'failures', 'peak layer', 'made of'], rows)}"


def _badge(number: int | None) -> str:
    return f'<span class="b" style="background:{cluster_colour(number)}">{number}</span>' if number else ""


def _cases(survey: Survey, ids: Sequence[str], labels: dict[str, int]) -> str:
    heads = ("Δℓ (logits)", "outcome", "failure", "strongest words", "segments", "sink", "note")
    return _table(heads, [_case(survey, id, labels.get(id)) for id in ids])


def _case(survey: Survey, id: str, cluster: int | None) -> list[str]:
    case, row, note = survey.cases[id], survey.rows.get(id), survey.notes.get(id, Note(id))
    answers = f'<span class="r">{_text(case.wrong)}</span> instead of <span class="u">{_text(case.right) or "?"}</span>'
    failure = f'{_text(case.prompt)}<br>{answers}<br><span class="n">{_text(case.category)} · {_text(id)}</span>'
    written = ("✓ " if note.seen else "") + (f'<span class="note">{_text(note.text)}</span>' if note.text else "")
    if row is None or row.gap is None:
        why = row.error if row else STATE_MEANING["waiting"]
        return ["–", f'<span class="mark">{_text(why)}</span>', failure, "", "", "", written]
    shares = ", ".join(f"{_text(name)} {share:.0%}" for name, share in segment_shares(row).items())
    sink = "" if row.sink_share is None else f"{row.sink_share:.0%}"
    return [f"{row.gap:+.2f} {_badge(cluster)}", _outcome(row), failure, _words(row), shares, sink, written]


def _outcome(row: Row) -> str:
    lines = [
        escape(row.outcome or ""),
        escape(row.pattern or ""),
        escape(VERDICT_MEANING[row.verdict]) if row.verdict else "",
        f'<span class="mark">{_text(row.mark)}</span>' if row.mark else "",
    ]
    return "<br>".join(filter(None, lines))


def _words(row: Row) -> str:
    strongest = (*row.reddest, *row.bluest)
    full = max((abs(value) for _, value in strongest), default=0.0) or 1.0
    return "".join(
        f'<span class="w" style="background:{rgba(value, 0.12 + 0.4 * abs(value) / full)}" '
        f'title="{value:+.2f} logits">{escape(visible(text.strip() or text, 40))}</span>'
        for text, value in strongest
    )
