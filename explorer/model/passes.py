"""The one way to run a view of a model: in turn, told what it waits for, stoppable, and out of memory in a sentence.

Torch's threads are as many as the cores, so what sessions compute at once would only fight for them: they take turns,
and who writes an answer lets the others go first after every token. Short passes and long ones wait in two queues, so
that a long prompt holds up nobody who asks a short question; what is run in the long queue uses a view of its own
(``LoadedModel.view``). Whoever waits or works is told through a callback
that the thread has set with ``watched``; it may raise to end the work.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import Tensor, nn
from torch.autograd import forward_ad
from transformers import PreTrainedModel

from explorer.errors import count
from explorer.limits import SHORT_TOKENS
from explorer.model import memory
from explorer.model.hooks import hooked, output_states
from explorer.model.lrp import view_state
from explorer.model.products import fast_products
from explorer.model.residual import decoder_blocks
from explorer.progress import Progress, silent

ADVICE = "shorten the prompt, or use a smaller model"
_LOOK = 0.25
"""Seconds between two looks at the queue, and before who waits is told so."""
_watch: ContextVar[Progress] = ContextVar("watch", default=silent)
_held = threading.local()
_FORWARD_MODE = threading.Lock()


class Queue:
    """First come, first served; a thread that holds the turn gets it again at once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[int] = deque()

    @contextmanager
    def turn(self) -> Iterator[Callable[[], None]]:
        """Wait for the turn, telling the thread's watcher how many are before it, and hold it.

        Yields what lets all who wait go first and waits for the turn again; it does nothing where the thread held a
        turn before, as it may hold a lock that they wait for.
        """
        ticket = threading.get_ident()
        if getattr(_held, "turns", 0):
            yield lambda: None
            return
        with self._changed:
            self._waiting.append(ticket)
        try:
            self._wait(ticket)
            _held.turns = 1
            yield lambda: self._give_way(ticket)
        finally:
            _held.turns = 0
            with self._changed:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    @property
    def empty(self) -> bool:
        """Whether nobody has the turn."""
        return not self._waiting

    def _give_way(self, ticket: int) -> None:
        with self._changed:
            self._waiting.rotate(-1)
            self._changed.notify_all()
        self._wait(ticket)

    def _wait(self, ticket: int) -> None:
        told = time.monotonic()
        while True:
            with self._changed:
                if self._waiting[0] == ticket:
                    return
                self._changed.wait(_LOOK)
                before = self._waiting.index(ticket)
            if before and time.monotonic() - told >= _LOOK:
                told = time.monotonic()
                tell(f"Waiting for the model: {count(before, 'other computation')} first")


_short, _long = Queue(), Queue()


def is_long(tokens: int) -> bool:
    """Whether a pass over so many tokens waits among the long ones, with a view of its own."""
    return tokens > SHORT_TOKENS


def idle() -> bool:
    """Whether no pass runs or waits in this process."""
    return _short.empty and _long.empty


@contextmanager
def watched(progress: Progress) -> Iterator[None]:
    """While open, passes of this thread tell ``progress`` what they wait for and how far they are."""
    token = _watch.set(progress)
    try:
        yield
    finally:
        _watch.reset(token)


def watcher() -> Progress:
    """Return what the thread's passes tell."""
    return _watch.get()


def tell(what: str, done: float = 0, total: float = 0) -> None:
    """Tell the thread's watcher; it may raise to end the work."""
    _watch.get()(what, done, total)


@contextmanager
def turn(tokens: int) -> Iterator[Callable[[], None]]:
    """Hold the turn of passes over so many tokens, of all rows together; yields what lets who waits go first."""
    with (_long if is_long(tokens) else _short).turn() as give_way:
        yield give_way


@contextmanager
def model_pass(
    view: PreTrainedModel, tokens: int, what: str = "Running the model", advice: str = ADVICE
) -> Iterator[None]:
    """Hold the turn and the lock of a view while it runs forward and back.

    Args:
        tokens: of all rows together.
        what: what is being done, for progress and errors.
        advice: what to lower where memory runs out.

    Raises:
        OutOfMemory: with a sentence; the model stays usable.
    """
    guard = memory.guard(f"{what} ({tokens:,} tokens)", advice)
    with turn(tokens), view_state(view).lock, _telling(view, what), guard, fast_products(view):
        yield


@contextmanager
def forward_mode() -> Iterator[None]:
    """Open torch's level of forward-mode derivatives, of which there is one in the whole process."""
    with _FORWARD_MODE, forward_ad.dual_level():
        yield


@contextmanager
def _telling(view: PreTrainedModel, what: str) -> Iterator[None]:
    """While open, every block tells the thread's watcher, forward and back, where it has one."""
    if _watch.get() is silent:
        yield
        return
    blocks = list(decoder_blocks(view))
    steps = 2 * len(blocks)

    def entering(number: int) -> Callable[..., None]:
        return lambda _block, _args: tell(what, number, steps)

    def leaving(number: int) -> Callable[..., None]:
        def told(_block: nn.Module, _args: Any, output: Any) -> None:
            state: Tensor = output_states(output)
            if state.requires_grad:
                state.register_hook(lambda _gradient: tell(what, steps - 1 - number, steps))

        return told

    with hooked() as handles:
        for number, block in enumerate(blocks):
            handles += [block.register_forward_pre_hook(entering(number)), block.register_forward_hook(leaving(number))]
        yield
