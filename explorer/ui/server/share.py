"""The share token: who has the link may use the app, others get 401. It protects no more than who has been let in.

The token stands in one link, which is printed when the server starts. Whoever opens it gets a cookie and is sent on to
the same address without the token. There is no encryption: who can read the network's traffic can read cookie and
pages; put a proxy with TLS in front where that matters.
"""

import hashlib
import hmac
import secrets
from functools import cache
from html import escape
from urllib.parse import parse_qsl, quote, urlencode

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response

from explorer.serving import Serving

PARAMETER = "token"
"""Query parameter of the token. The pages use the same name for the selected token, which is no secret."""
_NO_STORE = {"Cache-Control": "no-store"}


@cache
def share_token() -> str | None:
    """The token of this server process, made at the first call; None where the app is not shared."""
    return secrets.token_urlsafe(32) if Serving.read().share else None


class Gate:
    """Lets those in who have the cookie, and gives it to those who bring the token."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._cookie = hashlib.sha256(b"cookie of " + self._token).hexdigest()

    def refusal(self, connection: HTTPConnection) -> Response | None:
        """The answer to whoever may not pass, or brings the token; None for those with the cookie."""
        params = parse_qsl(connection.url.query, keep_blank_values=True)
        rest = [(name, value) for name, value in params if name != PARAMETER or not _equal(value, self._token)]
        port = connection.scope.get("server", ("", 0))[1]
        name = f"explorer-share-{port}"  # cookies of one host are sent to all its ports
        if len(rest) < len(params) and connection.scope["type"] == "http":
            return self._enter(connection, name, rest)
        if _equal(connection.cookies.get(name, ""), self._cookie.encode()):
            return None
        return _refused(connection)

    def _enter(self, connection: HTTPConnection, name: str, rest: list[tuple[str, str]]) -> Response:
        """Send on to the same address without the token, with the cookie."""
        response = RedirectResponse(_address(connection, rest), status_code=303, headers=_NO_STORE)
        secure = connection.url.scheme == "https"
        response.set_cookie(name, self._cookie, httponly=True, samesite="strict", secure=secure, path="/")
        return response


def _equal(given: str, secret: bytes) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret)


def _address(connection: HTTPConnection, params: list[tuple[str, str]]) -> str:
    """Path and query on this server; never another host, whatever the path begins with."""
    path = "/" + quote(connection.scope["path"].lstrip("/\\"))
    return f"{path}?{urlencode(params)}" if params else path


def _refused(connection: HTTPConnection) -> Response:
    """401; to who follows a link from another site, with a page that asks again.

    Browsers keep a SameSite=Strict cookie back from such a request, and send it when the page itself asks.
    """
    again = ""
    asked = connection.headers.get
    if asked("sec-fetch-site") == "cross-site" and asked("sec-fetch-mode") == "navigate":
        address = _address(connection, parse_qsl(connection.url.query, keep_blank_values=True))
        again = f'<meta http-equiv="refresh" content="0;url={escape(address)}">'
    text = "This app is shared by a link with a token: open the whole link that you were given."
    page = f"<!DOCTYPE html><html lang=en><title>Not shared with you</title>{again}<p>{text}</p></html>"
    return HTMLResponse(page, status_code=401, headers=_NO_STORE)
