"""A report as files: a page that asks for nothing and runs nothing, and a PDF that holds the same texts as vectors."""

import io
import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure
from pypdf import PdfReader
from pypdf.generic import DictionaryObject, IndirectObject

from explorer.errors import ExplorerError
from explorer.reports.blocks import Grid, Picture, Report, Section, Words, facts, plain
from tests.hostile import ALL, OUTSIDE

QUIET = {"style", "title", "meta"}
"""Tags of a page's head."""


class Markup(HTMLParser):
    """Every tag of a page with its attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._within = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag

    def handle_data(self, data: str) -> None:
        if self._within not in QUIET:
            self.text.append(data)


def words(text: str) -> str:
    return " ".join(text.split())


def pdf_text(data: bytes) -> str:
    return words(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages))


@pytest.mark.parametrize("which", ("made", "attacked"))
def test_the_page_runs_nothing_and_asks_for_nothing(which, request):
    page = request.getfixturevalue(which).html().decode()
    markup = Markup(page)
    names = {tag for tag, _ in markup.tags}
    assert not names & {"script", "iframe", "object", "embed", "link", "form", "base", "video", "audio", "input"}
    for tag, attributes in markup.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "srcset", "href", "xlink:href", "action", "style"):
            value = attributes.get(name) or ""
            allowed = tag == "a" and value.startswith("http://localhost:8501/")
            assert allowed or "//" not in value, (tag, name, value)
            assert not value.strip().lower().startswith("javascript"), (tag, value)
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert styles and not any("url(" in style or "@import" in style for style in styles)
    assert "default-src 'none'" in page and "script-src" not in page


def test_the_attacks_are_shown_as_they_are(attacked):
    text = words("".join(Markup(attacked.html().decode()).text))
    assert f"<img src=http://{OUTSIDE}/i.png>" in text and "{{7*7}}" in text
    shown = pdf_text(attacked.pdf())
    assert f"<img src=http://{OUTSIDE}/i.png>" in shown and "{{7*7}}" in shown


def test_the_page_prints_on_paper(made):
    page = made.html().decode()
    assert "@page { size: A4" in page and "break-inside: avoid" in page and "print-color-adjust: exact" in page


def test_the_pdf_says_what_the_page_says(made):
    page, shown = Markup(made.html().decode()), pdf_text(made.pdf())
    for section in made.sections:
        assert words(section.title) in shown and words(section.lead)[:60] in shown, section.title
    assert words(made.title) in shown and words(made.about.rows[0][1])[:40] in shown
    assert words(made.sections[0].lead) in words("".join(page.text))


def test_the_pdf_holds_its_fonts_and_draws_vectors(made):
    reader = PdfReader(io.BytesIO(made.pdf()))
    fonts, images = set(), 0
    for page in reader.pages:
        resources = page["/Resources"]
        assert isinstance(resources, DictionaryObject)
        for font in (resources.get("/Font") or {}).values():
            fonts.add(font.get_object()["/BaseFont"])
        images += len(page.images)
    assert images == 0
    assert all("DejaVuSans" in name for name in fonts if name not in ("/Helvetica", "/ZapfDingbats")) and fonts


@pytest.mark.parametrize("which", ("made", "attacked"))
def test_nothing_in_the_pdf_acts_by_itself(which, request):
    reader = PdfReader(io.BytesIO(request.getfixturevalue(which).pdf()))
    addresses = []

    def walk(value, seen: set) -> None:
        if isinstance(value, IndirectObject):
            if value.idnum in seen:
                return
            seen.add(value.idnum)
            value = value.get_object()
        if isinstance(value, DictionaryObject):
            assert not {"/JS", "/JavaScript", "/Launch", "/EmbeddedFile", "/AA", "/OpenAction"} & set(value)
            assert value.get("/S") not in ("/JavaScript", "/Launch", "/GoToR", "/SubmitForm")
            addresses.append(value.get("/URI"))
            for part in value.values():
                walk(part, seen)
        elif isinstance(value, list):
            for part in value:
                walk(part, seen)

    walk(reader.trailer, set())
    assert all(address.startswith("http://localhost:8501/") for address in addresses if address)


def test_every_field_of_every_block_may_be_an_attack():
    figure = Figure(figsize=(2, 1))
    blocks = (
        *(plain(ALL, kind) for kind in ("plain", "lead", "verdict", "note", "head")),
        facts((ALL, ALL)),
        Picture(figure, ALL),
        Words(ALL, ((ALL[:40], ((ALL, 1.0), (ALL, -1.0), (ALL, 0.0))),), 1.0),
        Grid((ALL, ALL), ((ALL, ALL),)),
    )
    made = Report(ALL, (Section(ALL, blocks, facts((ALL, ALL)), ALL, f"javascript:{ALL}"),), (), facts((ALL, ALL)), ALL)
    markup = Markup(made.html().decode())
    assert not {tag for tag, _ in markup.tags} & {"script", "img", "iframe", "a", "textarea"}
    assert not [name for _, attributes in markup.tags for name in attributes if name.startswith("on")]
    assert "{{7*7}}" in pdf_text(made.pdf())


def test_the_same_report_makes_the_same_bytes(made):
    assert made.pdf() == made.pdf() and made.html() == made.html()


def test_a_case_is_told_once(made):
    page = words("".join(Markup(made.html().decode()).text))
    first, second, *_ = made.sections
    assert (
        first.case == second.case and page.count("Wrong answer") == 2
    )  # map and graph share it; the data's has no gap


def test_a_comment_stands_above_its_part_on_its_own_lines():
    made = Report("t", (Section("s", (plain("body"),), comment="one\n<b>two</b>"),))
    page = made.html().decode()
    assert "one\n&lt;b&gt;two&lt;/b&gt;" in page and page.index("one") < page.index("body")
    shown = PdfReader(io.BytesIO(made.pdf())).pages[0].extract_text()
    assert shown.index("one") < shown.index("<b>two</b>") < shown.index("body")


def test_another_kind_of_file_is_refused():
    with pytest.raises(ExplorerError, match="'docx'; expected html, pdf"):
        Report("t", ()).file("docx")


def test_long_tables_and_texts_go_over_several_pages():
    rows = tuple((str(n), "word " * 900) for n in range(3))
    section = Section("s", (Grid(("n", "text"), rows, (0.1, 0.9)), plain("W" * 5000)))
    made = Report("t", (section,))
    assert len(PdfReader(io.BytesIO(made.pdf())).pages) > 3
