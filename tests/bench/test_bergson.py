"""The side-by-side with Bergson, over a stand-in that stores scores the way Bergson does."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.peers import bergson
from bench.peers.bergson import bench_peers, bergson_scores, small_study
from explorer.data.study import Study, create_study

STAND_IN = """#!{python}
import json, sys
from pathlib import Path
from typing import Any
import numpy as np
from datasets import load_from_disk
assert "--contrast.dataset" in sys.argv, "no contrast"
rows = load_from_disk("rows")
pair = {{"names": ["score_0", "written_0"], "formats": ["<f4", "bool"], "offsets": [0, 4], "itemsize": 8}}
scores = np.zeros(len(rows), dtype=np.dtype(pair))
scores["score_0"] = ["wrong" in row["response"] for row in rows]
out = Path("run/scores")
out.mkdir(parents=True)
scores.tofile(out / "scores.bin")
(out / "info.json").write_text(json.dumps({{"dtype": pair, "num_rows": len(rows)}}))
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    rows = [
        {"id": f"r{i}", "prompt": f"p{i}", "response": "wrong" if i < 10 else "right", "label": "b" if i < 10 else "no"}
        for i in range(40)
    ]
    asked = [{"id": f"b{i}", "name": "b", "prompt": f"q{i}", "bad": "wrong", "good": "right"} for i in range(5)]
    return create_study(tmp_path / "study", name="s", model="m", datapoints=rows, behaviors=asked)


def test_a_small_study_keeps_the_shares(study: Study, tmp_path: Path):
    small = small_study(study, "b", 20, 3, tmp_path / "small")
    labels = small.datapoints()["label"].to_pylist()
    assert (len(labels), labels.count("b"), len(small.behaviors())) == (20, 5, 3)
    assert len(small_study(study, "b", 1000, 60, tmp_path / "whole").datapoints()) == 40


def test_scores_are_read_and_a_failure_is_a_line(study: Study, tmp_path: Path, monkeypatch):
    command = tmp_path / "bergson"
    command.write_text(STAND_IN.format(python=sys.executable))
    os.chmod(command, 0o755)
    monkeypatch.setattr(bergson, "OURS", ())
    found, failed = bench_peers(study, "b", command, ["TrackStar, bad − good", "TrackStar, bad"])
    assert (found.average_precision, found.rows, found.guilty, found.error) == (1.0, 40, 10, "")
    assert failed.average_precision is None and failed.error == "AssertionError: no contrast"
    assert found.cpu_seconds > 0


def test_a_score_file_may_have_several_columns(tmp_path: Path):
    kind: Any = {"names": ["score_0", "score_1"], "formats": ["<f4", "<f4"], "offsets": [0, 4], "itemsize": 8}
    np.array([(1, 2), (3, 4)], dtype=np.dtype(kind)).tofile(tmp_path / "scores.bin")
    (tmp_path / "info.json").write_text(json.dumps({"dtype": kind, "num_rows": 2}))
    assert bergson_scores(tmp_path).tolist() == [1, 3]
