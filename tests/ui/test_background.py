"""What the background computes: the latest wish first, only while no model is at work, errors once."""

import threading
import time
from collections.abc import Iterator

import pytest

from explorer.errors import ExplorerError
from explorer.model.passes import tell
from explorer.ui import background as module
from explorer.ui.background import Background, Wish
from explorer.ui.caching import cached, results

done: list[int] = []
gate = threading.Event()


@cached()
def square(number: int) -> int:
    if number < 0:
        raise ExplorerError("no root")
    if number == 0:
        raise RuntimeError("a bug")
    if number == 99:
        gate.wait(10)
    done.append(number)
    return number * number


@pytest.fixture
def background(monkeypatch: pytest.MonkeyPatch) -> Iterator[Background]:
    monkeypatch.setattr(module, "_REST", 0.02)
    results.clear()
    done.clear()
    gate.clear()
    one = Background()
    yield one
    gate.set()
    one.stop()


def until(condition) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("nothing came")


def test_a_wish_is_fulfilled_and_then_known(background):
    assert square.known(3) is None
    assert background.soon(square, 3) is None
    until(lambda: square.known(3))
    assert background.soon(square, 3) == 9 == square.known(3)
    assert done == [3]


def test_the_latest_wish_comes_first(background):
    background.soon(square, 99)
    until(lambda: not background._wanted)
    for number in (1, 2, 3):
        background.soon(square, number)
    gate.set()
    until(lambda: len(done) == 4)
    assert done == [99, 3, 2, 1]


def test_a_page_that_is_closed_is_forgotten(background, monkeypatch):
    background.soon(square, 99)
    until(lambda: not background._wanted)
    background.soon(square, 1)
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    gate.set()
    until(lambda: not background._wanted)
    time.sleep(0.1)
    assert done == [99]


def test_nothing_begins_while_a_model_is_at_work(background, monkeypatch):
    monkeypatch.setattr(module, "idle", lambda: False)
    background.soon(square, 5)
    time.sleep(0.2)
    assert done == []
    monkeypatch.setattr(module, "idle", lambda: True)
    until(lambda: done == [5])


@pytest.mark.parametrize(("number", "sentence"), [(-1, "no root"), (0, "a bug")])
def test_an_error_is_told_once_computed(background, number, sentence):
    background.soon(square, number)
    until(lambda: background._refused)
    with pytest.raises(ExplorerError, match=sentence):
        background.soon(square, number)


@cached()
def slow_count(steps: int) -> int:
    for step in range(steps):
        tell("counting", step, steps)
        time.sleep(0.01)
    return steps


def test_long_work_comes_after_quick_work_and_says_how_far_it_is(background, monkeypatch):
    monkeypatch.setattr(module, "_LONG_REST", 0.05)
    wish = background.later(slow_count, 100)
    assert isinstance(wish, Wish)
    assert wish.done is None
    background.soon(square, 4)
    until(lambda: square.known(4))
    assert slow_count.known(100) is None
    until(lambda: background.later(slow_count, 100).done)
    assert background.later(slow_count, 100).what == "counting"
    assert background.later(slow_count, 100).total == 100
    until(lambda: background.later(slow_count, 100) == 100)


def test_long_work_ends_when_it_is_cancelled_or_nobody_asks_any_more(background, monkeypatch):
    monkeypatch.setattr(module, "_LONG_REST", 0.02)
    background.later(slow_count, 10_000)
    until(lambda: background._now)
    background.cancel(slow_count.key(10_000))
    until(lambda: not background._now)
    assert slow_count.known(10_000) is None
    background.later(slow_count, 9_999)
    until(lambda: background._now)
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    until(lambda: not background._now)
    assert slow_count.known(9_999) is None


def test_what_was_asked_for_by_hand_is_computed_though_its_page_is_closed(background, monkeypatch):
    monkeypatch.setattr(module, "_LONG_REST", 0.02)
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    background.later(slow_count, 60)
    background.keep(slow_count.key(60))
    assert background.state(slow_count.key(60)).kept and background.state(slow_count.key(61)) is None
    until(lambda: slow_count.known(60))
    background.later(slow_count, 9_998)
    background.keep(slow_count.key(9_998))
    until(lambda: background._now)
    background.cancel(slow_count.key(9_998))  # it can still be stopped
    until(lambda: not background._now)
    assert slow_count.known(9_998) is None
