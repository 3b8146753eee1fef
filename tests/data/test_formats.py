"""Every accepted file format gives the same rows, and a file that can't be read is named in one sentence."""

import json
import re
import subprocess
import sys
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer.data.formats import open_data
from explorer.data.importer import import_data
from explorer.errors import ExplorerError

ROWS = [
    {"prompt": "<script>alert(1)</script>", "response": "![x](http://a/b.png)", "score": 1.5, "good": True},
    {"prompt": "é\u2028 'quoted', \"twice\"\nand a line", "response": " spaces stay ", "score": 2.0, "good": False},
]
CHAT = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "r"},
]


def arrow_file(path: Path, table: pa.Table, stream: bool = False) -> None:
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(str(path), table.schema) as writer:
        writer.write_table(table)


def write(path: Path, kind: str) -> Path:
    """ROWS in a format; returns what to read."""
    table = pa.Table.from_pylist(ROWS)
    where = path / f"data.{kind.split(maxsplit=1)[0]}"
    if kind == "jsonl":
        where.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS), encoding="utf-8-sig")
    elif kind == "json":
        where.write_text(json.dumps(ROWS, indent=1))
    elif kind == "json object":
        where.write_text(json.dumps({"version": [1, 2], "name": "x", "data": ROWS}))
    elif kind == "json lines":
        where.write_text("\n".join(map(json.dumps, ROWS)))
    elif kind == "parquet":
        pq.write_table(table, where)
    elif kind.startswith("arrow"):
        arrow_file(where, table, stream="stream" in kind)
    else:
        where = path / "saved"
        datasets.Dataset.from_list(ROWS).save_to_disk(where, num_shards=2)
        arrow_file(where / "cache-0123.arrow", table, stream=True)
    return where


@pytest.mark.parametrize(
    "kind", ["jsonl", "json", "json object", "json lines", "parquet", "arrow", "arrow stream", "save_to_disk"]
)
def test_every_format_keeps_every_character(tmp_path, kind):
    imported = import_data(write(tmp_path, kind))
    expected = [{"id": f"row-{n:06}", **row} for n, row in enumerate(ROWS, 1)]
    assert imported.table.to_pylist() == expected
    assert imported.columns == {"prompt": "prompt", "response": "response", "score": "extra", "good": "extra"}
    assert (imported.rows, imported.table.num_rows) == (2, 2)
    assert (imported.duplicates, imported.empty, imported.over_long) == (0, 0, 0)
    assert imported.problems == imported.dropped == ()


def test_csv_is_text(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('id,question,answer,score\r\n007,12,1e5,3\r\n\r\n8,"a ""b"",\nc",NaN,\r\n', encoding="utf-8-sig")
    imported = import_data(path)
    assert imported.table.to_pylist() == [
        {"id": "007", "prompt": "12", "response": "1e5", "score": "3"},
        {"id": "8", "prompt": 'a "b",\nc', "response": "NaN", "score": ""},
    ]


def test_classes_are_named_and_nested_columns_left_out(tmp_path):
    features = {
        "prompt": datasets.Value("string"),
        "response": datasets.Value("string"),
        "label": datasets.ClassLabel(names=["clean", "error"]),
        "chat": [{"role": datasets.Value("string")}],
        "when": datasets.Value("timestamp[s]"),
    }
    rows = [{"prompt": "p", "response": str(n), "label": n, "chat": [{"role": "x"}], "when": 0} for n in (1, 0, -1)]
    labelled = datasets.Dataset.from_list(rows, features=datasets.Features(features))
    labelled.save_to_disk(tmp_path / "saved")
    labelled.to_parquet(tmp_path / "saved.parquet")
    for path in (tmp_path / "saved", tmp_path / "saved.parquet"):
        imported = import_data(path)
        assert imported.table["label"].to_pylist() == ["error", "clean", None]
        assert imported.dropped == ("chat", "when")


def test_messages_in_a_saved_folder_with_splits(tmp_path):
    train = datasets.Dataset.from_list([{"messages": CHAT}])
    datasets.DatasetDict({"train": train, "test": train}).save_to_disk(tmp_path / "all")
    imported = import_data(tmp_path / "all")
    assert imported.table.to_pylist() == [{"id": "row-000001", "prompt": "Hi", "response": "r", "system": "Be kind."}]
    assert imported.format == "Hugging Face folder, split 'train' of 'test', 'train'"
    datasets.DatasetDict({"dev": train, "test": train}).save_to_disk(tmp_path / "no")
    with pytest.raises(ExplorerError, match="no split 'train'; found 'dev', 'test'"):
        import_data(tmp_path / "no")


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("a.jsonl", b'{"prompt": "p", "response": "r"}\n\n{"prompt": \n', "line 3: not JSON"),
        ("a.jsonl", b'{"prompt": "\xff"}', "line 1: not UTF-8"),
        ("a.jsonl", b"\n \n", "no rows"),
        ("a.jsonl", b"", "the file is empty"),
        ("a.jsonl", b"[" * 100_000, "line 1: not readable JSON (nested too deeply)"),
        ("a.jsonl", b'{"prompt": ' + b"1" * 5000 + b"}", "line 1: not readable JSON (a number has too many digits)"),
        ("a.json", b'[{"prompt": "p"},\n {"prompt" "p"}]', "line 2: not JSON"),
        ("a.json", b'"\xff"', "not UTF-8"),
        ("a.json", b"[]", "no rows"),
        ("a.json", b"[1]", "row 1: expected an object, found int"),
        ("a.json", b'{"a": [{}], "b": [{}]}', "expected an array of objects, or an object that holds one"),
        ("a.json", b'"text"', "expected an array of objects"),
        ("a.csv", b"prompt,response\n\xff,r\n", "not UTF-8"),
        ("a.csv", b"prompt,response\np,r\np,r,s\n", "row 2: 3 fields; expected 2"),
        ("a.csv", b'prompt,response\np,r\n"p"x,r\n', "row 2: not CSV"),
        ("a.csv", b"prompt,prompt\np,r\n", "column 'prompt' stands there twice"),
        ("a.csv", b"prompt,response\n", "no rows"),
        ("a.csv", b"prompt,response\n,r\n", "row 1: field 'prompt' is missing or empty"),
        ("a.csv", b'prompt,response\np,r\nq,"' + b"x" * 300_000, "row 2: 300,003 characters; expected at most"),
        ("a.parquet", b"PAR1 no", "not readable as Parquet"),
        ("a.arrow", b"ARROW1 no", "not readable as Arrow"),
        ("a.pkl", b"x", "unknown format '.pkl'; expected .jsonl"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named(tmp_path, name, data, complaint):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ExplorerError, match=re.escape(complaint)) as error:
        import_data(path, strict=True)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_broken_tables_and_folders_are_named(tmp_path):
    with pytest.raises(ExplorerError, match="no such file"):
        import_data(tmp_path / "gone.jsonl")
    with pytest.raises(ExplorerError, match=r"a folder without \.arrow files"):
        import_data(tmp_path)
    saved = write(tmp_path, "save_to_disk")
    shard = next(saved.glob("data-*.arrow"))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(ExplorerError, match="not readable as Hugging Face folder"):
        import_data(saved)
    (saved / "state.json").write_text("{}")
    with pytest.raises(ExplorerError, match="field '_data_files'"):
        import_data(saved)
    numbers = pa.table({"prompt": pa.array([1.5, None]), "response": ["a", "b"]})
    pq.write_table(numbers, tmp_path / "n.parquet")
    with pytest.raises(ExplorerError, match="row 1: field 'prompt' is float; expected text"):
        import_data(tmp_path / "n.parquet", strict=True)
    pq.write_table(pa.table({"prompt": pa.array(["p", None]), "response": ["a", "b"]}), tmp_path / "n.parquet")
    with pytest.raises(ExplorerError, match="row 2: field 'prompt' is missing or empty"):
        import_data(tmp_path / "n.parquet", strict=True)


def test_a_broken_arrow_file_does_not_end_the_process(tmp_path):
    """Offsets that point outside the data are found before they are followed."""
    path = tmp_path / "a.arrow"
    arrow_file(path, pa.table({"prompt": ["abc"], "response": ["r"]}))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\0\0\0\0\3\0\0\0", b"\0\0\0\0\xff\xff\xff\x7f"))
    with pytest.raises(ExplorerError, match="not readable as Arrow"):
        import_data(path)


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
def test_a_row_of_100_mb_is_refused_in_little_memory(tmp_path, kind):
    path, text = tmp_path / f"big.{kind}", "x" * 100_000_000
    if kind == "parquet":
        pq.write_table(
            pa.table({"prompt": ["p"], "response": [text]}), path, use_dictionary=False, write_statistics=False
        )
    elif kind == "csv":
        path.write_text(f"prompt,response\np,{text}\n")
    else:
        row = f'{{"prompt": "p", "response": "{text}"}}'
        path.write_text(f"[{row}]" if kind == "json" else row + "\n")
    del text
    code = f"""
import resource
from pathlib import Path
from explorer.data.importer import import_data
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    import_data(Path({str(path)!r}), strict=True)
except ValueError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1000)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    error, grown = done.stdout.splitlines()
    assert re.search(r"row 1: 100,000,\d{3} (characters|bytes); expected at most 200,000 characters in a row", error)
    assert int(grown) < (5 if kind == "jsonl" else 450)


def test_large_files_are_read_row_by_row(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "p"}\n{broken')
    rows = open_data(path, ()).rows
    assert next(rows) == {"prompt": "p"}
    with pytest.raises(ExplorerError, match="line 2: not JSON"):
        next(rows)
