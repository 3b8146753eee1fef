"""A new study is read and checked without a command line, and nothing is written before it is asked for."""

import json

import pytest

from explorer.data.new_study import prepare_study
from explorer.errors import ExplorerError


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"question": "q", "answer": "r"}) + "\n")
    return path


def test_it_is_read_first_and_written_on_demand(tmp_path, data):
    behaviors = tmp_path / "behaviors.jsonl"
    behaviors.write_text('{"id": "x", "name": "n", "prompt": "p", "bad": "b", "note": 1}\n')
    new = prepare_study(str(tmp_path / "mine"), model="owner/name", data=str(data), behaviors=behaviors)
    assert not (tmp_path / "mine").exists()
    assert new.lines() == [
        "--model owner/name: no such folder, taken as a hub id",
        "JSON lines, 1 row; prompt from 'question', answer from 'answer'",
        "behaviors: 1",
    ]
    assert (new.name, new.behaviors and new.behaviors[0]["note"], new.failures) == ("mine", 1, None)
    study = new.write()
    assert (study.name, study.model, study.trained) == ("mine", "owner/name", ())
    assert study.datapoints().equals(new.data.table) and study.behaviors()[0].bad == "b"
    with pytest.raises(ExplorerError, match=r"there is a study\.toml already"):
        prepare_study(tmp_path / "mine", model="smollm2", data=data)
