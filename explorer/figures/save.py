"""What every figure can be written as, and the page around a drawing."""

import html
from collections.abc import Iterable

from explorer.errors import ExplorerError

FORMATS = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf", "html": "text/html"}
"""Kinds of files, with MIME types."""
WITH_JSON = FORMATS | {"json": "application/json"}
"""And the numbers of the figure."""


def check_format(kind: str, formats: Iterable[str] = FORMATS) -> None:
    """Raise ExplorerError for a kind that is none of ``formats``."""
    if kind not in formats:
        raise ExplorerError(f"A figure can't be written as '{kind}'; expected {', '.join(formats)}.")


def drawn_page(title: str, svg: str, note: str = "") -> bytes:
    """A page with a drawing in it as vectors; it needs nothing and runs nothing. Texts are escaped."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    below = f"<p>{html.escape(note)}</p>" if note else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{html.escape(title)}</title>'
        "<style>body{font:15px sans-serif;margin:1rem;background:#fff}svg{max-width:100%;height:auto}</style></head>"
        f"<body><p>{html.escape(title)}</p>{svg[svg.index('<svg') :]}{below}</body></html>"
    ).encode()
