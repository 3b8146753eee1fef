"""A sample of an ``.eval`` log in parts reads as the same sample in one member; broken parts are one sentence."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from explorer.data.logs import inspect_members
from explorer.data.logs.recognise import read_log
from explorer.errors import ExplorerError
from tests.data.logs.test_inspect import EVAL, LONG, sample

HEADER = {"version": 2, "status": "success", "eval": EVAL}
FOLDER = "samples/a/b_epoch_1"
LONG_TEXT = "a long text " * 20


def parts(size: int = 2, /, **changed: Any) -> dict[str, Any]:
    """Member → content of the sample below in parts of so many messages; ``changed`` replaces members, None drops."""
    shell = sample(id="a/b", input="attachment://1", message_refs=[[1, 3], [4, 5]])
    del shell["messages"]
    pool = [
        {"role": "system", "content": "another call's"},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "attachment://1"},
        {"role": "assistant", "content": "another call's"},
        {"role": "assistant", "content": "Rome"},
    ]
    members: dict[str, Any] = {
        "sample.json": shell,
        "metadata.json": {"category": "towns"},
        "skeleton.json": {"spans": []},
        "events/stats.json": {"chunks": []},
        "events/uuids.json": ["x"],
        "events/0.json": [{"event": "model"}],
        "attachments/0.json": ["not this"],
        "attachments/1.json": [LONG_TEXT],
    } | {f"messages/{at}.json": pool[at : at + size] for at in range(0, len(pool), size)}
    return {f"{FOLDER}/{name}": content for name, content in (members | changed).items() if content is not None}


def log(folder: Path, members: dict[str, Any]) -> Path:
    with zipfile.ZipFile(folder / "a.eval", "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in {"header.json": HEADER, **members}.items():
            new.writestr(name, json.dumps(content))
    return folder / "a.eval"


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_it_reads_as_in_one_member(tmp_path: Path, size: int):
    (found,) = read_log(log(tmp_path, parts(size))).samples()
    whole = sample(
        id="a/b", input=LONG, metadata={"category": "towns"}, attachments={LONG.partition("://")[2]: LONG_TEXT}
    )
    whole["messages"] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": LONG}]
    whole["messages"] += [{"role": "assistant", "content": "Rome"}]
    (expected,) = read_log(log(tmp_path, {"samples/a/b_epoch_1.json": whole})).samples()
    assert found == replace(expected, where=found.where)
    assert found.prompt == LONG_TEXT and found.system == "Be brief." and found.category == "towns"


def test_both_shapes_stand_in_one_log(tmp_path: Path):
    other = {"samples/1_epoch_1.json": sample(), "samples/x/sample_epoch_1.json": sample(id="x/sample")}
    log_of_both = read_log(log(tmp_path, other | parts()))
    assert [found.id for found in log_of_both.samples()] == ["1", "x/sample", "a/b"] and log_of_both.failed == 3


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"messages/2.json": None}, "messages/4.json: 2 items before it in the log; expected 4."),
        ({"messages/4.json": None}, "field 'message_refs' holds [4, 5]; expected [first, end) among 4 messages."),
        ({"messages/0.json": {"role": "user"}}, "messages/0.json, line 1: expected a list, found an object."),
        ({"messages/0.json": None, "messages/2.json": None, "messages/4.json": None}, "among 0 messages"),
        ({"metadata.json": ["towns"]}, "metadata.json, line 1: expected an object"),
        ({"sample.json": None}, "field 'id' or 'input' is missing; expected a sample of Inspect."),
    ],
)
def test_missing_parts_are_told(tmp_path: Path, changed: dict[str, Any], said: str):
    with pytest.raises(ExplorerError, match=r"a\.eval") as error:
        read_log(log(tmp_path, parts(**changed)))
    assert said in str(error.value)


@pytest.mark.parametrize(
    "pairs", [[[0]], [[2, 1]], [[-1, 2]], [[0, 1e9]], [[0, 10**30]], [["0", "1"]], [7], [[True, 2]]]
)
def test_references_that_are_none(tmp_path: Path, pairs: Any):
    shell = parts()[f"{FOLDER}/sample.json"] | {"message_refs": pairs}
    with pytest.raises(ExplorerError, match="expected \\[first, end\\) among 5 messages"):
        read_log(log(tmp_path, parts(**{"sample.json": shell})))


def test_a_conversation_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shell = parts()[f"{FOLDER}/sample.json"] | {"message_refs": [[0, 5]] * 100}
    monkeypatch.setattr(inspect_members, "_MOST", 499)
    with pytest.raises(ExplorerError, match="names more than 499 messages"):
        read_log(log(tmp_path, parts(**{"sample.json": shell})))


def test_the_parts_of_a_sample_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inspect_members, "LOG_SAMPLE_BYTES", 100)
    with pytest.raises(ExplorerError, match=r"messages/2\.json: more than 100 bytes in one sample"):
        read_log(log(tmp_path, parts()))


def test_an_attachment_that_is_missing_is_told(tmp_path: Path):
    found = read_log(log(tmp_path, parts(**{"attachments/1.json": None})))
    assert [each.prompt for each in found.samples()] == ["attachment://1"]
    assert any("an attachment is missing" in problem for problem in found.problems)
