"""The figure of a repair in every format."""

import pytest

from explorer.figures.repair import export_repair
from explorer.figures.save import FORMATS
from explorer.repair.results import Result, row

HOSTILE = "<img src=x onerror=alert(1)> $x"


@pytest.mark.parametrize("kind", FORMATS)
def test_the_figure_as_a_file(kind):
    hits = {"none": 30, "top": 2, HOSTILE: 29}
    arms = [
        row(arm, 4 * (arm != "none"), seed, {"behavior": (n + seed, 40)}, "0")
        for arm, n in hits.items()
        for seed in (0, 1)
    ]
    drawn = export_repair(Result(arms, behavior=HOSTILE, verdict="It is so."), kind)
    assert drawn.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "html": b"<!doctype"}[kind])
    assert b"<img" not in drawn and len(drawn) > 3000
