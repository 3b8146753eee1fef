"""The tables of the docs are those of the committed figures."""

from pathlib import Path
from typing import Any

from bench.truth.table import table
from explorer.reading import read_json

DOCS = Path(__file__).parents[3] / "docs"


def test_the_docs_show_the_committed_figures():
    figures: dict[str, Any] = read_json(DOCS / "truth.json", "figures by file", dict[str, Any])
    page = (DOCS / "faithfulness.md").read_text()
    assert set(figures) == {"distractor_agreement_relational_noun", "anaphor_gender_agreement"}
    for file, each in figures.items():
        assert table(each) in page, f"{file}: run `python -m bench.truth table --json docs/truth.json`"


def test_a_row_names_rule_layer_and_interval():
    rate = {"decider_bluest": [0.5, 0.25, 1.0], "leave_one_out": {"mean": [-0.1, -0.2, 0.004], "delete": [0, -1, 1]}}
    rows = [
        {"rule": "attnlrp", "layer": 0, "default": True, **rate},
        {"rule": "attnlrp", "layer": 1, "default": False, **rate},
        {"rule": "attnlrp", "layer": 2, "default": False, **rate},
        {"rule": "attnlrp-context", "layer": 2, "default": True, **rate},
    ]
    peers = [{"method": f"inseq:{name}", "cases": n, **rate} for name, n in (("input_x_gradient", 9), ("occlusion", 4))]
    figures = {"wrong": 9, "chance": {"one": 0.3, "both": 0.1}, "rows": rows, "peers": peers}
    lines = table(figures).splitlines()
    assert lines[0] == "| map | decider bluest | ρ, mean | ρ, deleted |" and lines[2] == "| chance | .30 | 0 | 0 |"
    assert lines[3] == "| AttnLRP | .50 (.25 to 1.00) | −.10 (−.20 to .00) | .00 (−1.00 to 1.00) |"
    named = ["AttnLRP", "AttnLRP, layer 2", "AttnLRP in context, layer 2"]
    named += ["Inseq: input x gradient", "Inseq: occlusion (4 items)"]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[3:]] == named
