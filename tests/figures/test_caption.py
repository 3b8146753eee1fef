"""The caption that every export carries: what it says, that it fits, that hostile words in it stay words."""

import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from explorer.figures.caption import Caption, add_caption, caption_html, save_captioned, text_width, wrap
from explorer.figures.save import FORMATS, styled

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")
LINK = "http://localhost:8501/?case=a&token=3"
HOSTILE = '<script>alert(1)</script> $a_b$ ![x](http://example.com/x.png) "q" \x1b[31m مرحبا 日本'
FULL = Caption("Heatmap", "Be brief.", HOSTILE, HOSTILE, "No", "+1 logits", "m", "AttnLRP", "holds", "way", "red", LINK)


def drawn() -> Figure:
    with styled():
        figure = Figure(figsize=(6, 2))
        figure.add_axes((0.1, 0.2, 0.8, 0.6))
        figure.text(0.5, 0.9, "inside")
    return figure


def test_every_part_is_there_and_empty_ones_are_left_out():
    labels = [label for label, *_ in FULL.lines()]
    expected = ["System prompt", "Prompt", "Wrong answer", "Right answer"]
    assert labels == [*expected, "Gap", "Model", "Rule", "Verdict", "Path", "Legend", "Link"]
    assert [label for label, *_ in Caption("x", prompt="  ", gap="1").lines()] == ["Gap"]


def test_the_drawing_keeps_its_size_below_the_caption():
    figure = drawn()
    before = [axes.get_position().bounds for axes in figure.axes]
    add_caption(figure, FULL)
    height = figure.get_figheight()
    assert height > 2.5
    for axes, (x, y, width, tall) in zip(figure.axes, before, strict=True):
        now = axes.get_position().bounds
        assert now == pytest.approx((x, y * 2 / height, width, tall * 2 / height))
    inside, *caption = figure.texts
    assert inside.get_position()[1] * height == pytest.approx(0.9 * 2)
    assert all(text.get_position()[1] * height > 2 for text in caption)
    figure.draw_without_rendering()
    right = max(text.get_window_extent().x1 for text in caption)
    assert right <= figure.bbox.width


@pytest.mark.parametrize("text", ["word " * 200, "x" * 900, "日本語" * 90, "a " + "y" * 400 + " b", "", "one"])
def test_wrapped_lines_fit_and_lose_nothing(text):
    lines = wrap(text, 2.0, 8)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(text_width(line, 8) <= 2.0 + 1e-6 for line in lines)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_inert(kind):
    data = save_captioned(drawn(), FULL, kind)
    assert len(data) > 1000
    assert b"<script" not in data
    if kind == "svg":
        root = ElementTree.fromstring(data)
        links = {v for n in root.iter() for k, v in n.items() if k.endswith("}href")}
        assert all(link.startswith("#") for link in links)
        assert LINK in "".join(root.itertext())


def test_a_page_has_the_words_as_text_and_the_link_as_a_link():
    page = save_captioned(drawn(), FULL, "html").decode()
    assert page.count("<svg") == 1
    assert re.findall(r'<a href="([^"]*)"', page) == [LINK.replace("&", "&amp;")]
    assert "&lt;script&gt;alert(1)" in page


def test_only_web_addresses_can_be_followed():
    assert "<a " not in caption_html(Caption("x", link="javascript:alert(1)"))
