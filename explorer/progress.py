"""Progress of long work: one kind of callback, the way to stop, and how much time is left."""

from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from explorer.errors import ExplorerError


class Stopped(ExplorerError):
    """The user stopped long work. What was finished is kept, and the same call goes on from there."""


class Progress(Protocol):
    """Callback of long work: ``what`` is being done, ``done`` of ``total`` steps of it (total 0: unknown).

    Raise Stopped in it to end the work.
    """

    def __call__(self, what: str, done: float = 0, total: float = 0, /) -> None: ...


def silent(_what: str, _done: float = 0, _total: float = 0, /) -> None:
    """Report nothing."""


@dataclass
class Pace:
    """Rate of the work and time left, from the calls of a Progress since ``what`` last changed."""

    what: str = ""
    _start: tuple[float, float] = field(default=(0.0, 0.0), repr=False)

    def rate(self, what: str, done: float) -> float:
        """Steps a second so far; 0 at the first call."""
        if what != self.what or done < self._start[0]:
            self.what, self._start = what, (done, monotonic())
        first, began = self._start
        return (done - first) / max(monotonic() - began, 1e-9) if done > first else 0.0

    def left(self, what: str, done: float, total: float) -> float | None:
        """Seconds left at the rate so far; None where that is not known yet."""
        rate = self.rate(what, done)
        return (total - done) / rate if rate and total else None
