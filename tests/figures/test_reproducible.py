"""The same figure is the same file: on every export, and while seven other threads export theirs."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import matplotlib as mpl
import pytest

from explorer.figures.graph import export_graph
from explorer.figures.heatmap import export_heatmap
from explorer.figures.repair import export_repair
from explorer.repair.results import Result, row
from tests.graph.tiny import attribution_graph, explanation, tiny

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")
ARMS = [row(arm, 4, 0, {"behavior": (hits, 40)}, "0") for arm, hits in (("top", 2), ("random", 29))]
FIGURES = {
    "heatmap": partial(export_heatmap, explanation(tiny())),
    "graph": partial(export_graph, attribution_graph(tiny())),
    "repair": partial(export_repair, Result(ARMS, behavior="x", verdict="It is so.")),
}
WORK = [(name, kind) for kind in ("svg", "pdf", "png", "html") for name in FIGURES]


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns fifty times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.slow
def test_threads_write_the_bytes_that_one_alone_writes(hasty):
    before = dict(mpl.rcParams)
    alone = {work: FIGURES[work[0]](work[1]) for work in WORK}
    assert len(set(alone.values())) == len(WORK)
    many = [*WORK, *[work for work in WORK if work[1] == "svg"] * 4]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda work: FIGURES[work[0]](work[1]), many))
    wrong = [work for work, data in zip(many, together, strict=True) if data != alone[work]]
    assert not wrong
    assert dict(mpl.rcParams) == before  # a notebook keeps its own style
