"""Several files, patterns, folders of the hub, packed files; broken rows are left out and told."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer.data import importer, unpack
from explorer.data.importer import import_data
from explorer.data.sources import find_sources
from explorer.errors import ExplorerError
from explorer.limits import BROKEN_ROWS, ROW_CHARS


def gzipped(data: bytes) -> bytes:
    """Packed without the time: names of tests that hold it would differ between processes."""
    return gzip.compress(data, mtime=0)


def lines(*prompts):
    return "".join(json.dumps({"prompt": prompt, "response": "r"}) + "\n" for prompt in prompts).encode()


def prompts(imported):
    return imported.table["prompt"].to_pylist()


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_all_files_are_used(tmp_path):
    one, two = put(tmp_path / "a.jsonl", lines("a", "b")), tmp_path / "b.parquet"
    pq.write_table(pa.table({"question": ["c"], "answer": [4]}), two)
    imported = import_data([one, two, one])
    assert prompts(imported) == ["a", "b", "c"]
    assert imported.format == "JSON lines, Parquet in 2 files" and imported.rows == 3
    assert imported.notes == (f"{one}: given twice, read once",)
    assert imported.columns == {"prompt": "prompt", "response": "response", "question": "prompt", "answer": "response"}


def test_an_id_of_two_files_gets_a_number(tmp_path):
    row = {"id": 0, "response": "r"}
    for name in "abc":
        put(tmp_path / f"{name}.jsonl", json.dumps(row | {"prompt": name}).encode())
    imported = import_data(tmp_path / "*.jsonl")
    assert imported.table["id"].to_pylist() == ["0", "0#2", "0#3"]
    assert imported.problems == ("2 rows under an id that an earlier one has: a number is added",)


def test_patterns(tmp_path):
    for name in ("x/train-00001-of-00002.jsonl", "x/train-00000-of-00002.jsonl", "x/notes.txt", "y/train-1.jsonl"):
        put(tmp_path / name, lines(name))
    assert [path.name for path in find_sources(f"{tmp_path}/x/*")[0]] == [
        "train-00000-of-00002.jsonl",
        "train-00001-of-00002.jsonl",
    ]
    assert len(find_sources(f"{tmp_path}/**/*.jsonl")[0]) == 3
    put(tmp_path / "[odd].jsonl", lines("a"))
    assert find_sources(tmp_path / "[odd].jsonl")[0] == [tmp_path / "[odd].jsonl"]
    with pytest.raises(ExplorerError, match=r"\*\.txt: matches no file of training data; expected"):
        find_sources(f"{tmp_path}/x/*.txt")


def test_a_folder_of_the_hub(tmp_path):
    for split in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        put(tmp_path / f"data/{split}.jsonl", lines(split))
    put(tmp_path / ".git/train.jsonl", lines("hidden"))
    put(tmp_path / "dataset_infos.json", b"{}")
    imported = import_data(tmp_path)
    assert prompts(imported) == ["train-00000-of-00002", "train-00001-of-00002"]
    assert imported.notes == (f"{tmp_path}: 2 files of the split train; left out: test",)


def test_folders_as_splits_and_folders_without(tmp_path):
    for name in ("harmless/train.jsonl", "helpful/train.jsonl", "helpful/test.jsonl"):
        put(tmp_path / "hh" / name, lines(name))
    assert prompts(import_data(tmp_path / "hh")) == ["harmless/train.jsonl", "helpful/train.jsonl"]
    put(tmp_path / "flat/trained_models.jsonl", lines("whole"))
    put(tmp_path / "flat/more.csv", b"prompt,response\np,r\n")
    assert prompts(import_data(tmp_path / "flat")) == ["p", "whole"]
    put(tmp_path / "no/test.jsonl", lines("t"))
    with pytest.raises(ExplorerError, match="no split 'train'; found 'test'"):
        import_data(tmp_path / "no")


def test_a_folder_of_several_configurations_asks_which(tmp_path):
    readme = (
        "---\nlicense: mit\nconfigs:\n- config_name: main\n  data_files: main/*\n- config_name: socratic\n---\ntext\n"
    )
    put(tmp_path / "README.md", readme.encode())
    put(tmp_path / "main/train.jsonl", lines("m"))
    put(tmp_path / "socratic/train.jsonl", lines("s"))
    with pytest.raises(ExplorerError, match="configurations 'main', 'socratic'; give the folder or the files of one"):
        import_data(tmp_path)
    assert prompts(import_data(tmp_path / "main")) == ["m"]


def zstd(data):
    return pa.Codec("zstd").compress(data, asbytes=True)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl.gz", gzipped(lines("p"))),
        ("a.jsonl.gz", gzipped(lines("p")[:10]) + gzipped(lines("p")[10:])),
        ("a.jsonl.zst", zstd(lines("p"))),
        ("a.json.gz", gzipped(b'[{"prompt": "p", "response": "r"}]')),
        ("a.csv.gz", gzipped(b"prompt,response\np,r\n")),
        ("a.tsv", b"prompt\tresponse\np\tr\n"),
        ("a.tsv.zst", zstd(b"prompt\tresponse\np\tr\n")),
        ("a.csv", b"prompt;response\np;r\n"),
        ("a.csv", b"prompt\tresponse\np\tr\n"),
        ("a.csv", b'"prompt";"response";"note, long"\np;r;"a,b"\n'),
    ],
)
def test_packed_files_and_other_tables(tmp_path, name, data):
    (row,) = import_data(put(tmp_path / name, data)).table.to_pylist()
    assert (row["prompt"], row["response"]) == ("p", "r")


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("a.jsonl.gz", gzipped(lines("p" * 99))[:-9], "can't be unpacked"),
        ("a.jsonl.gz", b"no gzip", "can't be unpacked"),
        ("a.jsonl.zst", b"no zstd", "can't be unpacked"),
        ("a.jsonl.gz", gzipped(b""), "the file is empty"),
        ("a.parquet.gz", b"x", "unknown format '.gz'; expected .jsonl"),
        ("a.gz", b"x", "unknown format '.gz'"),
    ],
)
def test_a_broken_packed_file_is_named(tmp_path, name, data, complaint):
    with pytest.raises(ExplorerError, match=complaint) as error:
        import_data(put(tmp_path / name, data))
    assert str(tmp_path / name) in str(error.value)


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "DATA_UNPACKED_BYTES", 1_000)
    path = put(tmp_path / "a.jsonl.gz", gzipped(lines("p") + b"\n" * 100_000))
    with pytest.raises(ExplorerError, match="unpacks to more than 1,000 bytes"):
        import_data(path)


BROKEN = [
    ("a.jsonl", b'{"prompt": "p", "resp', "line 2: not JSON"),
    ("a.jsonl", b"[1]", "line 2: expected an object"),
    ("a.jsonl", b'{"prompt": "\xff", "response": "r"}', "line 2: not UTF-8"),
    ("a.jsonl", b'{"prompt": 1, "response": "r"}', "row 2: field 'prompt' is int"),
    ("a.jsonl", lines("x" * ROW_CHARS).strip(), "row 2: 200,001 characters"),
    ("a.jsonl", lines("x" * 13 * ROW_CHARS).strip(), "row 2: 2,600,"),
    ("a.jsonl", b'{"prompt": "\\ud800", "response": "r"}', "row 2: field 'prompt' holds half a character"),
]


@pytest.mark.parametrize(("name", "row", "complaint"), BROKEN)
def test_a_broken_row_is_left_out_and_told(tmp_path, name, row, complaint):
    path = put(tmp_path / name, lines("a") + row + b"\n" + lines("b"))
    imported = import_data(path)
    assert (prompts(imported), imported.rows, imported.broken) == (["a", "b"], 3, 1)
    assert imported.table["id"].to_pylist() == ["row-000001", "row-000003"]
    assert complaint in imported.broken_rows[0]
    assert imported.lines()[-2:] == [
        "1 row broken or too long, left out ('--strict' refuses the data then):",
        imported.broken_rows[0],
    ]
    with pytest.raises(ExplorerError, match=complaint):
        import_data(path, strict=True)


@pytest.mark.parametrize("row", [b"p,r,s", b'"p"x,r', b",r"])
def test_a_broken_row_of_csv(tmp_path, row):
    imported = import_data(put(tmp_path / "a.csv", b"prompt,response\na,r\n" + row + b"\nb,r\n"))
    assert (prompts(imported), imported.broken) == (["a", "b"], 1)


def test_a_broken_row_of_a_table_and_of_json(tmp_path):
    texts = ["a", "x" * 4 * ROW_CHARS * 3, "b"]
    table = pa.table({"prompt": texts, "response": ["r"] * 3})
    pq.write_table(table, tmp_path / "a.parquet", use_dictionary=False)
    put(tmp_path / "a.json", b'[{"prompt": "a", "response": "r"}, 7, {"prompt": "b", "response": "r"}]')
    for name in ("a.parquet", "a.json"):
        imported = import_data(tmp_path / name)
        assert (prompts(imported), imported.broken) == (["a", "b"], 1)


def test_many_broken_rows_are_counted_and_the_first_ones_listed(tmp_path):
    imported = import_data(put(tmp_path / "a.jsonl", lines("a") + b"{\n" * (BROKEN_ROWS + 5)))
    assert (imported.broken, len(imported.broken_rows)) == (BROKEN_ROWS + 5, BROKEN_ROWS)
    assert imported.lines()[-1] == f"… and {BROKEN_ROWS + 5 - importer.SHOWN_ROWS} more"


def test_no_usable_row_is_an_error(tmp_path):
    with pytest.raises(ExplorerError, match="line 1: not JSON"):
        import_data(put(tmp_path / "a.jsonl", b"{\n{\n"))
