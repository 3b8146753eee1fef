"""A study whose every string is an attack, on all pages and exports: no script runs, nothing is asked outside."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Request, expect

from explorer.data.study import Study
from tests.hostile import ATTACKS, NAMES, OUTSIDE, hostile_study
from tests.test_supply import breaches

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SYSTEM = quote(f"script {ATTACKS['script']}")
"""The failure whose system prompt is all attacks."""
ROW = f"4 {ATTACKS[NAMES[4]]}"
CASES = {
    "trace": ("/?", ".token.user", 5),
    "trace, two maps of whole answers": (
        f"/?whole=1&compare=1&case={SYSTEM}&",
        ".token.user",
        5,
    ),
    "graph": ("/graph?", ".graph[data-drawn]", 5),
    "graph, a node": ("/graph?at=node:2_1&", ".graph[data-drawn]", 0),
    "compare": ("/compare?", ".map .token", 5),
    "training data": ("/training_data?", ".list[data-coloured=true] .row", 3),
    "training data, like one of them": (
        f"/training_data?against=1&topic=1&evaluate=1&build-more=1&like={quote(ROW)}&row={quote(ROW)}&",
        ".js-plotly-plot >> nth=1",
        3,
    ),
    "behaviors": ("/behaviors?clusters=3&", ".map[data-drawn]", 9),
    "behaviors, by hand": ("/behaviors?view=hand&", ".rows .data-row", 0),
    "survey": ("/survey?survey=hostile&contrasts=1&", ".cases tr.row", 5),
    "survey, models side by side": ("/survey?survey=hostile&view=models&", ".plot .point", 0),
    "new survey": ("/survey?survey=new&", "[data-testid=stFileUploader]", 0),
    "repair": ("/repair?side-by-side=1&what=1&", "[data-testid=stPlotlyChart]", 6),
    "new repair": ("/repair?repair=new&top=4&", "[data-testid=stDataFrame]", 0),
}
"""Page → its link, what it shows when it is drawn, and how many files its last popover has at least."""
SENTENCES = r"Δℓ|logits|instead of|layer|P\("
TURNED = """pattern => {
  const words = new RegExp(pattern), set = /[\\u202a-\\u202e\\u2066-\\u2069]/, texts = [];
  const walk = (node) => {
    if (node.nodeType === 3 && set.test(node.data) && words.test(node.data)) texts.push(node.data);
    if (node.shadowRoot) walk(node.shadowRoot);
    node.childNodes.forEach(walk);
  };
  walk(document.body);
  return texts;
}"""
"""Texts in which a study's characters turn the app's own words around."""
LIVE = f"[src*='{OUTSIDE}'], [href*='{OUTSIDE}'], [href^='javascript'], iframe, object, embed"


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return hostile_study(tmp_path_factory.mktemp("hostile"))


class Watched:
    """A tab that notes what no page may do: everything but requests below ``home``."""

    def __init__(self, browser: Browser) -> None:
        self.context = browser.new_context(viewport={"width": 1440, "height": 900})
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.home, self.wrong = "", []
        self.page.on("request", self._request)
        self.page.on("websocket", lambda socket: self._address(socket.url.replace("ws", "http", 1)))
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)
        self.context.on("page", lambda page: self.wrong.append(f"window: {page.url}"))

    def open(self, home: str, path: str = "") -> None:
        """Go to a page; ``home``: where it may ask for something."""
        self.home = home
        self.page.goto(home + path)

    def check(self) -> None:
        """Nothing ran, nothing outside was asked for, nothing is wider than the window."""
        assert self.wrong == []
        assert [frame.evaluate("window.attacked") for frame in self.page.frames] == [None]
        assert self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert self.page.locator(LIVE).evaluate_all("nodes => nodes.map((node) => node.outerHTML)") == []
        assert self.page.evaluate(TURNED, SENTENCES) == []

    def _request(self, request: Request) -> None:
        self._address(request.url)

    def _address(self, url: str) -> None:
        if not url.startswith((self.home, "data:", "blob:")):
            self.wrong.append(f"request: {url}")

    def _console(self, message: ConsoleMessage) -> None:
        url = message.location["url"]
        if message.type == "error" and "/_stcore/" not in url:  # Streamlit looks for its server above a page's path
            self.wrong.append(f"console: {message.text} {url}")

    def _dialog(self, dialog: Dialog) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Watched]:
    watched = Watched(browser)
    yield watched
    watched.context.close()


@pytest.mark.parametrize("name", CASES)
def test_no_page_and_no_export_obeys(tab: Watched, study: Study, server: str, tmp_path: Path, name: str):
    path, ready, least = CASES[name]
    tab.open(server, f"{path}study={quote(str(study.folder))}")
    expect(tab.page.locator(ready).first).to_be_visible()
    expect(tab.page.get_by_test_id("stStatusWidget")).to_have_count(0)
    expect(tab.page.get_by_test_id("stException")).to_have_count(0)
    tab.check()
    files = download_all(tab, tmp_path, least) if least else []
    tab.check()
    for file in files:
        check_file(file)
        if file.suffix == ".html":
            tab.open(file.as_uri())
            tab.check()
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.check()


def test_a_table_is_exported_by_our_writer_alone(tab: Watched, study: Study, server: str, tmp_path: Path):
    tab.open(server, f"/repair?side-by-side=1&study={quote(str(study.folder))}")
    table = tab.page.get_by_test_id("stDataFrame").last
    expect(table).to_be_visible()
    table.hover()
    toolbar = table.get_by_test_id("stElementToolbar")
    expect(toolbar.get_by_role("button", name="Search")).to_be_visible()
    expect(toolbar.get_by_role("button", name="Download")).to_have_count(0)
    with tab.page.expect_download() as started:
        tab.page.get_by_role("button", name="CSV").click()
    started.value.save_as(tmp_path / "answers.csv")
    check_file(tmp_path / "answers.csv")


def download_all(tab: Watched, folder: Path, least: int) -> list[Path]:
    """Click every download button in the page's popover for files, of which there are at least so many."""
    files: list[Path] = []
    names = re.compile("Download|Export|Share", re.IGNORECASE)
    tab.page.get_by_test_id("stMain").get_by_test_id("stPopover").get_by_role("button", name=names).last.click()
    buttons = tab.page.get_by_test_id("stPopoverBody").get_by_test_id("stDownloadButton").get_by_role("button")
    expect(buttons.nth(least - 1)).to_be_visible()
    for number, button in enumerate(buttons.all()):
        expect(tab.page.get_by_test_id("stStatusWidget")).to_have_count(0)  # a run gives every button a new address
        with tab.page.expect_download() as started:
            button.click()
        name = started.value.suggested_filename
        assert not re.search(r"[/\\\x00-\x1f]|^\.", name)
        files.append(folder / f"{number}{Path(name).suffix}")
        started.value.save_as(files[-1])
    tab.page.keyboard.press("Escape")
    return files


def check_file(file: Path) -> None:
    """Assert that a file is whole, and holds nothing that its reader would run or fetch."""
    data = file.read_bytes()
    assert data
    checks = {".svg": check_svg, ".pdf": check_pdf, ".csv": check_csv, ".zip": check_zip, ".json": json.loads}
    if file.suffix in checks:
        checks[file.suffix](data)
    elif file.suffix == ".jsonl":
        assert [json.loads(line) for line in data.splitlines()]
    elif file.suffix == ".parquet":
        assert pq.read_table(io.BytesIO(data)).num_rows
    elif file.suffix == ".html":
        assert b"default-src 'none'" in data
    else:
        assert file.suffix == ".png" and data.startswith(b"\x89PNG"), file.suffix


def check_svg(data: bytes) -> None:
    root = ElementTree.fromstring(data)
    nodes = [node for node in root.iter() if isinstance(node.tag, str)]
    assert not {node.tag.rpartition("}")[2] for node in nodes} & {"script", "foreignObject", "a", "text", "iframe"}
    values = [(name.rpartition("}")[2], value) for node in nodes for name, value in node.attrib.items()]
    assert all(value.startswith(("#", "data:image/png")) for name, value in values if name == "href")
    assert not [name for name, _ in values if name.startswith("on")]
    assert OUTSIDE.encode() not in data


def check_pdf(data: bytes) -> None:
    assert data.startswith(b"%PDF") and not re.search(rb"/(JavaScript|JS|URI|Launch|OpenAction|Annot)\b", data)


def check_csv(data: bytes) -> None:
    lines = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
    assert len(lines) > 4 and len({len(line) for line in lines}) == 1
    for cell in (cell for line in lines for cell in line):
        assert not re.match(r"[=+@\t\r\n＝＋－＠]|-(?![\d.]+(e-\d+)?$)", cell), cell


def check_zip(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            assert re.fullmatch(r"[\w.-]+", name), name
            text = archive.read(name).decode()
            if name.endswith(".py"):
                assert not [*breaches(text)]
            elif name.endswith(".jsonl"):
                assert [json.loads(line) for line in text.split("\n") if line]
