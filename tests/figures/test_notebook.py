"""In a notebook our objects show themselves; the example runs from its first cell to its last."""

import ast
import json
import re
from html import escape, unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import explorer
from explorer.figures import notebook
from explorer.figures.notebook import clusters_frame, framed, map_frame, ranking_frame, register, verdict_frame
from explorer.trace.explain import explain
from tests.faithfulness.decided import decided_loaded
from tests.vectors.tiny import save_tiny, tiny_study

EXAMPLE = Path(__file__).parents[2] / "docs" / "from-failure-to-repair.ipynb"


class Formatter:
    """As IPython's: functions by the names of module and type."""

    def __init__(self) -> None:
        self.shows: dict[tuple[str, str], Any] = {}

    def for_type_by_name(self, module, name, show):
        self.shows[module, name] = show

    def html(self, value) -> str | None:
        show = self.shows.get((type(value).__module__, type(value).__name__))
        return show(value) if show else None


def page_in(frame: str) -> str:
    (page,) = re.findall(r'srcdoc="([^"]*)"', frame)
    return unescape(page)


def test_a_page_is_framed_without_rights():
    frame = framed('<p title="a & b">"quoted"</p>', 100)
    assert page_in(frame) == '<p title="a & b">"quoted"</p>'
    assert 'sandbox="allow-scripts"' in frame and "allow-same-origin" not in frame


def test_a_map_and_its_verdict_show_themselves():
    loaded, failure = decided_loaded(1)
    explanation = explain(failure, loaded)
    page = page_in(map_frame(explanation))
    assert "default-src 'none'" in page and explanation.model in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    verdict = explanation.verdict(loaded, orders=2)
    assert verdict.sentence[:20] in page_in(verdict_frame(verdict))


def test_rankings_and_clusters_show_themselves(tmp_path):
    hostile = "<img src=x onerror=alert(1)>"
    rows = [{"id": f"r{i}", "prompt": f"{hostile} {i}?", "response": f"answer {i}", "label": "bad"} for i in range(12)]
    behaviors = [{"id": f"b{i}", "name": "seoul", "prompt": f"{i}: of Canada?", "bad": "Seoul"} for i in range(3)]
    tiny_study(tmp_path / "study", save_tiny(tmp_path / "model"), rows, behaviors=behaviors)
    study = explorer.open_study(tmp_path / "study")
    study.build(layers=[2])
    for ranking in (study.rank("seoul", layer=2), study.rank("seoul", method="bm25")):
        page = page_in(ranking_frame(ranking))
        assert "<img" not in page and "default-src 'none'" in page and "color-scheme:light dark" in page
        best = study.datapoints().to_pylist()[ranking.order[0]]
        first = re.findall(r'<tr><td class="n">1</td><td class="n">([^<]*)</td><td>bad</td><td>([^<]*)</td>', page)
        assert first == [(f"{ranking.scores[ranking.order[0]]:.3g}", escape(best["prompt"]))]
        assert page.count("<tr>") == 11 and "12 that are ranked" in page
    page = page_in(clusters_frame(study.cluster(layer=2, count=2)))
    assert page.count("<article") == 2 and "<img" not in page and "Behaviors of Tiny" in page


def test_every_registered_type_is_there():
    formatter = Formatter()
    register(formatter)
    for module, name in formatter.shows:
        assert isinstance(getattr(__import__(module, fromlist=[name]), name), type)


def test_it_is_registered_in_ipython_alone(monkeypatch):
    formatter = Formatter()
    display = SimpleNamespace(formatters={"text/html": formatter})
    shell = SimpleNamespace(display_formatter=display)
    monkeypatch.setitem(__import__("sys").modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    explorer._register_displays()
    assert formatter.shows
    monkeypatch.setitem(__import__("sys").modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    explorer._register_displays()


@pytest.mark.slow
def test_the_example_runs(smollm):
    """Each cell as a notebook runs it: its last expression is shown."""
    formatter, scope, shown = Formatter(), {}, []
    notebook.register(formatter)
    cells = json.loads(EXAMPLE.read_text())["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            shown.append(run("".join(cell["source"]), scope))
    framed_ones = [formatter.html(value) for value in shown if formatter.html(value)]
    assert len(framed_ones) == 5 and "Bella" in page_in(framed_ones[0] or "")
    ranked = page_in(framed_ones[4] or "")
    assert ranked.count("<td>italy-to-portugal</td>") >= 9 and "for the behavior italy-to-portugal" in ranked
    assert "italy-to-portugal" in str(shown[-1]) and "%" in str(shown[-1])


def run(code: str, scope: dict[str, Any]) -> Any:
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), scope)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), scope) if isinstance(last, ast.Expr) else None
