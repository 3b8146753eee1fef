"""Behaviors and failures from a typed, pasted or uploaded list."""

import json
from pathlib import Path

import pytest

from explorer.data.listed import make_entry, parse_listed, read_listed, study_rows
from explorer.data.study import create_study
from explorer.errors import ExplorerError

TURKEY = {"prompt": "Capital of Turkey?", "wrong": "Istanbul", "right": "Ankara", "behavior": "wrong answer"}
CANADA = {"prompt": "Capital of Canada?", "wrong": "Toronto", "behavior": "wrong answer"}


@pytest.mark.parametrize(
    "text",
    [
        "Capital of Turkey? | Istanbul | Ankara\n\nCapital of Canada? | Toronto",
        "Capital of Turkey?\tIstanbul\tAnkara\nCapital of Canada?\tToronto\t\n",
        'question,bad,expected\n"Capital of Turkey?",Istanbul,Ankara\nCapital of Canada?,Toronto,\n',
        "Prompt\tWrong\tRight\nCapital of Turkey?\tIstanbul\tAnkara\nCapital of Canada?\tToronto",
        '{"prompt": "Capital of Turkey?", "wrong": "Istanbul", "right": "Ankara"}\n'
        '{"prompt": "Capital of Canada?", "bad": "Toronto"}',
    ],
    ids=["bars", "tabs", "csv", "spreadsheet", "json lines"],
)
def test_every_way_to_paste_a_list_is_read(text):
    assert parse_listed(text) == [TURKEY, CANADA]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("  \n", "The list is empty"),
        ("only a prompt", "Line 1 has 1 parts; expected prompt | wrong answer | right answer"),
        ("a | b | c\na | b | c | d", "Line 2 has 4 parts"),
        ("a | b | b", "Line 1: the wrong answer and the right one are the same."),
        ("prompt,wrong\nx,\n", "list.csv, row 1: no wrong"),
        ('{"prompt": "x"}', "list.jsonl, row 1: no wrong; expected text under one of wrong, bad"),
    ],
)
def test_what_is_no_entry_is_named_by_its_line(text, complaint):
    with pytest.raises(ExplorerError) as error:
        parse_listed(text)
    assert str(error.value).startswith(complaint)


def test_a_list_makes_a_study_with_its_behaviors_and_failures(tmp_path: Path):
    file = tmp_path / "mine.jsonl"
    rows = [TURKEY | {"system": "Be brief.", "exhibits": "Istanbul"}, CANADA | {"id": "x"}, TURKEY | {"id": "x"}]
    file.write_text("\n".join(map(json.dumps, rows)))
    behaviors, failures = study_rows(read_listed(file, "capitals"))
    data = [{"id": "a", "prompt": "p", "response": "r"}]
    study = create_study(
        tmp_path / "s", name="S", model="smollm2", datapoints=data, behaviors=behaviors, failures=failures
    )
    assert [(b.name, b.bad, b.good) for b in study.behaviors()] == [
        ("wrong answer", "Istanbul", "Ankara"),
        ("wrong answer", "Toronto", ""),
        ("wrong answer", "Istanbul", "Ankara"),
    ]
    assert study.behaviors()[0].exhibits == "Istanbul"
    cases = list(study.failures().values())
    assert [(case.right, case.system, case.behavior) for case in cases] == [
        ("Ankara", "Be brief.", "wrong answer"),
        ("Ankara", None, "wrong answer"),
    ]


def test_a_raw_prompt_stays_raw():
    entries = [
        make_entry({"prompt": "2 + 2 =", "wrong": "5", "right": "4", "raw": raw}, "x") for raw in (True, "false")
    ]
    behaviors, failures = study_rows(entries)
    assert [row.get("raw") for row in behaviors] == [row.get("raw") for row in failures] == [True, None]
