"""Training data in every format, broken in thousands of ways, and files that declare more than they hold."""

import io
import json
import random
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.data.importer import import_data
from explorer.data.study import Study, read_datapoints
from explorer.data.tables import TableFile
from explorer.errors import ExplorerError
from tests.fuzz.harness import TRAPS, broken_bytes, check, contents, fuzz, mutated_bytes, seeds

CHAT = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]
ROWS: list[dict[str, Any]] = [
    {"id": "a", "prompt": "p", "response": "r", "label": "clean", "source": "s", "extra": 1},
    {"id": "b", "prompt": "q", "response": "s", "label": "bad", "source": "s", "extra": 2.5},
    {"id": "c", "messages": CHAT},
    {"id": "d", "prompt": CHAT[:1], "chosen": CHAT[1:], "rejected": CHAT[1:]},
]
TABLE = pa.table(
    {
        "id": ["a", "b", "c"],
        "prompt": ["p", "q", "r"],
        "response": pa.array(["x", None, "y"]).dictionary_encode(),
        "messages": [CHAT, CHAT, None],
        "n": [1, 2, 3],
    }
)
CSV = b'id,prompt,response,label\na,"p, q",r,clean\nb,"line\nbreak",s,bad\nc,"a ""quote""",t,\n'


def parquet(table: pa.Table, **settings: Any) -> bytes:
    """A table as the bytes of a Parquet file."""
    out = io.BytesIO()
    pq.write_table(table, out, **settings)
    return out.getvalue()


def arrow(table: pa.Table, stream: bool, compression: str | None = None) -> bytes:
    """A table as the bytes of an Arrow file, or of an Arrow stream."""
    out, options = io.BytesIO(), pa.ipc.IpcWriteOptions(compression=compression)
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(out, table.schema, options=options) as writer:
        writer.write_table(table)
    return out.getvalue()


def imported(folder: Path, name: str, data: bytes) -> None:
    """Hold the importer against a file of that name and content."""
    path = folder / name
    path.write_bytes(data)
    check(f"data {path.suffix}", lambda: import_data(path))


@fuzz(2_000)
@given(data=contents(ROWS, lines=True))
def test_json_lines(tmp_path: Path, data: bytes):
    imported(tmp_path, "data.jsonl", data)


@fuzz(1_000)
@given(data=contents({"rows": ROWS}))
def test_json(tmp_path: Path, data: bytes):
    imported(tmp_path, "data.json", data)


@fuzz(1_200)
@given(data=mutated_bytes(CSV))
def test_csv(tmp_path: Path, data: bytes):
    imported(tmp_path, "data.csv", data)


@fuzz(1_000)
@given(rng=seeds(), compression=st.sampled_from(["none", "zstd"]))
def test_parquet(tmp_path: Path, rng: random.Random, compression: str):
    data = broken_bytes(_PARQUET[compression], rng)
    imported(tmp_path, "data.parquet", data)
    check("datapoints.parquet", lambda: read_datapoints(tmp_path / "data.parquet"))


@fuzz(1_200)
@given(rng=seeds(), form=st.sampled_from(["file", "stream", "packed"]))
def test_arrow(tmp_path: Path, rng: random.Random, form: str):
    imported(tmp_path, "data.arrow", broken_bytes(_ARROW[form], rng))


@fuzz(250)
@given(values=st.lists(st.sampled_from([t for t in TRAPS if not isinstance(t, dict | list)]), min_size=3, max_size=3))
def test_values_of_any_kind_in_a_table(tmp_path: Path, values: list[Any]):
    columns = {}
    for name, value in zip(("id", "prompt", "response"), values, strict=True):
        try:
            columns[name] = pa.array([value, value])
        except (pa.ArrowException, OverflowError, UnicodeError):
            columns[name] = pa.array([str(value).encode("utf-8", "replace").decode()] * 2)
    imported(tmp_path, "data.parquet", parquet(pa.table(columns)))
    check("datapoints.parquet", lambda: read_datapoints(tmp_path / "data.parquet"))


@fuzz(400)
@given(data=contents({"_data_files": [{"filename": "data.arrow"}], "_split": None}))
def test_the_state_of_a_saved_folder(tmp_path: Path, data: bytes):
    (tmp_path / "data.arrow").write_bytes(_ARROW["stream"])
    (tmp_path / "state.json").write_bytes(data)
    check("state.json", lambda: import_data(tmp_path))


_PARQUET = {kind: parquet(TABLE, compression=kind) for kind in ("none", "zstd")}
_ARROW = {"file": arrow(TABLE, False), "stream": arrow(TABLE, True), "packed": arrow(TABLE, False, "zstd")}


def long_values(rows: int, size: int) -> pa.Table:
    """Rows that all hold the same long text, which a dictionary stores once."""
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["x" * size]))
    ids = pa.array([f"{i}" for i in range(rows)])
    return pa.table({"id": ids, "prompt": ids, "response": text})


@pytest.mark.parametrize("size", (150_000, 10_000_000))
def test_a_small_file_that_declares_gigabytes_is_refused(tmp_path: Path, size: int):
    table = long_values(40_000, size)
    for name, data in (("a.parquet", parquet(table, compression="zstd")), ("a.arrow", arrow(table, False, "zstd"))):
        path = tmp_path / name
        path.write_bytes(data)
        assert len(data) < 2_000_000 < 40_000 * size
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ExplorerError, match="expected at most"):
            read_datapoints(path) if path.suffix == ".parquet" else import_data(path)
        with pytest.raises(ExplorerError, match="expected at most"):
            import_data(path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # kB


def test_the_number_of_rows_is_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("explorer.data.tables.DATA_ROWS", 2)
    (tmp_path / "a.parquet").write_bytes(_PARQUET["none"])
    with pytest.raises(ExplorerError, match="3 rows; expected at most 2"):
        TableFile(tmp_path / "a.parquet", "Parquet")
    (tmp_path / "a.arrow").write_bytes(_ARROW["stream"])
    with pytest.raises(ExplorerError, match="3 rows; expected at most 2"):
        import_data(tmp_path / "a.arrow")


@pytest.mark.parametrize("name", ("a.parquet", "a.arrow"))
def test_a_file_that_shrinks_while_it_is_read_ends_in_a_sentence(tmp_path: Path, name: str):
    rng = np.random.default_rng(0)
    texts = [rng.bytes(200).hex() for _ in range(50_000)]
    table = pa.table({"id": [str(i) for i in range(50_000)], "prompt": texts, "response": texts})
    (tmp_path / name).write_bytes(parquet(table, row_group_size=5_000) if name.endswith("parquet") else _many(table))
    batches = TableFile(tmp_path / name, "Parquet" if name.endswith("parquet") else "Arrow").batches()
    next(batches)
    with (tmp_path / name).open("r+b") as file:
        file.truncate(1_000)
    with pytest.raises(ExplorerError, match="not readable as"):
        list(batches)


def _many(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=5_000)
    return out.getvalue()


def test_nothing_is_written_beside_the_data(study: Study, tmp_path: Path):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps(ROWS[0]))
    import_data(path)
    assert [*tmp_path.iterdir()] == [path]
