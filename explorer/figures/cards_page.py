"""The cards as one HTML page that opens anywhere: it needs nothing, runs nothing, and asks for nothing."""

import html
from collections.abc import Iterable, Sequence
from math import isnan
from typing import Any

from explorer.behaviors.cards import MEANING, Card
from explorer.behaviors.prompts import Subject
from explorer.ranking.metrics import Enrichment

_PROMPTS = 12
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1c1c22;max-width:1080px;margin:2rem auto;padding:0 1rem}
article{border:1px solid #d9d9e0;border-radius:8px;padding:1rem 1.25rem;margin:1.25rem 0}
article.emergent{border-left:5px solid #dc2626}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:0}h3{font-size:.9rem;color:#55555f;margin:1rem 0 .3rem}
p{margin:.35rem 0}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.25rem .5rem;border-top:1px solid #ececf0;white-space:pre-wrap;
overflow-wrap:anywhere}
th{color:#55555f;font-weight:600}.n{color:#55555f}.w{background:#f1f1f5;border-radius:4px;padding:0 .4rem}
"""


def cards_html(title: str, note: str, cards: Sequence[Card], models: Sequence[str] = ()) -> str:
    """The page; every text of the study is escaped.

    Args:
        note: what was looked at, see ``discover.Found.note``.
        models: names of the checkpoints that gave the two answers of discovery prompts.
    """
    now, then = (*models, "answer now", "answer before")[:2] if len(models) == 2 else ("wrong answer", "right answer")
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{_e(title)}</title><style>{_STYLE}</style></head><body>",
        f'<h1>{_e(title)}</h1><p>{_e(note)}</p><p class="n">{_e(MEANING)}</p>',
        *(_card(card, now, then) for card in cards),
        "</body></html>",
    ]
    return "\n".join(parts)


def _card(card: Card, now: str, then: str) -> str:
    c = card.cluster
    names = ", ".join(dict.fromkeys(s.name for s in card.subjects if s.name))
    head = f"Cluster {c.id}{f': {names}' if names else ''}"
    stable = "–" if isnan(c.stability) else f"{c.stability:.2f}"
    figures = (
        f"{len(card.subjects)} prompts · {len(c.datapoints)} datapoints · mean similarity {c.mean_similarity:.2f} · "
        f"null p {'–' if isnan(c.null_p) else f'{c.null_p:.2g}'} · stability {stable}"
    )
    words = " ".join(f'<span class="w">{_e(word)}</span>' for word in card.words)
    return "\n".join(
        [
            f'<article class="{"emergent" if c.emergent else "other"}"><h2>{_e(head)}</h2>',
            f'<p>{_e(card.verdict)}</p><p class="n">{_e(figures)}</p>',
            f"<h3>Distinctive words</h3><p>{words or '–'}</p>",
            f"<h3>Prompts and answers</h3>{_table(('prompt', now, then), map(_answers, card.subjects[:_PROMPTS]))}",
            _more(len(card.subjects) - _PROMPTS),
            "<h3>Strongest datapoints</h3>",
            _table(("similarity", "id", "source", "label", "text"), map(_datapoint, card.strongest)),
            _enriched("Sources", card.sources),
            _enriched("Labels", card.labels),
            "</article>",
        ]
    )


def _answers(subject: Subject) -> tuple[str, ...]:
    return subject.prompt, subject.answer, subject.other or "–"


def _datapoint(row: dict[str, Any]) -> tuple[str, ...]:
    return (f"{row['similarity']:.2f}", *(str(row.get(name) or "") for name in ("id", "source", "label", "text")))


def _enriched(title: str, found: Sequence[Enrichment]) -> str:
    if not found:
        return ""
    rows = ((e.source or "–", f"{e.hits} of {e.total}", f"{e.lift:.1f} ×", f"{e.p:.2g}") for e in found[:6])
    return f"<h3>{title}</h3>{_table((title.lower()[:-1], 'in it', 'as often as in the corpus', 'p by chance'), rows)}"


def _more(n: int) -> str:
    return f'<p class="n">and {n} more</p>' if n > 0 else ""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    top = "".join(f"<th>{_e(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{_e(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _e(text: str) -> str:
    return html.escape(text, quote=True)
