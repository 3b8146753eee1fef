"""Which cases are listed, and in which order."""

import pytest

from explorer.surveys.folder import Note, note, read_survey
from explorer.surveys.listing import SORTS, STATES, Filter, listed, state_of
from tests.surveys.made import made_survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = made_survey(tmp_path_factory.mktemp("s") / "capitals", 12, measured=10)
    note(folder, Note("q/2", seen=True, text="Tell MARIA"))
    return read_survey(folder)


def numbers(ids: list[str]) -> list[int]:
    return [int(id.removeprefix("q/")) for id in ids]


def test_the_largest_gap_comes_first_and_what_has_none_last(survey):
    assert numbers(listed(survey, Filter())) == [10, 9, 8, 7, 3, 2, 1, 5, 4, 6, 11, 12]
    assert numbers(listed(survey, Filter(), sort="gap"))[:3] == [4, 5, 1]
    assert numbers(listed(survey, Filter(), sort="gap"))[-3:] == [6, 11, 12]
    assert numbers(listed(survey, Filter(), sort="no such"))[0] == 4


def test_every_state_is_told_apart(survey):
    states = {number: state_of(survey.rows.get(f"q/{number}")) for number in (1, 4, 5, 6, 11)}
    assert states == {1: "failure", 4: "not-made", 5: "small", 6: "unreadable", 11: "waiting"}
    assert set(states.values()) == set(STATES)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(categories=("",)), [2, 5, 8, 11]),
        (Filter(outcomes=("NC-IA + AG",)), [2, 10]),
        (Filter(patterns=("URT", "OIT")), [1, 5, 8, 9]),
        (Filter(verdicts=("holds",)), [3, 9]),
        (Filter(states=("unreadable", "waiting")), [6, 11, 12]),
        (Filter(profiles=(2,)), [1]),
        (Filter(text="number 12"), [12]),
        (Filter(text="maria TELL"), [2]),
        (Filter(unseen=True, categories=("",)), [5, 8, 11]),
        (Filter(verdicts=("holds",), states=("waiting",)), []),
    ],
)
def test_filters(survey, wanted, expected):
    assert sorted(numbers(listed(survey, wanted, {"q/1": 2, "q/2": 1}))) == expected


def test_sorts(survey):
    assert numbers(listed(survey, Filter(), sort="prompt"))[-3:] == [10, 11, 12]  # 9 before 10
    assert numbers(listed(survey, Filter(), sort="-seen"))[0] == 2
    assert numbers(listed(survey, Filter(), sort="-sink"))[0] == 10
    for sort in SORTS:
        assert len(listed(survey, Filter(), sort=sort)) == 12
