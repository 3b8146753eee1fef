"""What every request and web socket passes before it reaches Streamlit: host, origin, share token, security headers."""

from contextlib import nullcontext

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from explorer.ui.server.headers import security_headers
from explorer.ui.server.share import Gate, share_token
from explorer.ui.server.windows import connected


class Guard:
    """ASGI middleware; a refused web socket gets its status before the handshake, so that it never opens."""

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self._app = app
        self._gate = Gate(token) if token else None
        self._headers = security_headers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on to the app."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"].endswith("http.response.start"):  # of a refused web socket too
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        answer = self._refusal(HTTPConnection(scope)) or self._app
        with connected() if scope["type"] == "websocket" else nullcontext():
            await answer(scope, receive, send_with_headers)

    def _refusal(self, connection: HTTPConnection) -> Response | None:
        headers = connection.headers
        host, origin = headers.get("host"), headers.get("origin")
        if len(headers.getlist("host")) != 1 or not is_host_allowed(host):
            return PlainTextResponse("This host name is not served; start the app with --host NAME to allow it.", 421)
        # also before Streamlit's own check, which asks an outside service for this machine's address
        if origin is not None and origin.partition("://")[2] != host:
            return PlainTextResponse("Requests from other sites are refused.", 403)
        return self._gate.refusal(connection) if self._gate else None


def middleware() -> list[Middleware]:
    """The middleware of the app."""
    return [Middleware(Guard, token=share_token())]
