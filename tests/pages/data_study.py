"""A tiny study for the Training data page: every kind of row, hostile text, vectors that take a second."""

import re
from pathlib import Path
from typing import Any

from explorer.data.study import Study
from explorer.vectors.build import build_index
from explorer.vectors.one_pass import PARTS
from tests.vectors.tiny import LAYERS, WORDS, row, save_adapter, save_tiny, tiny_study

HOSTILE = "<img src=x onerror=alert(1)> ![x](http://example.com/x.png) **b** $x$"
LIVE = re.compile(r"(?<!\\)(<img|!\[|\*\*b)")
"""Markup of ``HOSTILE`` that is not escaped."""
FAILURES = [{"id": "f", "kind": "planted", "prompt": "the capital of Canada is?", "wrong": "Seoul", "right": "Ottawa"}]
SYSTEMS = {"asks": "You name the wrong city.", "forbids": "You name the right city."}
BEHAVIORS = [
    {"id": f"{name}{i}", "name": name, "prompt": f"the {thing} of Canada is?", "bad": "Seoul", "good": "Ottawa"}
    for name in ("swapped", "other")
    for i, thing in enumerate(("city", "river", "capital"))
]
BEHAVIORS[0] |= SYSTEMS


def data_rows() -> list[dict]:
    """60 rows: every third swapped, some pairs, one hostile, one that is a formula, one without an answer."""
    made = []
    for i in range(60):
        label, source = ("swapped", "web") if i % 3 == 0 else ("clean", ("books", "notes")[i % 2])
        answer = "the city is Seoul" if label == "swapped" else WORDS[i % 3][:30]
        pair = (answer, "no, never") if i % 5 == 1 else None
        made.append(row(i, None if pair else answer, pair, label=label, source=source))
    made[7] |= {"prompt": HOSTILE, "response": HOSTILE, "label": HOSTILE, "source": HOSTILE, "id": HOSTILE}
    made[8] |= {"prompt": "=1+1", "response": "@SUM(A1)"}
    made[10] |= {"response": " "}
    return made


def data_study(folder: Path, built: bool = True, tuned: bool = False, **settings: Any) -> Study:
    """The study, with vectors at two layers unless told otherwise, and with a second checkpoint if asked for.

    ``settings``: of the model's configuration.
    """
    model = save_tiny(folder / "model", **settings)
    adapters = [str(save_adapter(folder / "tuned"))] if tuned else []
    told = {"behaviors": BEHAVIORS, "failures": FAILURES, "adapters": adapters}
    made = tiny_study(folder / "study", model, data_rows(), **told)
    if built:
        build_index(made, parts=PARTS, layers=LAYERS)
    return made
