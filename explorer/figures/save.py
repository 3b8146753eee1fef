"""How a figure becomes a file: one set of formats, one matplotlib style, one HTML shell."""

import html
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names

from explorer.errors import ExplorerError

FORMATS = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf", "html": "text/html"}
"""Kinds of files with their media types."""
WITH_JSON = FORMATS | {"json": "application/json"}
"""The same and the figure's numbers."""
FONTS = ["DejaVu Sans"] + [
    name for name in ("Noto Sans", "Noto Sans CJK JP", "Noto Emoji", "Arial Unicode MS") if name in get_font_names()
]
_STYLE: dict[Any, Any] = {"font.family": FONTS, "svg.fonttype": "path", "pdf.fonttype": 42, "svg.hashsalt": "explorer"}
_DATES = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""What a file says of the day it was written on: nothing, so that the same figure is the same bytes."""
_SOURCE = {"svg": "Source", "png": "Source", "pdf": "Subject"}
"""Where a file of each kind that is one picture says which address it is a picture of."""
_COMMENT = re.compile(rb"<!--.*?-->\n?", re.DOTALL)
_ONLY_IN_FILES = re.compile(r' xmlns(:\w+)?="[^"]*"(?=[^<>]*>)|<metadata>.*?</metadata>\n?', re.DOTALL)
_DRAWING = RLock()
_CSS = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 1rem; background: #fff; color: #1c1c22;
       overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; }
"""


@contextmanager
def styled() -> Iterator[None]:
    """Context in which every figure is made: fonts that cover many scripts, text as paths, reproducible SVG.

    matplotlib's style and caches belong to the process, so one thread draws or saves at a time.
    """
    with _DRAWING, mpl.rc_context(_STYLE):
        yield


def check_format(kind: str, formats: Iterable[str] = FORMATS) -> None:
    """Raise ExplorerError for a kind that is none of ``formats``."""
    if kind not in formats:
        raise ExplorerError(f"A figure can't be written as '{kind}'; expected {', '.join(formats)}.")


def save_figure(figure: Figure, kind: str, dpi: int = 200, link: str = "") -> bytes:
    """Return a figure as ``png`` (of ``dpi``), ``svg`` or ``pdf``; ``link`` is what the file says of its source.

    Raises ExplorerError for another kind.
    """
    check_format(kind, _SOURCE)
    out = io.BytesIO()
    about = _DATES.get(kind, {}) | ({_SOURCE[kind]: link} if link else {})
    with styled():
        figure.savefig(out, format=kind, dpi=dpi, metadata=about)
    data = out.getvalue()
    # beside its outlines, matplotlib writes a text as a comment, where it can be no valid XML
    return _COMMENT.sub(b"", data) if kind == "svg" else data


def svg_element(figure: Figure) -> str:
    """Return a figure as an ``<svg>`` element for an HTML page, which needs no names of vocabularies."""
    svg = save_figure(figure, "svg").decode()
    return _ONLY_IN_FILES.sub("", svg[svg.index("<svg") :])


def html_page(title: str, body: str, style: str = _CSS, script: str = "") -> str:
    """Return a page that opens offline: it may load nothing, and runs nothing but ``script``.

    ``title`` is escaped here; ``body``, ``style`` and ``script`` are markup, whose texts the caller has escaped.
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    policy += "; script-src 'unsafe-inline'" if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
        f"<style>{style}</style></head><body>\n{body}\n{f'<script>{script}</script>' if script else ''}</body></html>\n"
    )
