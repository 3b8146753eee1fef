"""A report as one HTML page: it opens offline, runs nothing, asks for nothing, and prints well."""

from functools import singledispatch
from html import escape

from explorer.figures.heatmap import MAP_CSS
from explorer.figures.save import html_page, svg_element
from explorer.figures.style import ACCENT, rgba
from explorer.reports.blocks import INKS, Commands, Facts, Grid, Missing, Picture, Report, Section, Text, Words
from explorer.safe_text import hold_direction, printable

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c22; background: #fff; max-width: 62rem; margin: 2rem auto;
       padding: 0 1.25rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .2rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; padding-top: .7rem; border-top: 2px solid $ACCENT; }
h3 { font-size: .95rem; margin: 1.2rem 0 .3rem; }
p { margin: .4rem 0; } p.lead { font-size: 1.08rem; } p.verdict { border-left: 3px solid $ACCENT; padding-left: .6rem; }
p.note, .made { color: #55555f; font-size: .85rem; }
p.comment { white-space: pre-wrap; background: #f5f3fd; border-radius: 6px; padding: .6rem .8rem; margin: .6rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .9rem; margin: .5rem 0; font-size: .88rem; }
dt { color: #55555f; } dd { margin: 0; white-space: pre-wrap; unicode-bidi: isolate; }
figure { margin: .8rem 0; } figure svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; margin: .5rem 0; table-layout: fixed; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border-top: 1px solid #e4e4ea;
         unicode-bidi: isolate; }
th { color: #55555f; font-weight: 600; border-top: 0; }
.row { border: 1px solid #e4e4ea; border-radius: 6px; padding: .45rem .7rem; margin: .5rem 0; font-size: .88rem; }
.row .head { color: #55555f; font-size: .8rem; margin-bottom: .25rem; }
.row .line { display: grid; grid-template-columns: 4.5rem 1fr; } .row .line > span:first-child { color: #55555f; }
.row .line > span:last-child { white-space: pre-wrap; unicode-bidi: isolate; } .row b { font-weight: 400;
       border-radius: 3px; }
pre { background: #f6f6f8; border-radius: 6px; padding: .55rem .7rem; font-size: .8rem; white-space: pre-wrap;
      margin: .6rem 0 .3rem; }
a { color: #5b3fc4; } .wrong { color: #c81e1e; } .right { color: #1d4fd7; } .wrong, .right { font-weight: 600; }
@page { size: A4; margin: 16mm 15mm; }
@media print {
  body { font-size: 10pt; margin: 0; max-width: none; padding: 0; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2, h3 { break-after: avoid; } p, .row, tr, figure, pre, dl { break-inside: avoid; } p { orphans: 3; widows: 3; }
  table, dl, .row { font-size: 8.4pt; } pre { font-size: 7.6pt; } h1 { font-size: 16pt; } p.lead { font-size: 10.5pt; }
}
""".replace("$ACCENT", ACCENT)


def report_page(report: Report) -> str:
    """Return the page; every text is escaped here."""
    parts = [f"<header><h1>{_text(report.title)}</h1>"]
    parts += [f'<p class="made">{_text(report.made)}</p>' if report.made else "", "</header>"]
    shown = None
    for section in report.sections:
        parts.append(_section(section, with_case=section.case != shown))
        shown = section.case or shown
    if report.missing:
        items = "".join(f"<p>{_missing(missing)}</p>" for missing in report.missing)
        parts.append(f"<section><h2>Not in this report</h2>{items}</section>")
    if report.about.rows:
        parts.append(f"<section><h2>How it was made</h2>{block_html(report.about)}</section>")
    return html_page(report.title, "\n".join(filter(None, parts)), MAP_CSS + _STYLE)


def _missing(missing: Missing) -> str:
    return f"<b>{_text(missing.title)}</b>: {_text(missing.why)}"


def _section(section: Section, with_case: bool) -> str:
    parts = [f"<section><h2>{_text(section.title)}</h2>"]
    if section.comment.strip():
        parts.append(f'<p class="comment" dir="auto">{_text(section.comment)}</p>')
    if section.case and with_case:
        parts.append(block_html(section.case))
    parts += map(block_html, section.blocks)
    if section.link:
        parts.append(f'<p class="note">In the app: {_link(section.link)}</p>')
    return "\n".join([*parts, "</section>"])


def _link(link: str) -> str:
    shown = _text(link)
    if link.startswith(("http://", "https://")):
        return f'<a href="{escape(link)}" rel="noreferrer">{shown}</a>'
    return shown


def _text(text: str) -> str:
    """A text escaped; lines stay lines, other control characters become dots."""
    return "\n".join(escape(printable(line)) for line in hold_direction(text).replace("\t", "  ").split("\n"))


@singledispatch
def block_html(_block: object) -> str:
    """Return a block as markup."""
    return ""


@block_html.register
def _(block: Text) -> str:
    parts = "".join(f'<span class="{ink}">{_text(text)}</span>' if ink else _text(text) for text, ink in block.parts)
    return f"<h3>{parts}</h3>" if block.kind == "head" else f'<p class="{block.kind}">{parts}</p>'


@block_html.register
def _(block: Facts) -> str:
    rows = (
        f'<dt>{_text(label)}</dt><dd class="{ink}" dir="auto">{_text(text)}</dd>' for label, text, ink in block.rows
    )
    return f"<dl>{''.join(rows)}</dl>"


@block_html.register
def _(block: Picture) -> str:
    return f'<figure role="img" aria-label="{_text(block.about)}">{block.svg or svg_element(block.figure)}</figure>'


@block_html.register
def _(block: Words) -> str:
    lines = ((_text(label), "".join(_word(block, *word) for word in words)) for label, words in block.lines)
    drawn = (f'<div class="line"><span>{name}</span><span dir="auto">{words}</span></div>' for name, words in lines)
    return f'<div class="row"><div class="head">{_text(block.head)}</div>{"".join(drawn)}</div>'


def _word(block: Words, text: str, score: float) -> str:
    strength = block.strength(score)
    if not strength:
        return _text(text)
    return f'<b style="background:{rgba(score, strength)}" title="{score:+.3g}">{_text(text)}</b>'


@block_html.register
def _(block: Grid) -> str:
    widths = block.widths or (1 / len(block.heads),) * len(block.heads)
    columns = "".join(f'<col style="width:{100 * width:.4g}%">' for width in widths)
    head = "".join(f"<th>{_text(name)}</th>" for name in block.heads)
    rows = ("".join(f'<td dir="auto">{_text(cell)}</td>' for cell in row) for row in block.rows)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><colgroup>{columns}</colgroup><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@block_html.register
def _(block: Commands) -> str:
    note = f'<p class="note">{_text(block.note)}</p>' if block.note else ""
    return f"<pre>{_text(chr(10).join(block.lines))}</pre>{note}"


assert set(INKS) == {"", "wrong", "right"}  # the classes of the style above
