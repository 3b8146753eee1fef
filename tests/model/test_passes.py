"""Running a model in turn: who waits is told, a short pass overtakes a long one, and running out of memory is told."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from explorer.data.failures import Failure
from explorer.errors import OutOfMemory
from explorer.limits import SHORT_TOKENS
from explorer.model import memory, passes
from explorer.model.generate import greedy_answer
from explorer.model.load import LoadedModel
from explorer.model.passes import model_pass, watched
from explorer.model.prompts import encode_prompt
from explorer.trace import trace as tracing
from explorer.trace.explain import explain
from tests.model.families import tiny_model

CASE = Failure("The capital of Australia is", wrong="Sydney", right="Canberra")


class Gone(BaseException):
    """As Streamlit ends a script: no Exception."""


@pytest.fixture
def view(smollm):
    return smollm.view("attnlrp")


def held(view, tokens: int) -> tuple[threading.Event, threading.Thread]:
    """Hold the turn of a queue until the event is set."""
    running, release = threading.Event(), threading.Event()

    def hold() -> None:
        with model_pass(view, tokens):
            running.set()
            release.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert running.wait(20)
    return release, thread


def test_who_waits_is_told_within_a_second_and_gets_its_turn(smollm, view):
    release, thread = held(view, 10)
    told: list[tuple[float, str]] = []
    began = time.monotonic()

    def watch(what: str, _done: float = 0, _total: float = 0, /) -> None:
        told.append((time.monotonic() - began, what))
        if time.monotonic() - began > 0.6:
            release.set()

    with watched(watch):
        explanation = explain(CASE, smollm)
    thread.join()
    assert told[0][0] < 1 and told[0][1] == "Waiting for the model: 1 other computation first"
    assert told[-1][1] == "Tracing" and len([what for _, what in told if what == "Tracing"]) == 2 * smollm.n_layers
    assert (explanation.relevance == explain(CASE, smollm).relevance).all()


def test_a_short_pass_does_not_wait_for_a_long_one(smollm):
    release, thread = held(smollm.view("attnlrp", SHORT_TOKENS + 1), SHORT_TOKENS + 1)
    began = time.monotonic()
    explain(CASE, smollm)
    assert time.monotonic() - began < 10 and not release.is_set()
    release.set()
    thread.join()


def test_an_answer_lets_others_go_first_after_every_token(smollm):
    encoded = encode_prompt(smollm, CASE.as_prompt())
    alone = greedy_answer(smollm, encoded, 4)
    told: list[str] = []
    seen: list[tuple[int, int]] = []

    def trace() -> None:
        with watched(lambda what, *_: told.append(what)):
            explain(CASE, smollm)

    tracing = threading.Thread(target=trace)

    def progress(_what: str, done: float = 0, _total: float = 0, /) -> None:
        seen.append((int(done), told.count("Tracing")))
        if done == 1:
            tracing.start()
            while len(passes._short._waiting) < 2:
                time.sleep(0.01)

    answer = greedy_answer(smollm, encoded, 4, progress=progress)
    tracing.join()
    assert seen[:2] == [(1, 0), (2, 2 * smollm.n_layers)], "the trace ran whole between two tokens, or beside them"
    assert answer == alone and passes.idle()


def test_who_holds_a_turn_already_gives_no_way():
    queue, order = passes.Queue(), list[str]()

    def other() -> None:
        with queue.turn():
            order.append("other")

    with queue.turn(), queue.turn() as give_way:
        waiting = threading.Thread(target=other)
        waiting.start()
        while len(queue._waiting) < 2:
            time.sleep(0.01)
        give_way()
        order.append("first")
    waiting.join()
    assert order == ["first", "other"] and queue.empty


def test_a_view_is_made_in_turn(smollm):
    release, thread = held(smollm.view("attnlrp"), 10)
    model = LoadedModel(smollm.spec, tiny_model("llama"), smollm.tokenizer)
    making = threading.Thread(target=lambda: model.view("cplrp"))
    making.start()
    making.join(0.5)
    assert making.is_alive() and not model._views
    release.set()
    thread.join()
    making.join()
    assert model.view("cplrp") is model.view("cplrp")


def test_the_two_views_of_a_rule_share_every_tensor_and_agree(smollm):
    short, long = smollm.view("attnlrp"), smollm.view("attnlrp", SHORT_TOKENS + 1)
    assert short is not long
    pairs = zip(short.parameters(), long.parameters(), strict=True)
    assert all(one.data_ptr() == other.data_ptr() for one, other in pairs)
    ids = list(range(100, 120))
    one, other = (tracing.trace_ids(v, ids, 5, 6) for v in (short, long))
    assert (one.relevance == other.relevance).all() and one.gap == other.gap


@pytest.mark.parametrize("at", [0, 10, 29, 30, 45, 59])
def test_a_pass_ends_where_its_session_goes_and_the_model_stays_usable(smollm, at):
    before = explain(CASE, smollm)
    seen: list[float] = []

    def gone(_what: str, _done: float = 0, _total: float = 0, /) -> None:
        seen.append(_done)
        if len(seen) == at + 1:
            raise Gone

    with pytest.raises(Gone), watched(gone):
        explain(CASE, smollm)
    assert len(seen) == at + 1  # nothing of it ran on
    after = explain(CASE, smollm)
    assert (after.relevance == before.relevance).all()


def test_who_gives_up_waiting_leaves_the_queue(smollm, view):
    release, thread = held(view, 10)

    def gone(*_told: object) -> None:
        raise Gone

    with pytest.raises(Gone), watched(gone):
        explain(CASE, smollm)
    release.set()
    thread.join()
    assert not passes._short._waiting
    explain(CASE, smollm)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_running_out_of_memory_is_a_sentence_and_the_model_stays_usable(smollm, view, error):
    before = explain(CASE, smollm)
    block = view.model.layers[7]
    handle = block.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(error))
    try:
        with pytest.raises(OutOfMemory, match=r"^Tracing \(\d+ tokens\) ran out of memory; shorten the prompt, or use"):
            explain(CASE, smollm)
    finally:
        handle.remove()
    assert (explain(CASE, smollm).relevance == before.relevance).all()


def test_other_errors_pass(view):
    with pytest.raises(RuntimeError, match="shapes"), model_pass(view, 3):
        raise RuntimeError("shapes do not fit")


def test_memory_is_estimated_before_a_pass(smollm, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda _device: 1_000_000)
    with pytest.raises(Exception, match="shorten the prompt to about"):
        explain(CASE, smollm)


def test_a_limit_on_the_process_counts_as_less_free_memory(monkeypatch):
    resource = pytest.importorskip("resource")
    free = memory.free_bytes(torch.device("cpu"))
    import psutil

    used = psutil.Process().memory_info().vms
    monkeypatch.setattr(memory.resource, "getrlimit", lambda _what: (used + 5_000_000, resource.RLIM_INFINITY))
    assert memory.free_bytes(torch.device("cpu")) <= 5_000_000 < free


def test_tiny_models_are_told_too():
    from explorer.model.lrp import lrp_view

    view, told = lrp_view(tiny_model("llama", dtype=torch.float64), "cplrp"), []
    with watched(lambda *step: told.append(step)):
        tracing.trace_ids(view, [1, 2, 3], 4, 5)
    assert [step[1] for step in told] == list(range(6))
