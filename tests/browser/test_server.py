"""The server as browsers meet it: headers and console of every page, framing, foreign hosts, questions, sharing."""

import http.client
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from explorer.ui.server.headers import security_headers
from tests.browser.conftest import serve
from tests.browser.test_cold_start import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the console says against the policy, and what scripts raise."""
    said: list[str] = []
    broken = re.compile(r"Content.Security.Policy|Refused to|violates", re.IGNORECASE)
    page.on("console", lambda message: said.append(message.text) if broken.search(message.text) else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def test_every_page_works_under_its_headers(page: Page, server: str, complaints: list[str]):
    bare: list[str] = []
    outside: list[str] = []

    def check(response: Response) -> None:
        headers = response.all_headers()
        wrong = [name for name, value in security_headers().items() if headers.get(name.lower()) != value]
        bare.extend(f"{response.url}: {name}" for name in wrong)

    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer) if answer.url.startswith("http") else None)
    page.on("request", lambda r: None if r.url.startswith((server, "blob:", "data:")) else outside.append(r.url))
    for path, drawn in PAGES.items():
        page.goto(f"/{path}")
        expect(page.locator(drawn).first).to_be_visible()
        page.wait_for_timeout(500)
    for answer in answers:
        check(answer)
    assert len(answers) > 50
    assert (bare, outside, complaints) == ([], [], [])


def test_downloads_and_the_full_drawing_work_under_the_policy(page: Page, complaints: list[str]):
    page.goto("/graph")
    expect(page.locator("canvas").first).to_be_visible()
    page.get_by_role("button", name="Share").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON", exact=True).click()
    assert Path(download.value.path()).stat().st_size > 1000
    assert complaints == []


class _Elsewhere(BaseHTTPRequestHandler):
    body = ""
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def elsewhere(body: str) -> Iterator[tuple[str, list[str]]]:
    """A page on another site: its address, and what it is asked for."""
    asked: list[str] = []
    handler = type("_Handler", (_Elsewhere,), {"body": body, "asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}/", asked
        site.shutdown()


def test_scripts_from_text_and_from_outside_do_not_run(browser: Browser, server: str):
    page = browser.new_page()
    page.goto(server)
    expect(page.locator(".token").first).to_be_visible()
    tried = """(outside) => {
      for (const text of ["window.ran = 1", ""]) {
        const script = document.createElement("script");
        if (text) script.textContent = text; else script.src = outside + "x.js";
        document.body.append(script);
      }
      document.body.insertAdjacentHTML("beforeend", `<img src='${outside}x.png' onerror='window.ran = 2'>`);
      setTimeout(() => { window.tried = true; eval("window.ran = 3"); }, 0);
      return fetch(outside).then(() => "sent", () => "refused");
    }"""
    with elsewhere("window.ran = 4") as (site, asked):
        assert page.evaluate(tried, site) == "refused"
        page.wait_for_function("window.tried")
        page.wait_for_timeout(300)
        assert page.evaluate("window.ran") is None
        assert asked == []
    page.close()


def test_another_site_can_neither_frame_nor_drive_the_app(browser: Browser, server: str):
    socket = server.replace("http", "ws") + "/_stcore/stream"
    page = browser.new_page()
    with elsewhere(f"<iframe id=app src='{server}'></iframe>") as (site, _):
        page.goto(site)
        page.wait_for_timeout(1500)
        assert [frame.url for frame in page.frames[1:]] == ["chrome-error://chromewebdata/"]
        opened = """(address) => new Promise((done) => {
          const socket = new WebSocket(address, ["streamlit"]);
          socket.onopen = () => done("open");
          socket.onerror = () => done("refused");
        })"""
        assert page.evaluate(opened, socket) == "refused"
        read = "(address) => fetch(address).then((answer) => answer.text(), () => 'refused')"
        assert page.evaluate(read, server) == "refused"
    page.close()


def status(server: str, path: str = "/", **headers: str) -> int:
    place = urlsplit(server)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    connection.request("GET", path, headers={"Host": place.netloc} | headers)
    return connection.getresponse().status


UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
UPGRADE["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="


def test_foreign_hosts_and_origins_are_refused(server: str):
    foreign = {"Host": "evil.example:8501", "Origin": "http://evil.example:8501"}
    stream = "/_stcore/stream"
    assert status(server) == 200
    assert status(server, stream, **UPGRADE) == 101
    assert status(server, stream, **UPGRADE, Origin=server) == 101
    assert status(server, **foreign) == status(server, stream, **UPGRADE, **foreign) == 421
    assert status(server, stream, **UPGRADE, Origin="http://evil.example") == 403
    assert status(server, "/_stcore/health", Origin="http://evil.example") == 403


def test_a_link_asks_and_hostile_names_stay_text(page: Page, complaints: list[str]):
    hostile = "/x/<img src=x onerror=alert(1)> www.evil.example a->b :material/home: ![x](/evil.example)"
    page.goto(f"/?study={quote(hostile)}&model=owner/name")
    expect(page.get_by_role("button", name="Open")).to_be_visible()
    expect(page.locator(".st-key-ask code").first).to_have_text(hostile)
    expect(page.locator(".st-key-ask code").nth(1)).to_have_text("owner/name")
    long = "https://evil.example www.evil.example a->b :material/home:"
    page.goto(f"/?model={quote(long + '/' + 'x' * 300)}")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(long)
    expect(page.locator("a[href*=evil], img[src*=evil]")).to_have_count(0)
    assert complaints == []


@pytest.fixture(scope="module")
def shared(smollm) -> Iterator[tuple[str, str, IO[bytes]]]:
    """A shared app: its address, its token, and the file with all that it prints."""
    with TemporaryFile() as log, serve("--share", log=log) as address:
        token, deadline = None, time.monotonic() + 20
        while not token and time.monotonic() < deadline:
            time.sleep(0.2)
            log.seek(0)
            token = re.search(rb"/\?token=([\w-]+)", log.read())
        assert token
        yield address, token[1].decode(), log


def test_a_shared_app_lets_in_who_has_the_link(browser: Browser, shared):
    address, token, log = shared
    assert status(address) == status(address, "/_stcore/health") == status(address, "/favicon.png") == 401
    assert status(address, "/_stcore/stream", **UPGRADE) == 401
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_text("shared by a link with a token")).to_be_visible()
    with elsewhere(f"<a href='{address}/graph?token={token}&rule=cplrp'>the app</a>") as (site, _):  # as in a chat
        page.goto(site)
        page.get_by_role("link").click()
        page.wait_for_url(f"{address}/graph?rule=cplrp")
        expect(page.locator("canvas").first).to_be_visible()
    with elsewhere(f"<a href='{address}/compare'>a page</a>") as (site, _):
        page.goto(site)
        page.get_by_role("link").click()
        expect(page.locator(".bars .row").first).to_be_visible()
    page.goto(f"{address}/?token=3")  # the selected token, which is no secret
    expect(page.locator(".token").first).to_be_visible()
    (cookie,) = [one for one in context.cookies() if one.get("name", "").startswith("explorer-share")]
    assert cookie.get("httpOnly") and cookie.get("sameSite") == "Strict" and token not in cookie.get("value", "")
    assert token not in page.content() and token not in page.evaluate("document.cookie + location.href")
    context.close()
    log.seek(0)
    assert log.read().decode().count(token) == 1  # the link that it prints when it starts
