"""Behaviors, failures and prompts in any format, as people have them, become lines that a study reads."""

import json

import pytest

from explorer.data.behaviors import read_behaviors
from explorer.data.lists import LISTS, has_questions, hold_out, read_list
from explorer.data.new_study import prepare_study
from explorer.errors import ExplorerError
from explorer.reading import read_json_lines


def put(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_numbers_capitals_and_missing_ids(tmp_path):
    rows = [{"id": 7, "Name": "n", "Prompt": "p", "bad": 4, "score": 1}, {"Name": "n", "Prompt": "q", "bad": "b"}]
    assert read_list(put(tmp_path / "b.jsonl", *rows), "behaviors") == [
        {"id": "7", "name": "n", "prompt": "p", "bad": "4", "score": 1},
        {"id": "behaviors-2", "name": "n", "prompt": "q", "bad": "b"},
    ]


def test_failures_from_a_table(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("id,prompt,system prompt,wrong,right,raw,place,evidence\n1,p,Be kind.,w,r,false,2,\n")
    wanted = {"id": "1", "prompt": "p", "system": "Be kind.", "wrong": "w", "right": "r", "raw": False, "place": 2}
    assert read_list(path, "failures") == [wanted]


@pytest.mark.parametrize(
    ("what", "row", "complaint"),
    [
        ("behaviors", {"name": "n", "prompt": "p"}, "row 1: field 'bad' is missing"),
        ("behaviors", {"name": "n", "prompt": "p", "bad": "b", "half": "third"}, "field 'half' is \"third\""),
        ("behaviors", {"name": "n", "prompt": "p", "bad": "b", "system": ["s"]}, "field 'system' is"),
        ("failures", {"prompt": "p", "wrong": "w", "right": "r", "raw": "maybe"}, "field 'raw' is \"maybe\""),
        ("discovery", {"text": "p"}, "field 'prompt' is missing"),
        ("controls", {"prompt": "p", "exhibits": "x"}, "field 'name' is missing"),
        ("guard", {"prompt": "p", "right": "("}, "field 'right'"),
    ],
)
def test_a_broken_row_is_named(tmp_path, what, row, complaint):
    with pytest.raises(ExplorerError) as error:
        read_list(put(tmp_path / "f.jsonl", row), what)
    assert complaint in str(error.value) and str(error.value).startswith(str(tmp_path / "f.jsonl"))


def test_an_id_stands_there_once(tmp_path):
    row = {"id": 1, "prompt": "p"}
    with pytest.raises(ExplorerError, match="row 2: id '1' stands in the file twice"):
        read_list(put(tmp_path / "d.jsonl", row, row), "discovery")


def test_every_list_is_written_and_read_again(tmp_path):
    row = {"name": "n", "prompt": "p", "bad": "b", "wrong": "w", "right": "r", "exhibits": "b"}
    files = {what: put(tmp_path / f"{what}-in.jsonl", row, row | {"prompt": "q"}) for what in LISTS}
    data = put(tmp_path / "data.jsonl", {"prompt": "p", "response": "r"})
    new = prepare_study(tmp_path / "mine", model="smollm2", data=data, hold_out=True, **files)
    assert new.lines()[1:] == [f"{what}: 2" for what in LISTS]
    folder = new.write().folder
    for what in LISTS:
        assert [row["id"] for _, row in read_json_lines(folder / f"{what}.jsonl")] == [f"{what}-1", f"{what}-2"]
    assert [b.half for b in read_behaviors(folder / "behaviors.jsonl")] == ["query", "evaluation"]


def test_prompts_are_held_out_where_a_repair_can_be_measured():
    def named(name, count, **more):
        return [{"id": f"{name}{n}", "name": name, "exhibits": "x"} | more for n in range(count)]

    rows = [*named("a", 3), *named("one", 1), *named("split", 2, half="query"), *named("none", 2, exhibits="")]
    halves = [row.get("half") for row in hold_out(rows)]
    assert halves == ["query", "evaluation", "query", None, "query", "query", None, None]


def test_numeric_ids_and_systems_in_the_files_of_a_study(tmp_path):
    row = {"id": 3, "name": "n", "prompt": "p", "bad": "b", "system": "Be kind."}
    (behavior,) = read_behaviors(put(tmp_path / "behaviors.jsonl", row))
    assert (behavior.id, behavior.as_prompt(raw=True).turns) == ("3", [("system", "Be kind."), ("user", "p")])


def test_questions_are_told_from_failures(tmp_path):
    assert has_questions(put(tmp_path / "q.jsonl", {"Prompt": "p", "Expected": "r"}))
    assert not has_questions(put(tmp_path / "f.jsonl", {"prompt": "p", "right": "r", "wrong": "w"}))
    assert not has_questions(put(tmp_path / "b.jsonl", {"prompt": "p", "bad": "w"}))
