import json
import re
from xml.etree import ElementTree

import pytest

from explorer import Failure, explain
from explorer.errors import ExplorerError
from explorer.figures.heatmap import export_heatmap
from explorer.figures.save import WITH_JSON

HOSTILE = '<script>alert(1)</script> ![x](http://example.com/x.png) $a_b$ 🇦🇺 مرحبا\n"quoted" \x1b[31m'
MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF-1.4", "html": b"<!doctype html>", "json": b"{"}


@pytest.fixture(scope="module")
def explanation(smollm):
    return explain(Failure(HOSTILE, "Yes<b>", "No & no"), smollm)


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("kind", WITH_JSON)
def test_every_format_is_written(explanation, kind):
    data = export_heatmap(explanation, kind)
    assert data.startswith(MAGIC[kind])
    assert len(data) > 1000


def test_html_is_inert(explanation):
    page = export_heatmap(explanation, "html").decode()
    assert "<script" not in page
    assert "http://" not in re.sub(r"http://example\.com", "", page)
    assert "&lt;script" in page or "&lt;" in page
    assert "default-src 'none'" in page
    assert not re.search(r"<(img|link|iframe|object)\b", page)


@pytest.mark.filterwarnings("ignore:Glyph")
def test_svg_is_vector_and_inert(explanation):
    root = ElementTree.fromstring(export_heatmap(explanation, "svg"))
    tags = {node.tag.rpartition("}")[2] for node in root.iter()}
    assert "path" in tags
    assert not tags & {"image", "script", "text"}


def test_json_holds_the_numbers(explanation):
    assert json.loads(export_heatmap(explanation, "json")) == json.loads(json.dumps(explanation.to_json()))


def test_unknown_format(explanation):
    with pytest.raises(ExplorerError, match="expected png, svg, pdf, html, json"):
        export_heatmap(explanation, "docx")


def test_very_long_prompt_still_fits_the_page(smollm):
    long = explain(Failure("word " * 600 + "x" * 500, "Yes", "No"), smollm)
    assert export_heatmap(long, "png").startswith(MAGIC["png"])
