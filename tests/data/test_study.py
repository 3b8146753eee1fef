"""A study folder reads back, and a broken file of it is named."""

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer.data.study import check_study, create_study, open_study
from explorer.errors import ExplorerError
from explorer.model.load import ModelSpec

DATA = [{"id": "a", "prompt": "p", "response": "r", "label": "clean"}, {"id": "b", "prompt": "q", "response": "s"}]
BEHAVIOR = [{"id": "x", "name": "n", "prompt": "p", "bad": "b", "exhibits": "b+"}]
FAILURE = [{"id": "f", "prompt": "p", "wrong": "w", "right": "r"}]


@pytest.fixture
def study(tmp_path):
    return create_study(
        tmp_path / "s", name="One", model="smollm2", datapoints=DATA, behaviors=BEHAVIOR, failures=FAILURE, layers=[3]
    )


def test_a_study_reads_back(study):
    again = check_study(study.folder)
    assert again == study and again.layers == (3,) and again.spec == ModelSpec("smollm2")
    assert again.datapoints().num_rows == 2 and again.datapoints().column_names[:2] == ["id", "prompt"]
    assert again.behaviors()[0].exhibits == "b+" and again.failures()["f"].wrong == "w"
    with pytest.raises(ExplorerError, match="a study already"):
        create_study(study.folder, name="Two", model="smollm2", datapoints=DATA)


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("study.toml", "format = 1\nname = ", "study.toml: not TOML"),
        ("study.toml", "format = 2", "field 'format' is 2"),
        ("study.toml", 'format = 1\nmodel = "m"', "field 'name'"),
        ("study.toml", 'format = 1\nname = "n"\nmodel = "m"\nlayers = ["a"]', "field 'layers'"),
        ("study.toml", 'format = 1\nname = "n"\nmodel = "m"\ntemplate = "x"', "field 'template'"),
        ("study.toml", 'format = 1\nname = "n"\nmodel = "m"\nadapters = ["./gone"]', "no such adapter folder"),
        ("datapoints.parquet", "no parquet", "not readable as Parquet"),
        ("behaviors.jsonl", "{", "behaviors.jsonl, line 1: not JSON"),
        ("behaviors.jsonl", '{"id": "x", "name": "n", "prompt": "p"}', "line 1: field 'bad'"),
        ("behaviors.jsonl", '{"id": "x", "name": "n", "prompt": "p", "bad": "b", "exhibits": "("}', "field 'exhibits'"),
        ("behaviors.jsonl", '{"id": "x", "name": "n", "prompt": "p", "bad": "b", "half": "h"}', "field 'half'"),
        ("failures.jsonl", '\n{"id": "x", "prompt": "p", "wrong": "w"}', "line 2: field 'right'"),
    ],
)
def test_a_broken_file_is_named(study, file, text, complaint):
    (study.folder / file).write_text(text)
    with pytest.raises(ExplorerError, match=re.escape(complaint)) as error:
        check_study(study.folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([{"id": "a", "text": "p"}], "no column 'prompt'"),
        ([{"id": "a", "prompt": "p", "chosen": "c"}], "no column 'response'"),
        ([{"id": "a", "prompt": "", "response": "r"}], "row 1: field 'prompt'"),
        ([{"id": "a", "prompt": "p", "response": "r"}] * 2, "row 2: id 'a' stands in the file twice"),
        ([{"id": "a", "prompt": "p", "response": None}], "row 1: no answer"),
        ([{"id": "a", "prompt": 7, "response": "r"}], "row 1: field 'prompt'"),
        ([{"id": "a", "prompt": "p", "chosen": "c", "rejected": None}], "row 1: no answer"),
    ],
)
def test_a_broken_row_is_named(study, rows, complaint):
    pq.write_table(pa.Table.from_pylist(rows), study.folder / "datapoints.parquet")
    with pytest.raises(ExplorerError, match=re.escape(complaint)):
        study.datapoints()


def test_a_folder_without_a_study(tmp_path):
    with pytest.raises(ExplorerError, match=r"no study\.toml"):
        open_study(tmp_path)


def test_rows_with_unlike_columns_keep_all_of_them(tmp_path):
    rows = [{"id": "a", "prompt": "p", "response": "r"}, {"id": "b", "prompt": "p", "chosen": "c", "rejected": "r"}]
    study = create_study(tmp_path / "s", name="n", model="smollm2", datapoints=rows)
    nothing = dict.fromkeys(("response", "chosen", "rejected"))
    assert study.datapoints().to_pylist() == [nothing | row for row in rows]


def test_a_name_of_any_characters_reads_back(tmp_path):
    name = '"\\ \x00\x1b\x7f\x9f\u2028\u202e\n\t\r 🐳 = [x] # {{y}}'
    assert create_study(tmp_path / "s", name=name, model="smollm2", datapoints=DATA).name == name
