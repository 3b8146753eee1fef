"""Columns under any usual name, however it is spelt, or under one that people choose."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from explorer.data.behaviors import BehaviorPrompt
from explorer.data.failures import Failure
from explorer.data.formats import FORMATS
from explorer.data.importer import import_data
from explorer.data.lists import LISTS
from explorer.data.names import ALIASES, ANSWERS, CONTEXTS, MAPPED, PROMPTS, check_columns, fields_of, parse_columns
from explorer.errors import ExplorerError


def read(tmp_path, *rows, **options):
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return import_data(path, **options)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"input": "p", "output": "r"}, {"prompt": "p", "response": "r"}),
        ({"query": "p", "response": "r"}, {"prompt": "p", "response": "r"}),
        ({"problem": "p", "solution": "r"}, {"prompt": "p", "response": "r"}),
        ({"Prompt": "p", "Response": "r"}, {"prompt": "p", "response": "r"}),
        (
            {"Instruction": "p", "Input": "q", "Output": "r", "System Prompt": "s"},
            {"prompt": "p\n\nq", "response": "r", "system": "s"},
        ),
        ({"prompt": "p", "Prompt": "other", "answer": "r"}, {"prompt": "p", "response": "r", "Prompt": "other"}),
        ({"question": "17 + 25?", "answer": 42}, {"prompt": "17 + 25?", "response": "42"}),
        ({"question": "Even?", "answer": True}, {"prompt": "Even?", "response": "true"}),
        ({"text": "Is it true?", "response": "No."}, {"prompt": "Is it true?", "response": "No."}),
        ({"prompt": "Is it true?", "text": "No."}, {"prompt": "Is it true?", "response": "No."}),
        ({"text": "One line.\nAnd more\nof it."}, {"prompt": "One line.\n", "response": "And more\nof it."}),
        ({"text": "The sky is blue. So is the sea."}, {"prompt": "The sky is blue. ", "response": "So is the sea."}),
    ],
)
def test_usual_names(tmp_path, row, expected):
    (made,) = read(tmp_path, row).table.to_pylist()
    assert made == {"id": "row-000001"} | expected


def test_the_summary_and_errors_name_the_columns_of_the_file(tmp_path):
    imported = read(tmp_path, {"Problem": "p", "Solution": "r", "Level": 3})
    assert imported.columns == {"Problem": "prompt", "Solution": "response", "Level": "extra"}
    with pytest.raises(ExplorerError, match="field 'Problem' is int; expected text"):
        read(tmp_path, {"Problem": 1, "Solution": "r"})


def test_a_text_that_is_split_is_told(tmp_path):
    (problem,) = read(tmp_path, {"text": "a b"}, {"text": "c d"}).problems
    assert problem.startswith("2 rows of one text: its beginning")


MAP = {"prompt": "Frage", "response": "Antwort"}


def test_columns_that_people_choose(tmp_path):
    row = {"Frage": "p", "Antwort": "r", "prompt": "no", "output": "no", "chosen": "no", "rejected": "no", "lang": "de"}
    imported = read(tmp_path, row, columns=MAP)
    assert imported.table.to_pylist() == [
        {"id": "row-000001", "prompt": "p", "response": "r", "output": "no", "lang": "de"}
    ]
    assert imported.columns == {"Frage": "prompt", "Antwort": "response", "output": "extra", "lang": "extra"}
    assert imported.dropped == ("prompt", "chosen", "rejected")


def test_a_chosen_column_within_another_one_and_a_context(tmp_path):
    row = {"data": {"q": "p", "a": "r"}, "passage": "c"}
    columns = {"prompt": "data.q", "response": "data.a", "context": "passage"}
    assert read(tmp_path, row, columns=columns).table.to_pylist() == [
        {"id": "row-000001", "prompt": "p\n\nc", "response": "r"}
    ]


def test_nothing_else_is_taken_where_a_chosen_column_is_empty(tmp_path):
    rows = [{"Frage": "p", "Antwort": "r"}, {"Frage": "", "prompt": "no", "Antwort": "r"}]
    imported = read(tmp_path, *rows, columns=MAP)
    assert (imported.table["prompt"].to_pylist(), imported.broken) == (["p"], 1)


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"prompt": "gone", "response": "b"}, "no column 'gone' for '--columns prompt=gone'; found 'a', 'b'"),
        ({"promt": "a"}, "--columns promt=a: no such field; expected prompt, response, chosen"),
    ],
)
def test_a_wrong_choice_is_named(tmp_path, columns, complaint):
    with pytest.raises(ExplorerError, match=complaint):
        read(tmp_path, {"a": "p", "b": "r"}, columns=columns)


def test_the_option_in_words():
    assert parse_columns("prompt=Frage, response=Beste Antwort") == {"prompt": "Frage", "response": "Beste Antwort"}
    for text in ("prompt", "prompt=", "prompt=a,"):
        with pytest.raises(ExplorerError, match="expected FIELD=COLUMN"):
            parse_columns(text)
    check_columns(dict.fromkeys(MAPPED, "x"))


def test_no_two_columns_become_one_field():
    assert fields_of(("conversations", "messages", "Prompt", "PROMPT")) == {
        "conversations": "conversations",
        "messages": "messages",
        "Prompt": "prompt",
        "PROMPT": "PROMPT",
    }


def test_the_page_on_own_data_has_every_name_and_list():
    page = (Path(__file__).parents[2] / "docs/own-data.md").read_text(encoding="utf-8")
    names = [*PROMPTS, *ANSWERS, *CONTEXTS, *ALIASES, "label", "source", "unanswered"]
    assert [name for name in names if f"`{name}`" not in page] == []
    assert [name for name in MAPPED if not re.search(rf"The fields are[^;]*\b{name}\b", page)] == []
    for suffix in FORMATS:
        assert f"`{suffix}`" in page
    for what, fields in LISTS.items():
        (row,) = re.findall(rf"^\| `--{what}`, `{what}\.jsonl` \| `\{{(.*?)\}}`", page, re.MULTILINE)
        assert {"id", *fields} <= set(row.split(", "))
        if what in ("behaviors", "failures"):
            kind = {"behaviors": BehaviorPrompt, "failures": Failure}[what]
            assert {field.name for field in dataclasses.fields(kind)} == set(row.replace("?", "").split(", "))
