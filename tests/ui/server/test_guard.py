"""The guard in front of a small app: host, origin, headers and the share token, for requests and web sockets."""

import re
import secrets
from urllib.parse import parse_qsl, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse, WebSocketTestSession
from starlette.websockets import WebSocket
from streamlit import config

from explorer.ui.server.guard import Guard
from explorer.ui.server.headers import security_headers

HOST = "localhost:8501"
TOKEN = secrets.token_urlsafe(32)
reached: list[str] = []


async def page(request: Request) -> PlainTextResponse:
    reached.append(str(request.url))
    return PlainTextResponse("in")


async def stream(socket: WebSocket) -> None:
    reached.append(str(socket.url))
    await socket.accept()
    await socket.send_text("in")
    await socket.close()


def client(token: str | None = None) -> TestClient:
    """A browser; ``token``: that of a shared app."""
    reached.clear()
    app = Starlette(routes=[WebSocketRoute("/_stcore/stream", stream), Route("/{path:path}", page)])
    return TestClient(Guard(app, token), base_url=f"http://{HOST}", follow_redirects=False)


@pytest.fixture(autouse=True)
def hosts(monkeypatch):
    """The allowed hosts of a server that listens at localhost."""
    asked = config.get_option
    names = ["localhost", "127.0.0.1", "::1", "*.team.example"]
    option = lambda name: names if name == "server.allowedHosts" else asked(name)  # noqa: E731
    monkeypatch.setattr(config, "get_option", option)


def connect(browser: TestClient, path: str, headers: dict[str, str]) -> WebSocketTestSession:
    return browser.websocket_connect(f"ws://{HOST}{path}", headers=headers)


def refused(browser: TestClient, path: str = "/_stcore/stream", **headers: str) -> int:
    """Status with which a web socket is refused before it opens."""
    with (
        pytest.raises(WebSocketDenialResponse) as caught,
        connect(browser, path, headers),
    ):
        pass
    assert set(security_headers()) <= {name.title() for name in caught.value.headers} | {"X-Content-Type-Options"}
    return caught.value.status_code


def opens(browser: TestClient, **headers: str) -> bool:
    with connect(browser, "/_stcore/stream", headers) as socket:
        return socket.receive_text() == "in"


def test_every_answer_has_the_headers():
    for answer in (
        client().get("/"),
        client().get("/static/x.js"),
        client(TOKEN).get("/"),
        client().get("http://evil/"),
    ):
        for name, value in security_headers().items():
            assert answer.headers[name] == value
    policy = dict(part.split(" ", 1) for part in security_headers()["Content-Security-Policy"].split("; "))
    assert policy["frame-ancestors"] == policy["default-src"] == policy["object-src"] == "'none'"
    assert re.fullmatch(r"'self' blob: 'sha256-[\w+/]{43}='", policy["script-src"])
    assert not re.search(r"https?:|ws|\*|unsafe-eval", " ".join(policy.values()))


OWN = ["localhost", "localhost:1", "127.0.0.1:8501", "[::1]:8501", "LOCALHOST.", "a.team.example"]
FOREIGN = ["evil.example", "localhost.evil.example", "evil.example:8501", "team.example", "localhost@evil.example"]
FOREIGN += ["", "localhost/x", "127.0.0.1.nip.io", "[::2]", "localhost:99999", "2130706433"]
ORIGINS = ["http://evil.example", "null", "http://localhost:9999", "http://127.0.0.1:8501", "", "[", "x", f"//{HOST}"]


@pytest.mark.parametrize("host", OWN)
def test_own_hosts_are_answered(host):
    assert client().get("/", headers={"Host": host}).text == "in"
    assert opens(client(), Host=host, Origin=f"http://{host}")


@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_hosts_are_refused(host):
    assert client().get("/", headers={"Host": host}).status_code == 421
    assert refused(client(), Host=host, Origin=f"http://{host}") == 421
    assert reached == []


@pytest.mark.parametrize("origin", ORIGINS)
def test_foreign_origins_are_refused(origin):
    assert refused(client(), Origin=origin) == 403
    assert client().get("/_stcore/health", headers={"Origin": origin}).status_code == 403
    assert client().post("/_stcore/upload_file/x", headers={"Origin": origin}).status_code == 403
    assert reached == []


def test_programs_without_an_origin_and_the_app_itself_pass():
    assert opens(client()) and opens(client(), Origin=f"http://{HOST}")


PATHS = ["/", "/graph", "/static/js/index.js", "/_stcore/health", "/media/x.png", "/app/static/x", "/component/x"]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_of_a_shared_app_is_answered_without_the_token(path):
    browser = client(TOKEN)
    for wrong in ("", f"?token={TOKEN[:-1]}", "?token=", "?token=é%00%ff", f"?Token={TOKEN}", f"?x={TOKEN}"):
        answer = browser.get(path + wrong)
        assert answer.status_code == 401
        assert TOKEN not in answer.text and not answer.cookies
    assert browser.post(path).status_code == 401
    assert refused(browser) == 401
    assert refused(browser, f"/_stcore/stream?token={TOKEN}") == 401
    assert reached == []


def test_the_link_lets_in_and_leaves_no_token_behind():
    browser = client(TOKEN)
    answer = browser.get(f"/graph?case=a%20b&token={TOKEN}&token=12&q=%26")
    assert answer.status_code == 303 and answer.headers["Cache-Control"] == "no-store"
    sent_to = urlsplit(answer.headers["Location"])
    assert (sent_to.netloc, sent_to.path) == ("", "/graph")
    assert parse_qsl(sent_to.query) == [("case", "a b"), ("token", "12"), ("q", "&")]  # the selected token stays
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in cookie + answer.headers["Location"] + answer.text
    assert browser.get("/graph?token=12").text == "in"
    assert opens(browser, Origin=f"http://{HOST}")
    assert browser.get(f"/?token={TOKEN}").status_code == 303  # stripped for those inside too
    assert not any(TOKEN in url for url in reached)


def test_a_cookie_of_another_start_or_a_made_up_one_lets_nobody_in():
    entered = client(TOKEN)
    entered.get(f"/?token={TOKEN}")
    later = client(secrets.token_urlsafe(32))
    later.cookies = entered.cookies
    assert later.get("/").status_code == 401
    for value in (TOKEN, "", "x" * 64):
        forged = client(TOKEN)
        forged.cookies.set("explorer-share-8501", value)
        assert forged.get("/").status_code == 401


@pytest.mark.parametrize("path", ["//evil.example/", "/%5Cevil.example", "/%2Fevil.example", "/\\\\evil.example"])
def test_nobody_is_sent_to_another_host(path):
    location = client(TOKEN).get(f"http://{HOST}{path}?token={TOKEN}").headers["Location"]
    assert re.match(r"/(?![/\\])", location)


def test_a_link_on_another_site_is_followed_once_more_from_here():
    cross = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = client(TOKEN).get('/graph?q="><script>alert(1)</script>', headers=cross)
    assert answer.status_code == 401 and 'http-equiv="refresh"' in answer.text and "<script" not in answer.text
    assert "refresh" not in client(TOKEN).get("/graph", headers=cross | {"Sec-Fetch-Site": "same-origin"}).text


def test_a_shared_app_checks_hosts_and_origins_too():
    browser = client(TOKEN)
    browser.get(f"/?token={TOKEN}")
    assert browser.get("/", headers={"Host": "evil.example"}).status_code == 421
    assert refused(browser, Origin="http://evil.example") == 403
