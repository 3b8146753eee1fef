"""Filters over a ranking, and the files that it is written as."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from explorer.ranking.rank import Choice, Ranking
from explorer.ranking.table import Filter, matches, row_number, write_rows

SCORES = np.array([0.5, -0.25, np.nan, 0.75])


@pytest.fixture
def table() -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"id": "a", "prompt": "=1+1", "response": "Ä one", "source": "web", "extra": {"x": 1}},
            {"id": "b", "prompt": "two", "response": "-2", "source": None, "extra": None},
            {"id": "c", "prompt": "three", "response": "", "source": "web", "extra": None},
            {"id": "@d", "prompt": "4% (a.*b)", "response": "+4", "source": "book", "extra": {"x": 4}},
        ]
    )


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Filter(), "ab@d"),
        (Filter(sources=("web",)), "a"),
        (Filter(labels=("x",)), "ab@d"),  # there are no labels
        (Filter(text="ä ONE"), "a"),
        (Filter(text="(a.*b)"), "@d"),
        (Filter(text="  "), "ab@d"),
        (Filter(least=0.5), "a@d"),
        (Filter(("web",), (), "two"), ""),
    ],
)
def test_filters(table, wanted, ids):
    keep = matches(table, SCORES, wanted)
    assert "".join(table["id"].filter(pa.array(keep)).to_pylist()) == ids


def test_ranks_and_percentiles(table):
    ranking = Ranking(Choice(), SCORES)
    assert ranking.order.tolist() == [3, 0, 1]
    assert ranking.ranks.tolist() == [2, 3, 0, 1]
    assert ranking.percentiles[3] == pytest.approx(200 / 3)
    assert row_number(table, "@d") == 3
    assert row_number(table, "nobody") is None


def test_files_hold_every_row_and_no_formula(table):
    ranking = Ranking(Choice(), SCORES)
    made = ranking.table(table, ranking.order)
    lines = [json.loads(line) for line in write_rows(made, "jsonl").splitlines()]
    assert [line["id"] for line in lines] == ["@d", "a", "b"]
    assert lines[1]["prompt"] == "=1+1"
    assert lines[0] | {"rank": 1, "score": 0.75, "extra": {"x": 4}} == lines[0]
    assert pq.read_table(io.BytesIO(write_rows(made, "parquet"))).equals(made)
    sheet = pa_csv.read_csv(io.BytesIO(write_rows(made, "csv")))
    assert sheet["prompt"].to_pylist() == ["4% (a.*b)", "'=1+1", "two"]
    assert sheet["response"].to_pylist() == ["'+4", "Ä one", "'-2"]
    assert sheet["id"].to_pylist() == ["'@d", "a", "b"]
    assert sheet["score"].to_pylist() == [0.75, 0.5, -0.25]  # numbers stay numbers
    assert sheet["extra"].to_pylist() == ['{"x": 4}', '{"x": 1}', ""]


def test_names_of_columns_are_no_formulas_either():
    made = write_rows(pa.table({"=x": ["a"], "y": [1]}), "csv")
    assert made.splitlines()[0] == b'"\'=x","y"'


ATTACKS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠x")


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.int32(), pa.binary()),
        pa.list_(pa.string()),
        pa.struct({"x": pa.string()}),
        pa.map_(pa.string(), pa.string()),
    ],
    ids=str,
)
def test_no_kind_of_column_holds_a_formula(kind):
    nested = {"list": lambda x: [x], "struct": lambda x: {"x": x}, "map": lambda x: [(x, x)]}
    shape = nested.get(str(kind).split("<")[0], lambda x: x)
    binary = "binary" in str(kind)
    cells = [shape(text.encode() if binary else text) for text in ATTACKS]
    table = pa.table({"a": pa.array(cells, kind), "=x": pa.array([*range(-5, 6)])})
    lines = list(csv.reader(io.StringIO(write_rows(table, "csv").decode(), newline="")))
    assert lines[0] == ["a", "'=x"]
    assert all(line[0][0] in "'[{" for line in lines[1:])
    assert [int(line[1]) for line in lines[1:]] == [*range(-5, 6)]
    if kind == pa.string():
        assert [line[0] for line in lines[1:]] == [f"'{text}" for text in ATTACKS]


def test_what_is_no_text_is_written_too():
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    columns = {"t": [when], "d": [when - when], "x": [Decimal("-1.50")], "b": [b"\xff\x00"], "n": [None], "ok": [True]}
    lines = list(csv.reader(io.StringIO(write_rows(pa.table(columns), "csv").decode(), newline="")))
    assert lines[1] == ["2026-01-02 03:04:05+00:00", "0:00:00", "-1.50", "\\xff\x00", "", "true"]
