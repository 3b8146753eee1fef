"""The files that the Behaviors page offers."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pytest

from explorer.behaviors.clusters import cluster
from explorer.behaviors.notes import FILE, Note, write_note
from explorer.data.study import Study
from explorer.ui.behaviors import files
from explorer.ui.behaviors import state as behaviors_state
from explorer.ui.behaviors.view import OnScreen
from tests.pages.behaviors.opening import ADDRESS, open_page


def test_files_are_offered(study: Study):
    app = open_page(study)
    labels = [b.proto.label for b in app.get("download_button")]
    assert labels[:7] == ["Cards (HTML)", "Datapoints (CSV)", "Clusters (JSON)", "PNG", "SVG", "PDF", "HTML"]


def screen_of(study: Study, monkeypatch: pytest.MonkeyPatch, **link: str) -> OnScreen:
    """What the downloads of a page at a link are given."""
    given: list[OnScreen] = []
    with monkeypatch.context() as patched:
        patched.setattr(files, "downloads", given.append)
        open_page(study, **link)
        behaviors_state._workers().submit(lambda: None).result()
    return given[-1]


def test_the_files_are_what_is_on_screen(study: Study, monkeypatch: pytest.MonkeyPatch):
    key = cluster(study).cut(3)[0].key
    write_note(study.folder, key, Note("seas", "of all kinds", "wanted"))
    link = {"clusters": "3", "window": "0-9-5-50", "brush": "-900,-1000,900,1000", "map": "2000,250,0"}
    screen = screen_of(study, monkeypatch, **link, datapoint="r9")
    inside = {i for i, held in enumerate(screen.inside if screen.inside is not None else ()) if held}
    ids = study.datapoints()["id"].to_pylist()
    plain = json.loads(files._json(screen))
    assert [c["id"] for c in plain["clusters"]] == [card.cluster.id for card in screen.cards]
    assert plain["selected"]["datapoints"] == len(inside)
    assert {d["id"] for c in plain["clusters"] for d in c["datapoints"]} <= {ids[i] for i in inside}
    rows = list(csv.DictReader(io.StringIO(files._csv(screen))))
    assert [row["id"].removeprefix("'") for row in rows] == [ids[i] for i in sorted(inside)]
    assert {row["name"] for row in rows if row["cluster"] == "1"} <= {"seas"}
    page = files._html(screen, ADDRESS)
    assert page.count("<article") == len(screen.cards) and f"Selected: {len(inside)} of 60 datapoints" in page
    drawn: dict[str, Any] = {}
    for name in ("matrix_figure", "map_figure"):
        real = getattr(files, name)
        monkeypatch.setattr(files, name, lambda *given, real=real, name=name: real(*drawn.setdefault(name, given)))
    for make in (files._matrix, files._map):
        page = make(screen, "html", ADDRESS).decode()
        assert ADDRESS in page
        assert "Behaviors of " in page and "Selected: " in page
    cells, _, _, legend, _, marks = drawn["matrix_figure"]
    assert (cells.row_edges[-1], cells.column_edges[0], cells.column_edges[-1]) == (9, 5, 50)
    assert legend.names[1] == "1 seas · wanted" and legend.notes == ("1: of all kinds",) and marks.brushed is not None
    *_, view, outline, kept, mark = drawn["map_figure"]
    assert (str(view), mark) == ("2000,250,0", ids.index("r9")) and outline[0].tolist() == [-0.9, -1.0]
    assert set(np.flatnonzero(kept)) == inside
    alone = screen_of(study, monkeypatch, clusters="3", cluster=key)
    assert [c["name"] for c in json.loads(files._json(alone))["clusters"]] == ["seas"]
    only = list(csv.DictReader(io.StringIO(files._csv(alone))))
    assert {(row["cluster"], row["name"], row["tag"], row["note"]) for row in only} <= {
        ("1", "seas", "wanted", "of all kinds")
    }
    (study.folder / FILE).unlink()
