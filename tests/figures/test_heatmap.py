import json
import re
from xml.etree import ElementTree

import pytest

from explorer import explain
from explorer.errors import ExplorerError
from explorer.figures.heatmap import export_heatmap
from explorer.figures.save import WITH_JSON

HOSTILE = '<script>alert(1)</script> ![x](http://example.com/x.png) $a_b$ 🇦🇺 مرحبا\n"quoted" \x1b[31m'
MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF-1.4", "html": b"<!doctype html>", "json": b"{"}


@pytest.fixture(scope="module")
def shown(smollm):
    return explain(HOSTILE, "Yes<b>", "No & no", model=smollm)


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("kind", WITH_JSON)
def test_every_format_is_written(shown, kind):
    data = export_heatmap(shown, kind)
    assert data.startswith(MAGIC[kind])
    assert len(data) > 1000


def test_html_is_inert(shown):
    page = export_heatmap(shown, "html").decode()
    assert "<script" not in page
    assert "http://" not in re.sub(r"http://example\.com", "", page)
    assert "&lt;script" in page or "&lt;" in page
    assert "default-src 'none'" in page
    assert not re.search(r"<(img|link|iframe|object)\b", page)


@pytest.mark.filterwarnings("ignore:Glyph")
def test_svg_is_vector_and_inert(shown):
    root = ElementTree.fromstring(export_heatmap(shown, "svg"))
    tags = {node.tag.rpartition("}")[2] for node in root.iter()}
    assert "path" in tags
    assert not tags & {"image", "script", "text"}


def test_json_holds_the_numbers(shown):
    assert json.loads(export_heatmap(shown, "json")) == json.loads(json.dumps(shown.to_json()))


def test_unknown_format(shown):
    with pytest.raises(ExplorerError, match="expected png, svg, pdf, html, json"):
        export_heatmap(shown, "docx")


def test_very_long_prompt_still_fits_the_page(smollm):
    long = explain("word " * 600 + "x" * 500, "Yes", "No", model=smollm)
    assert export_heatmap(long, "png").startswith(MAGIC["png"])
