"""The heatmap as a file: what is on screen is in every format, and nothing of it is more than a picture."""

import html
import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from explorer import Failure, explain
from explorer.errors import ExplorerError
from explorer.figures.heatmap import NOT_CHECKED, draw_maps, export_heatmap, heatmap_caption
from explorer.figures.save import WITH_JSON
from explorer.figures.token_map import OPACITY, saturation, token_map

HOSTILE = '<script>alert(1)</script> ![x](http://example.com/x.png) $a_b$ 🇦🇺 مرحبا\n"quoted" \x1b[31m'
MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF-1.4", "html": b"<!doctype html>", "json": b"{"}
LINK = "http://localhost:8501/?case=a&token=3"
pytestmark = pytest.mark.filterwarnings("ignore:Glyph")


@pytest.fixture(scope="module")
def explanation(smollm):
    return explain(Failure(HOSTILE, "Yes<b>", "No & no"), smollm)


@pytest.fixture(scope="module")
def inside(smollm):
    return explain(Failure(HOSTILE, "Yes<b>", "No & no"), smollm, rule="representation-gradient")


def two_maps(explanation, inside):
    """A signed map, and beside it the sensitivities of the same tokens, with a token selected."""
    norms = inside.trace.loss_gradient[inside.layer]
    unsigned = {"unit": "‖∂L/∂H‖", "signed": False, "measure": "sensitivity"}
    return [token_map(explanation, selected=25), token_map(inside, norms, selected=25, **unsigned)]


def boxes(page: str) -> list[tuple[str, str, str, str]]:
    """(map, number of the box, hint, its markup up to its text) of every token on a page."""
    return re.findall(r'<g id="map-(\d+)-(\d+)"><title>(.*?)</title><text [^>]*>(.*?)</text>', page)


@pytest.mark.parametrize("kind", WITH_JSON)
def test_every_format_is_written(explanation, kind):
    data = export_heatmap(explanation, kind, LINK)
    assert data.startswith(MAGIC[kind])
    assert len(data) > 1000


def test_html_is_inert(explanation):
    page = export_heatmap(explanation, "html").decode()
    assert "<script" not in page
    assert "http://" not in re.sub(r"http://example\.com", "", page)
    assert "&lt;script" in page
    assert "default-src 'none'" in page
    assert not re.search(r"<(img|link|iframe|object|image)\b", page)
    assert not re.search(r"url\((?!#)", page)


def test_svg_is_vector_and_inert(explanation):
    root = ElementTree.fromstring(export_heatmap(explanation, "svg"))
    tags = {node.tag.rpartition("}")[2] for node in root.iter()}
    assert "path" in tags
    assert not tags & {"image", "script", "text"}


def test_a_page_is_the_drawing_with_every_token_as_text_and_its_figures_as_a_hint(explanation):
    page = export_heatmap(explanation, "html", LINK).decode()
    tokens = boxes(page)
    assert len(tokens) == page.count('<g id="map-') == len(explanation.tokens)
    for token, value, (_, _, hint, text) in zip(explanation.tokens, explanation.relevance, tokens, strict=True):
        shown = token.text.replace("\n", "↵").replace("\t", "⇥").replace("\x1b", "·") or "·"
        assert html.unescape(text) == shown
        assert f"{value:+.4g} logits" in html.unescape(hint)
        assert f"position {token.index}" in hint
    vectors = export_heatmap(explanation, "svg").decode()
    assert vectors.count('<g id="map-') == len(tokens)


def test_colours_are_the_screens(explanation):
    page = export_heatmap(explanation, "html").decode()
    scale = saturation(explanation.tokens, explanation.relevance)
    for index, value in enumerate(explanation.relevance):
        at = page.index(f'<g id="map-0-{index}">')
        style = page[at : page.index("</g>", at)]
        if abs(value) / scale > 0.02:
            assert ("#dc2626" if value > 0 else "#2563eb") in style
            opacity = float(re.findall(r"(?:fill-)?opacity: ([\d.]+)", style)[0])
            assert opacity == pytest.approx(OPACITY * min(1, abs(value) / scale), abs=2e-3)


def test_two_maps_stand_side_by_side_as_on_screen(explanation, inside):
    maps = two_maps(explanation, inside)
    page = export_heatmap(maps, "html", LINK).decode()
    numbers = [int(number) for number, *_ in boxes(page)]
    assert numbers == [0] * len(explanation.tokens) + [1] * len(explanation.tokens)
    _, placed = draw_maps(maps, columns=2)
    assert placed[0][2] == placed[1][2] and placed[0][1] < placed[1][1]
    hints = [html.unescape(hint) for number, _, hint, _ in boxes(page) if number == "1"]
    assert all("‖∂L/∂H‖" in hint for hint in hints)
    caption = heatmap_caption(maps, LINK)
    assert "Representation gradient, layer 15" in caption.rule and "AttnLRP, layer 0" in caption.rule
    assert "sensitivity" in caption.legend
    figures = json.loads(export_heatmap(maps, "json"))["maps"]
    assert figures[0] == json.loads(json.dumps(explanation.to_json()))
    assert np.allclose(figures[1]["shown"]["values"], maps[1].values)


def test_the_selected_token_is_outlined(explanation):
    outlined = export_heatmap([token_map(explanation, selected=25)], "svg")
    assert outlined != export_heatmap([token_map(explanation)], "svg")
    figure, _ = draw_maps([token_map(explanation, selected=25)])
    patches = [patch for patch in figure.axes[0].patches if patch.get_linewidth() > 0]
    assert [patch.get_gid() for patch in patches] == ["map-0-25"]


def test_disputed_tokens_carry_their_mark(explanation):
    marked = token_map(explanation, disputed=[25])
    page = html.unescape(export_heatmap([marked], "html").decode())
    assert page.count("± the rules disagree on its sign") == 1
    assert "±: the rules disagree" in heatmap_caption([marked]).legend
    figure, _ = draw_maps([marked])
    assert [text.get_text() for text in figure.axes[0].texts].count("±") == 1


@pytest.mark.slow
def test_the_caption_has_both_answers_gap_model_rule_and_link(smollm):
    failure = Failure("one two three\nfour five?", "yes, it is", "yes, it was", system="Be kind.")
    whole = explain(failure, smollm, rule="cplrp", layer=3, whole=True)
    verdict = whole.verdict(smollm, operators=["delete"], orders=2)
    caption = heatmap_caption([token_map(whole)], LINK, [verdict])
    assert (caption.prompt, caption.system) == ("one two three\nfour five?", "Be kind.")
    assert (caption.wrong, caption.right) == (failure.wrong, failure.right)
    assert f"{whole.trace.gap:+.2f} nats" in caption.gap
    assert caption.rule == "CP-LRP, layer 3, whole answers"
    assert (caption.link, caption.verdict) == (LINK, verdict.sentence)
    assert heatmap_caption([token_map(whole)], LINK).verdict == NOT_CHECKED
    assert whole.model in caption.model
    page = export_heatmap(whole, "html", LINK, [verdict]).decode()
    for text in (failure.wrong, failure.right, verdict.sentence, caption.gap, LINK.replace("&", "&amp;")):
        assert text in page


def test_json_holds_the_numbers(explanation):
    assert json.loads(export_heatmap(explanation, "json")) == json.loads(json.dumps(explanation.to_json()))


def test_unknown_format(explanation):
    with pytest.raises(ExplorerError, match="expected png, svg, pdf, html, json"):
        export_heatmap(explanation, "docx")


@pytest.mark.slow
def test_very_long_prompt_still_fits_the_page(smollm):
    long = explain(Failure("word " * 600 + "x" * 500, "Yes", "No"), smollm)
    assert export_heatmap(long, "png", LINK).startswith(MAGIC["png"])
    figure, ((laid_out, *_),) = draw_maps([token_map(long)])
    assert all(box.x + box.width <= figure.get_figwidth() for box in laid_out.boxes)
