"""Security headers of every answer: where scripts, pictures and connections of the pages may come from."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

import streamlit as st


def content_security_policy() -> str:
    """The value of ``Content-Security-Policy``: nothing from outside, no framing, no script from text.

    ``blob:`` is how Streamlit loads the scripts of components; styles are inline in Streamlit's frontend.
    """
    hashes = " ".join(f"'sha256-{digest}'" for digest in _inline_scripts())
    sources = {
        "default-src": "'none'",
        "script-src": f"'self' blob: {hashes}",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "media-src": "'self' blob:",
        "connect-src": "'self'",
        "worker-src": "'self' blob:",
        "manifest-src": "'self'",
        "frame-src": "'none'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in sources.items())


@cache
def _inline_scripts() -> tuple[str, ...]:
    """SHA-256 (base64) of each inline script of the installed Streamlit's first page."""
    page = (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    return tuple(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)


def security_headers() -> dict[str, str]:
    """Every security header, by name."""
    return {
        "Content-Security-Policy": content_security_policy(),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
