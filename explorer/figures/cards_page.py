"""The cards of a cut as one HTML page that opens offline and runs nothing."""

from collections.abc import Iterable, Sequence
from html import escape
from math import isnan
from typing import Any

from explorer.behaviors.cards import MEANING, Card
from explorer.figures.caption import CAPTION_CSS, Caption, caption_html
from explorer.figures.clusters import cluster_colours
from explorer.figures.save import html_page
from explorer.figures.style import ACCENT
from explorer.ranking.metrics import Enrichment

_PROMPTS = 12
"""Prompts of a card; more are counted."""
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1c1c22;background:#fff;max-width:1080px;margin:0 auto;padding:1rem;
overflow-wrap:anywhere}
article{border:1px solid #d9d9e0;border-radius:8px;padding:1rem 1.25rem;margin:1.25rem 0}
article.emergent{border-left:5px solid $ACCENT}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:0}h3{font-size:.9rem;color:#55555f;margin:1rem 0 .3rem}
p{margin:.35rem 0}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.25rem .5rem;border-top:1px solid #ececf0;white-space:pre-wrap}
th{color:#55555f;font-weight:600}.n{color:#55555f}
.w{background:#f1f1f5;border-radius:4px;padding:0 .4rem;unicode-bidi:isolate}
.b{color:#fff;border-radius:.7rem;padding:0 .45rem;font-size:.85rem}
.t{border:1px solid #b9b9c4;border-radius:.7rem;padding:0 .5rem;font-size:.8rem;font-weight:400}
""".replace("$ACCENT", ACCENT)


def cards_html(title: str, note: str, cards: Sequence[Card], models: Sequence[str] = (), link: str = "") -> str:
    """Return the page of what was compared (``note``, see ``report.summary``); every text of the study is escaped.

    ``models``: checkpoints that gave the two answers of unlabelled prompts, see ``PromptSet``. ``link``: address of the
    same clusters in the app.
    """
    heads = ("prompt", *(models or ("wrong answer", "right answer")))
    intro = f'{caption_html(Caption(title, legend=note, link=link))}<p class="n">{escape(MEANING)}</p>'
    return html_page(title, "\n".join([intro, *(_card(card, heads) for card in cards)]), CAPTION_CSS + _STYLE)


def _card(card: Card, heads: Sequence[str]) -> str:
    c, note = card.cluster, card.note
    p, stability = ("–" if isnan(x) else format(x, digits) for x, digits in ((c.null_p, ".2g"), (c.stability, ".2f")))
    numbers = f"{card.sizes} · mean similarity {c.mean_similarity:.2f} · null p {p} · stability {stability}"
    words = " ".join(f'<span class="w">{escape(word)}</span>' for word in card.words)
    prompts = [(p.prompt, p.answer, p.other or "–") for p in card.prompts[:_PROMPTS]]
    more = len(card.prompts) - _PROMPTS
    return "\n".join(
        [
            f'<article class="{"emergent" if c.emergent else "other"}">',
            f"<h2>{_title(card)}</h2>",
            f"<p>{escape(note.note)}</p>" if note.note else "",
            *(f"<p>{escape(line)}</p>" for line in card.summary),
            f'<p>{escape(card.verdict)}</p><p class="n">{numbers}</p>',
            f"<h3>Distinctive words</h3><p>{words or '–'}</p>",
            f"<h3>Prompts and answers</h3>{_table(heads, prompts)}",
            f'<p class="n">and {more} more</p>' if more > 0 else "",
            "<h3>Strongest datapoints</h3>",
            _table(("similarity", "id", "source", "label", "text"), map(_datapoint, card.strongest)),
            _enriched("Sources", card.sources),
            _enriched("Labels", card.labels),
            "</article>",
        ]
    )


def _title(card: Card) -> str:
    """Number in the cluster's colour, the name that a person gave, and the tag."""
    number = f'<span class="b" style="background:{cluster_colours(card.cluster.id)[-1]}">{card.cluster.id}</span>'
    name = f": {escape(card.note.name)}" if card.note.name else ""
    tag = f' <span class="t">{escape(card.note.tag)}</span>' if card.note.tag else ""
    return f"{number} Cluster {card.cluster.id}{name}{tag}"


def _datapoint(row: dict[str, Any]) -> tuple[str, ...]:
    return (f"{row['similarity']:.2f}", *(str(row.get(name) or "") for name in ("id", "source", "label", "text")))


def _enriched(title: str, enriched: Sequence[Enrichment]) -> str:
    if not enriched:
        return ""
    rows = ((e.source or "–", f"{e.hits} of {e.total}", f"{e.lift:.1f} ×", f"{e.p:.2g}") for e in enriched[:6])
    heads = (title.lower()[:-1], "in it", "as often as in the corpus", "p by chance")
    return f"<h3>{title}</h3>{_table(heads, rows)}"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
