"""A JSON file in pieces is what the standard library reads at once."""

import io
import json
import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.data.logs import json_stream
from explorer.data.logs.json_stream import pieces
from explorer.errors import ExplorerError
from tests.fuzz.harness import fuzz

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def whole(value: Any, opened: set[tuple[str, ...]], keys: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """The slow reference: the same walk over the value that ``json.loads`` gives."""
    if keys in opened and isinstance(value, dict):
        return [piece for key, inner in value.items() for piece in whole(inner, opened, (*keys, key))]
    if keys in opened and isinstance(value, list):
        return [(keys, item) for item in value]
    return [(keys, value)]


@fuzz(400)
@given(value=VALUES, indent=st.sampled_from([None, 1]), chunk=st.sampled_from([1, 2, 3, 7, 1 << 16]))
def test_the_pieces_are_those_of_the_whole_value(value: Any, indent: int | None, chunk: int):
    text = json.dumps(value, indent=indent, ensure_ascii=bool(chunk % 2))
    keys = [*value] if isinstance(value, dict) else []
    for opened in (set(), {()}, {(), *((key,) for key in keys[:2])}):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_stream, "_CHUNK", chunk)
            read = [(keys, item) for keys, _, item in pieces(io.BytesIO(text.encode()), "f", opened.__contains__)]
        assert read == whole(json.loads(text), opened)


def test_the_line_of_a_piece_is_named():
    text = '{"a": 1,\n "b": [\n  {"c": 2},\n  {"c": 3}\n ]}'
    read = [(place, item) for _, place, item in pieces(io.BytesIO(text.encode()), "f", {(), ("b",)}.__contains__)]
    assert read == [("f, line 1", 1), ("f, line 3", {"c": 2}), ("f, line 4", {"c": 3})]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": [1, 2', "cut off"),
        ('{"a": [{"b": 1}, {"b": "x', "cut off"),
        ('{"a": [1 2]}', "expected ',' or ']'"),
        ('{"a" [1]}', "expected ':'"),
        ("{a: 1}", "key in quotes"),
        ('{"a": nothing}', "line 1: not JSON"),
        ('{"a": 1} {}', "expected the end"),
        ('{"a": [' + "[" * 100_000, "nested too deeply"),
        ('{"a": [' + "[" * 100 + "]" * 100 + "]}", "nested too deeply"),
        ("", "line 1: not JSON"),
    ],
)
def test_broken_json_ends_in_a_sentence(text: str, reason: str):
    with pytest.raises(ExplorerError, match=reason):
        list(pieces(io.BytesIO(text.encode()), "f", {(), ("a",)}.__contains__))


def test_nan_of_a_score_is_read():
    ((_, _, value),) = pieces(io.BytesIO(b'{"a": NaN}'), "f", {()}.__contains__)
    assert math.isnan(value)


def test_a_value_above_the_limit_is_refused_before_it_is_held(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_stream, "LOG_SAMPLE_BYTES", 1_000_000)
    file = io.BytesIO(b'{"a": ["' + b"x" * 50_000_000 + b'"]}')
    tracemalloc.start()
    with pytest.raises(ExplorerError, match="more than 1,000,000 bytes in one value"):
        list(pieces(file, "f", {(), ("a",)}.__contains__))
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
