"""The top of a ranking as an HTML page that opens offline and runs nothing: each row with its score and its texts."""

from html import escape
from typing import Any

from explorer.errors import one_line
from explorer.figures.save import html_page
from explorer.ranking.questions import AboutBehavior, AboutFailure, AboutNode, AboutPersona, LikeDatapoint
from explorer.ranking.rank import Ranking

SHOWN, CHARS = 10, 400
"""Rows of the page, and characters of each of their texts."""
STYLE = """
:root{color-scheme:light dark}
body{font:14px/1.45 system-ui,sans-serif;margin:.5rem;overflow-wrap:anywhere}
h1{font-size:1rem;margin:0 0 .5rem}p{margin:.3rem 0;opacity:.75}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-top:1px solid rgba(128,128,128,.35)}
td{white-space:pre-wrap}th{opacity:.75;font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}
"""
_ANSWERS = ("response", "chosen", "rejected")
_PLAIN = ("label", "source")


def ranking_html(ranking: Ranking, most: int = SHOWN) -> str:
    """Return the page of a ranking's best rows; every text of the study is escaped.

    Raises ExplorerError where the study's training examples can't be read.
    """
    rows = ranking.top(most)
    table = ranking.table(ranking.study.datapoints(), rows).to_pylist() if ranking.study else []
    columns = [name for name in _PLAIN if any(row.get(name) for row in table)]
    answers = [name for name in _ANSWERS if any(row.get(name) for row in table)]
    heads = ["", "score", *columns, "prompt", *answers]
    body = "".join(_row(row, [*columns, "prompt", *answers]) for row in table)
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    title = f"Training examples for {about(ranking)}"
    note = f"The first {len(table)} of {len(ranking.order):,} that are ranked · {how(ranking)}"
    page = f"<h1>{escape(title)}</h1><table><tr>{head}</tr>{body}</table><p>{escape(note)}</p>"
    return html_page(title, page, STYLE)


def about(ranking: Ranking) -> str:
    """What was asked, in words."""
    match ranking.question:
        case AboutBehavior(name):
            return f"the behavior {name}"
        case AboutFailure(failure):
            return f"“{one_line(failure.wrong, 60)}” instead of “{one_line(failure.right, 60)}”"
        case AboutPersona(question):
            return f"a system prompt, on the prompts of {about_question(question)}"
        case AboutNode(layer=layer, token=token):
            return f"the state at layer {layer}, token {token}"
        case LikeDatapoint(name):
            return f"what is like {name}"
    return "a question"


def about_question(question: AboutBehavior | AboutFailure) -> str:
    """What a question with answers is about, in words."""
    return question.name if isinstance(question, AboutBehavior) else one_line(question.failure.prompt, 60)


def how(ranking: Ranking) -> str:
    """Method, layer and checkpoint in words."""
    choice = ranking.choice
    where = f", layer {choice.layer} in {ranking.stage}" if choice.layer else ""
    return f"method {choice.method}{where}"


def _row(row: dict[str, Any], columns: list[str]) -> str:
    texts = "".join(f"<td>{escape(_cut(str(row.get(name) or '')))}</td>" for name in columns)
    return f'<tr><td class="n">{row["rank"]}</td><td class="n">{row["score"]:.3g}</td>{texts}</tr>'


def _cut(text: str) -> str:
    return text if len(text) <= CHARS else f"{text[:CHARS]} …"
