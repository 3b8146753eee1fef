"""What pages will show soon, computed in one thread while no model is at work for somebody who waits.

Quick things come before long ones (``soon`` before ``later``); the latest wish of each kind comes first, as its page is
the one on screen. What nobody asks for any more is given up, at its next step.
"""

import atexit
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from explorer.errors import ExplorerError, first_line
from explorer.model.passes import idle, watched
from explorer.ui.caching import Kept, results

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE = 20.0
"""Seconds after which what nobody asked for again is given up: its page is closed."""
_REST, _LONG_REST = 0.2, 3.0
"""Seconds that all models must rest before something quick, and something long, is begun."""
_NICE = 10
"""By how much the thread's priority is lower than that of who waits for a page, where the system knows priorities."""
_MOST = 256
"""Errors that are remembered."""


class GivenUp(Exception):
    """Nobody waits any more for what the thread is computing."""


@dataclass
class Wish:
    """Something to be computed.

    Attributes:
        asked: when it was asked for last, by the monotonic clock.
        long: it waits until nothing else is wanted.
        what, done, total: how far it is; ``done`` None before it is begun.
        kept: it is not given up when its page is closed, as somebody asked for it by hand.
    """

    compute: Callable[[], object]
    asked: float
    long: bool
    what: str = ""
    done: float | None = None
    total: float = 0
    kept: bool = False

    @property
    def forgotten(self) -> bool:
        """Whether nobody waits for it any more."""
        return not self.kept and time.monotonic() - self.asked > PATIENCE


class Background:
    """One thread and what it is asked for."""

    def __init__(self) -> None:
        self._wanted: OrderedDict[Hashable, Wish] = OrderedDict()
        self._refused: OrderedDict[Hashable, ExplorerError] = OrderedDict()
        self._now: tuple[Hashable, Wish] | None = None
        self._lock = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def soon(self, function: Kept[P, T], *given: P.args, **named: P.kwargs) -> T | None:
        """Return what a function returns if that is known; else None, and compute it when the machine is free.

        Raises ExplorerError where computing it did.
        """
        return self._wish(function, False, *given, **named)

    def later(self, function: Kept[P, T], *given: P.args, **named: P.kwargs) -> T | Wish:
        """Return what a function returns if that is known; else how far it is, and compute it after all quick things.

        Raises ExplorerError where computing it did.
        """
        value = self._wish(function, True, *given, **named)
        return value if value is not None else self._wish_of(function.key(*given, **named))

    def cancel(self, key: Hashable) -> None:
        """Give up what a call with this key would return, at its next step."""
        with self._lock:
            self._wanted.pop(key, None)
            if self._now and self._now[0] == key:
                self._now[1].kept, self._now[1].asked = False, -PATIENCE

    def keep(self, key: Hashable) -> None:
        """Compute what a call with this key returns even where its page is closed."""
        with self._lock:
            if wish := self._find(key):
                wish.kept = True

    def state(self, key: Hashable) -> Wish | None:
        """Return how far a call with this key is; None where it is not wanted."""
        with self._lock:
            return self._find(key)

    def _find(self, key: Hashable) -> Wish | None:
        return self._now[1] if self._now and self._now[0] == key else self._wanted.get(key)

    def _wish_of(self, key: Hashable) -> Wish:
        return self.state(key) or Wish(lambda: None, time.monotonic(), True)  # done between the two locks

    def _wish(self, function: Kept[P, T], long: bool, *given: P.args, **named: P.kwargs) -> T | None:
        key = function.key(*given, **named)
        if (value := results.get(key)) is not None:
            return value
        with self._lock:
            if refused := self._refused.get(key):
                raise refused
            wish = self._find(key) or Wish(lambda: function(*given, **named), 0, long)
            wish.asked = time.monotonic()
            if self._now and self._now[0] == key:
                return None
            self._wanted[key] = wish
            self._wanted.move_to_end(key)
            if not self._thread:
                self._thread = threading.Thread(target=self._work, name="background", daemon=True)
                self._thread.start()
                atexit.register(self.stop)
            self._lock.notify_all()
        return None

    def stop(self) -> None:
        """End the thread after what it is computing, so that the process can end."""
        with self._lock:
            self._stopped = True
            self._wanted.clear()
            self._lock.notify_all()
        if self._thread:
            self._thread.join()

    def _work(self) -> None:
        with suppress(AttributeError, OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while not self._stopped:
            with self._lock:
                while not self._wanted and not self._stopped:
                    self._lock.wait()
            self._until_idle()
            with self._lock:
                for key in [key for key, wish in self._wanted.items() if wish.forgotten]:
                    del self._wanted[key]
                if not self._wanted:
                    continue
                key = max(self._wanted, key=lambda key: (not self._wanted[key].long, self._wanted[key].asked))
                self._now = key, self._wanted.pop(key)
            try:
                self._compute(*self._now)
            finally:
                with self._lock:
                    self._now = None

    def _until_idle(self) -> None:
        since = time.monotonic()
        while time.monotonic() - since < (_REST if self._hurries else _LONG_REST) and not self._stopped:
            time.sleep(_REST / 4)
            if not idle():
                since = time.monotonic()

    @property
    def _hurries(self) -> bool:
        """Whether something quick is wanted."""
        with self._lock:
            return any(not wish.long for wish in self._wanted.values())

    def _compute(self, key: Hashable, wish: Wish) -> None:
        def told(what: str, done: float = 0, total: float = 0, /) -> None:
            if self._stopped or wish.forgotten:
                raise GivenUp
            wish.what, wish.done, wish.total = what, done, total

        wish.done = 0
        try:
            with watched(told) if wish.long else nullcontext():
                wish.compute()
        except GivenUp:
            return
        except Exception as error:  # the thread outlives it, and the page says it
            refused = error if isinstance(error, ExplorerError) else ExplorerError(first_line(error))
            with self._lock:
                self._refused[key] = refused
                while len(self._refused) > _MOST:
                    self._refused.popitem(last=False)


background = Background()
"""The one of this process."""
