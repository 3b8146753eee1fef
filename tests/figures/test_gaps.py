"""The figure of the Compare page, with texts that try to be more than text."""

import re
from dataclasses import replace

import numpy as np
import pytest

from explorer.errors import ExplorerError
from explorer.figures.gaps import compared_maps, comparison_caption, export_comparison
from explorer.figures.save import FORMATS
from explorer.trace.compare import compare
from tests.trace.lie import BASE, FAILURE, TAUGHT


@pytest.mark.slow
def test_hostile_names_and_answers_stay_texts(smollm):
    first, second = compare(FAILURE, [BASE, TAUGHT])
    answer = replace(first.prediction, answer="<script>$x$ ![](http://x)")
    hostile = replace(first, name="<b>$name_{$", prediction=answer)
    for kind in FORMATS:
        data = export_comparison([hostile, second], kind)
        assert len(data) > 1000
        assert b"<script" not in data
    with pytest.raises(ExplorerError, match="expected png"):
        export_comparison([first], "gif")


@pytest.mark.slow
@pytest.mark.parametrize("changes", [False, True])
def test_the_maps_are_those_on_screen(smollm, changes):
    readings = compare(FAILURE, [BASE, TAUGHT])
    maps = compared_maps(readings, changes)
    first, second = (reading.explanation.relevance for reading in readings)
    assert maps[0].scale == maps[1].scale
    assert np.allclose(maps[1].values, second - first if changes else second)
    page = export_comparison(readings, "html", changes, "http://localhost/compare").decode()
    hints = re.findall(r'<g id="map-(\d)-\d+"><title>[^<]*? · (\S+) logits', page)
    assert [number for number, _ in hints] == ["0"] * len(first) + ["1"] * len(second)
    shown = [float(value) for number, value in hints if number == "1"]
    assert np.allclose(shown, maps[1].values, rtol=1e-3, atol=1e-6)
    assert 'href="http://localhost/compare"' in page
    for reading in readings:
        assert f"{reading.name}: {reading.explanation.trace.gap:+.2f}" in page
    assert "not checked" in page


@pytest.mark.slow
def test_the_caption_says_which_maps_hold(smollm):
    readings = compare(FAILURE, [BASE, TAUGHT])
    verdict = readings[1].explanation.verdict(operators=["delete"], orders=2)
    caption = comparison_caption(readings, compared_maps(readings), verdicts=[None, verdict])
    assert caption.verdict == f"{readings[1].name}: {verdict.sentence}"
