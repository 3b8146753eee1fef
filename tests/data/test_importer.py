"""Columns under any usual name become one table of datapoints, and a row that can't be used is named."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from explorer.data.importer import LONG_CHARS, import_data
from explorer.data.turns import parse_history
from explorer.errors import ExplorerError
from explorer.limits import COLUMNS, ROW_CHARS

USER, SYSTEM = {"role": "user", "content": "Hi"}, {"role": "system", "content": "Be kind."}


def says(text: object) -> dict[str, object]:
    return {"role": "assistant", "content": text}


def jsonl(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("row", "expected", "columns"),
    [
        ({"prompts": "p", "output": "r"}, {"prompt": "p", "response": "r"}, "prompts: prompt, output: response"),
        ({"question": "p", "answer": "r"}, {"prompt": "p", "response": "r"}, "question: prompt, answer: response"),
        (
            {"instruction": "p", "input": "q", "completion": "r"},
            {"prompt": "p\n\nq", "response": "r"},
            "instruction: prompt, input: prompt, completion: response",
        ),
        (
            {"instruction": "p", "input": " ", "completion": "r"},
            {"prompt": "p", "response": "r"},
            "instruction: prompt, completion: response",
        ),
        (
            {"prompt": "p", "input": "q", "output": "r"},
            {"prompt": "p", "response": "r", "input": "q"},
            "prompt: prompt, input: extra, output: response",
        ),
        (
            {"prompt": "p", "chosen": "c", "rejected": "r", "label": 1, "source": "s", "id": 7, "system": "be"},
            {"id": "7", "prompt": "p", "chosen": "c", "rejected": "r", "system": "be", "label": "1", "source": "s"},
            "prompt: prompt, chosen: chosen, rejected: rejected, label: label, source: source, id: id, system: system",
        ),
        (
            {"chosen": [SYSTEM, USER, says("c")], "rejected": [SYSTEM, USER, says("r")]},
            {"prompt": "Hi", "chosen": "c", "rejected": "r", "system": "Be kind."},
            "chosen: prompt + chosen, rejected: prompt + rejected",
        ),
        (
            {"prompt": "p", "chosen": [SYSTEM, USER, says("c")], "rejected": [USER, says("r")]},
            {"prompt": "p", "chosen": "c", "rejected": "r"},
            "prompt: prompt, chosen: chosen, rejected: rejected",
        ),
        (
            {"prompt": [SYSTEM, USER], "completion": [says("r")]},
            {"prompt": "Hi", "response": "r", "system": "Be kind."},
            "prompt: prompt, completion: response",
        ),
        (
            {"messages": [SYSTEM, USER, USER, says("r"), USER]},
            {
                "history": '[["user", "Hi"]]',
                "prompt": "Hi",
                "response": "r",
                "system": "Be kind.",
                "unanswered": "Hi",
            },
            "messages: prompt + response",
        ),
        ({"messages": [USER], "answer": "r"}, {"prompt": "Hi", "response": "r"}, "messages: prompt, answer: response"),
        (
            {"prompt": "first turn", "messages": [USER, says("r")], "lang": "en"},
            {"prompt": "Hi", "response": "r", "lang": "en"},
            "messages: prompt + response, lang: extra",
        ),
    ],
)  # fmt: skip
def test_columns(tmp_path, row, expected, columns):
    imported = import_data(jsonl(tmp_path, row))
    assert imported.table.to_pylist() == [{"id": "row-000001"} | expected]
    assert ", ".join(f"{name}: {taken}" for name, taken in imported.columns.items()) == columns
    assert imported.dropped == (("prompt",) if row.get("prompt") == "first turn" else ())


def turn(role: str, text: str) -> dict[str, object]:
    return {"role": role, "content": text}


GREETING, LATE = says("Welcome"), turn("system", "Be brief.")
CALL, RESULT, LAST = says("call()"), turn("tool", "4"), turn("user", "2+2?")
SHARED = [SYSTEM, USER, says("Hello"), LAST]
CHAT = [SYSTEM, GREETING, USER, says("Hello"), LATE, LAST, CALL, RESULT, says("Four")]


def history(*turns: Mapping[str, object] | None) -> str:
    """The column as it should be; None: the prompt's place."""
    listed = [["user", None] if t is None else [t["role"], t["content"]] for t in turns]
    return json.dumps(listed, ensure_ascii=False)


def test_a_conversation_is_one_row_with_all_its_turns(tmp_path):
    imported = import_data(jsonl(tmp_path, {"messages": [*CHAT, USER], "label": "x"}))
    kept = history(GREETING, USER, says("Hello"), LATE, None, CALL, RESULT)
    wanted = {"history": kept, "prompt": "2+2?", "response": "Four", "system": "Be kind.", "label": "x"}
    wanted["unanswered"] = "Hi"
    assert imported.table.to_pylist() == [{"id": "row-000001"} | wanted]
    assert imported.problems == (
        "1 conversation of several answers: one row each, with the loss on all answers ('--turns each' makes 3 rows)",
        "1 conversation with messages after the last answer, which nobody answered: no loss is on them; "
        "kept as 'unanswered'",
    )
    context = parse_history(kept, "row")
    assert [t for t, _ in context[0]] == ["assistant", "user", "assistant", "system"]
    assert context[1] == (("assistant", "call()"), ("tool", "4"))
    assert parse_history(None, "row") == ((), ())


def test_every_answer_of_a_conversation_as_a_row(tmp_path):
    rows = [{"messages": CHAT, "id": "a", "label": "x"}, {"messages": [USER, says("r")], "id": "b"}]
    imported = import_data(jsonl(tmp_path, *rows), turns="each")
    hello, said = (GREETING,), (GREETING, USER, says("Hello"), LATE)
    told = {"system": "Be kind.", "label": "x"}
    assert imported.table.to_pylist() == [
        {"id": "a.1", "history": history(*hello), "prompt": "Hi", "response": "Hello", **told},
        {"id": "a.2", "history": history(*said), "prompt": "2+2?", "response": "call()", **told},
        {"id": "a.3", "history": history(*said, None, CALL, RESULT), "prompt": "2+2?", "response": "Four", **told},
        {"id": "b", "history": None, "prompt": "Hi", "response": "r", "system": None, "label": None},
    ]
    assert (imported.rows, imported.table.num_rows) == (2, 4)
    assert imported.problems == (
        "1 conversation of several answers: made into 3 rows, one an answer ('--turns all' keeps each as one row)",
    )


@pytest.mark.parametrize("turns", ("all", "each"))
@pytest.mark.parametrize(
    "row",
    (
        {"chosen": [*SHARED, says("c")], "rejected": [*SHARED, says("r")]},
        {"prompt": SHARED, "chosen": [says("c")], "rejected": [says("r")]},
        {"prompt": SHARED, "chosen": "c", "rejected": "r"},
        {"prompt": "Hi", "chosen": [*SHARED, says("c")], "rejected": [*SHARED, says("r")]},
    ),
)  # fmt: skip
def test_what_a_pair_shares_is_its_history(tmp_path, row, turns):
    imported = import_data(jsonl(tmp_path, row), turns)
    wanted = {"history": history(USER, says("Hello")), "prompt": "2+2?", "system": "Be kind."}
    assert imported.table.to_pylist() == [{"id": "row-000001", "chosen": "c", "rejected": "r"} | wanted]
    assert imported.problems == (
        "1 pair with earlier answers: these are context, and the loss is on the last ones alone",
    )


def test_an_answer_with_steps_of_its_own_after_a_plain_prompt(tmp_path):
    (row,) = import_data(
        jsonl(tmp_path, {"prompt": "2+2?", "completion": [CALL, RESULT, says("Four")]})
    ).table.to_pylist()
    assert (row["prompt"], row["response"], row["history"]) == ("2+2?", "Four", history(None, CALL, RESULT))


def test_conversations_that_differ_in_their_history_are_no_duplicates(tmp_path):
    chats = ([USER, says(text), LAST, says("Four")] for text in ("Hello", "Hello!", "Hello"))
    imported = import_data(jsonl(tmp_path, *({"messages": chat} for chat in chats)))
    assert (imported.table.num_rows, imported.duplicates) == (2, 1)


@pytest.mark.parametrize("text", ("{}x", '{"a": 1}', "[[1, 2]]", '[["user"]]', '[["user", null], ["user", null]]', "3"))
def test_a_broken_history_is_named(text):
    with pytest.raises(ExplorerError, match=r"^Datapoint a: field 'history' is no conversation; expected JSON text"):
        parse_history(text, "Datapoint a")


def test_rows_of_several_kinds(tmp_path):
    imported = import_data(
        jsonl(
            tmp_path,
            {"prompt": "a", "response": "r", "label": "bad"},
            {"prompt": "b", "chosen": "c", "rejected": "d", "meta": {"x": 1}},
            {"messages": [USER, says("first"), USER, says("last")], "": 1, "note": "n"},
            {"question": "e", "answer": "f", "label": float("nan"), "note": 3},
        )
    )
    assert imported.table.select(["prompt", "response", "chosen", "rejected", "label", "note"]).to_pylist() == [
        {"prompt": "a", "response": "r", "chosen": None, "rejected": None, "label": "bad", "note": None},
        {"prompt": "b", "response": None, "chosen": "c", "rejected": "d", "label": None, "note": None},
        {"prompt": "Hi", "response": "last", "chosen": None, "rejected": None, "label": None, "note": "n"},
        {"prompt": "e", "response": "f", "chosen": None, "rejected": None, "label": None, "note": "3"},
    ]
    assert imported.dropped == ("meta", "") and imported.columns["messages"] == "prompt + response"
    assert imported.problems[0] == "values of several kinds, kept as text: 'note'"
    assert imported.problems[1].startswith("1 conversation of several answers: one row") and imported.empty == 0


def test_rows_of_several_kinds_in_csv(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("prompt,response,chosen,rejected,label\na,r,,,x\nb,,c,d,\n")
    rows = import_data(path).table.to_pylist()
    assert [(r["response"], r["chosen"], r["rejected"], r["label"]) for r in rows] == [
        ("r", None, None, "x"),
        (None, "c", "d", None),
    ]


def test_many_rows_with_a_column_that_changes_its_kind(tmp_path):
    """Rows are gathered by the thousands: a column may be numbers in one lot and text, or nothing, in the next."""
    rows = [{"prompt": str(n), "response": "r", "a": n, "b": n, "c": None} for n in range(5000)]
    rows += [{"prompt": "last", "response": "r", "a": "text", "b": 0.5, "c": 2**70}]
    table = import_data(jsonl(tmp_path, *rows)).table
    assert [table[name].type for name in ("a", "b", "c")] == [pa.string(), pa.float64(), pa.string()]
    assert table.slice(5000).to_pylist()[0] == {
        "id": "row-005001",
        "prompt": "last",
        "response": "r",
        "a": "text",
        "b": 0.5,
        "c": str(2**70),
    }


def test_duplicates_empty_answers_and_long_rows(tmp_path):
    row = {"id": "a", "prompt": "p", "response": "r", "label": "x"}
    imported = import_data(
        jsonl(
            tmp_path,
            row,
            row,
            row | {"id": "b"},
            row | {"id": "c", "label": "y"},
            {"prompt": "q", "response": " \n"},
            {"prompt": "q2", "response": None},
            {"prompt": "q3"},
            {"prompt": "s", "chosen": "c", "rejected": ""},
            {"prompt": "t", "response": "w" * LONG_CHARS},
        )
    )
    table = imported.table.to_pylist()
    assert [r["id"] for r in table] == ["a", "c", *(f"row-00000{n}" for n in (5, 6, 7, 8, 9))]
    assert [r["response"] for r in table[2:5]] == ["", "", ""] and table[5]["rejected"] == ""
    assert (imported.rows, imported.table.num_rows) == (9, 7)
    assert (imported.duplicates, imported.empty, imported.over_long) == (2, 4, 1)
    assert imported.lines() == [
        "JSON lines, 9 rows; prompt from 'prompt', answer from 'response', 'chosen', 'rejected'",
        "taken as they are: 'id', 'label'",
        "2 exact duplicates left out",
        "4 rows without an answer kept but never ranked",
        "1 row longer than 8,192 characters",
        "1 row with the text of an earlier row but another label, all kept",
    ]


def test_what_was_recognised_as_json_and_in_words(tmp_path):
    imported = import_data(
        jsonl(tmp_path, {"instruction": "p", "input": "q", "output": "r", "\x1b[2J": [1], "\ud800": 1})
    )
    assert imported.lines()[0] == "JSON lines, 1 row; prompt from 'instruction' + 'input', answer from 'output'"
    assert imported.lines()[1] == r"left out: '\x1b[2J', '\\ud800'"
    assert json.loads(json.dumps(imported.to_json(), ensure_ascii=False).encode()) == {
        "table": ["id", "prompt", "response"],
        "format": "JSON lines",
        "columns": {"instruction": "prompt", "input": "prompt", "output": "response"},
        "dropped": ["\x1b[2J", "\\ud800"],
        "rows": 1,
        "kept": 1,
        "duplicates": 0,
        "empty": 0,
        "over_long": 0,
        "broken": 0,
        "broken_rows": [],
        "notes": [],
        "long_chars": LONG_CHARS,
        "problems": [],
    }


GOOD = {"prompt": "p", "response": "r"}


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([GOOD, {"prompt": None, "response": "r"}], "row 2: field 'prompt' is missing or empty"),
        ([{"prompt": float("nan"), "response": "r"}], "row 1: field 'prompt' is missing or empty"),
        ([{"question": " ", "response": "r"}], "row 1: field 'question' is missing or empty"),
        ([{"prompt": 7, "response": "r"}], "row 1: field 'prompt' is int; expected text"),
        ([GOOD, {"prompt": "q", "answer": {"text": "r"}}], "row 2: field 'answer' is dict; expected text"),
        ([{"prompt": "q", "messages": "r"}], "row 1: field 'messages' is str; expected a list of messages"),
        ([GOOD | {"label": ["x"]}], "row 1: field 'label' is list; expected text"),
        ([{"messages": [says("r")]}], "row 1: field 'messages' has no message of the user"),
        ([{"chosen": [USER, says("c")], "rejected": [SYSTEM, says("r")]}], "field 'chosen' has no message of the user"),
        ([{"messages": [USER, {"content": "x"}]}], "row 1: field 'messages', message 2: no role"),
        ([{"messages": [USER, says(3)]}], "row 1: field 'messages', message 2: content is int"),
        ([{"prompt": ["a"], "response": "r"}], "row 1: field 'prompt', message 1: no role"),
        ([GOOD | {"id": "a"}, GOOD | {"id": "a", "prompt": "q"}], "row 2: id 'a' stands in the file twice"),
        ([GOOD | {"id": "a"}, GOOD | {"id": "a", "label": "x"}], "row 2: id 'a' stands in the file twice"),
        (
            [{"texte": "p", "response": "r"}],
            "row 1: no column for prompts; found 'texte', 'response'; expected prompt,",
        ),
        ([{"prompt": "p", "texte": "r"}], "no column for answers; found 'prompt', 'texte'; expected response,"),
        ([{"text": "word"}], "row 1: field 'text' is one word; expected a prompt and its answer"),
        ([{"prompt": "p", "chosen": "r"}], "no column for answers; found 'prompt', 'chosen'"),
        ([{"prompt": "\ud800", "response": "r"}], r"row 1: field 'prompt' holds half a character (\ud800)"),
        ([{"prompt": "p", "response": "x" * ROW_CHARS}], "row 1: 200,001 characters; expected at most 200,000"),
        ([GOOD | {"note": "x" * ROW_CHARS}], "row 1: 200,002 characters"),
        ([[1]], "line 1: expected an object, found list"),
        ([GOOD | {f"column {n}": 1 for n in range(COLUMNS)}], "row 1: more than 500 columns"),
    ],
)
def test_a_broken_row_is_named(tmp_path, rows, complaint):
    path = jsonl(tmp_path, *rows)
    with pytest.raises(ExplorerError, match=re.escape(complaint)) as error:
        import_data(path, strict=True)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)
