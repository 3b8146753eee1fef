"""What pages have computed, kept in memory up to a number of bytes, and shared by all sessions.

Arguments are told apart by the versions of files and fingerprints, not by hand-made keys: see ``KEYS``.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, cast

from torch import Tensor, UntypedStorage, nn

from explorer.data.study import BEHAVIORS, DATAPOINTS, FAILURES, SETTINGS, Study
from explorer.files import version_of
from explorer.limits import CACHE_BYTES
from explorer.model.load import LoadedModel, ModelSpec
from explorer.model.passes import tell
from explorer.model.stamp import stamp_of
from explorer.ui.progress_bar import progress_bar
from explorer.vectors.index import Index

P = ParamSpec("P")
T = TypeVar("T")
_MORE = ("controls.jsonl", "guard.jsonl", "discovery.jsonl", "training.json")
_LOOK = 0.25
"""Seconds between two looks whether another session is done."""
_QUICK = 2e-3
"""A value that is measured in fewer seconds is measured anew at every use: it may have grown."""


def study_version(study: Study) -> tuple[Any, ...]:
    """What changes when a study's own files do."""
    names = (SETTINGS, DATAPOINTS, BEHAVIORS, FAILURES, *_MORE)
    return (str(study.folder), *(version_of(study.folder / name) for name in names))


KEYS: dict[Any, Callable[[Any], Any]] = {
    Study: study_version,
    Index: lambda index: (str(index.folder), index.manifest.fingerprint),
    ModelSpec: lambda spec: (repr(spec), stamp_of(spec)),
}
"""Type of an argument → what of it a result depends on."""


class cached:
    """Decorator: keep what a function returns for its arguments; sessions that ask for the same wait for the first.

    What takes longer than a moment shows a bar, named by what the model does or else by ``what``, and ends where
    Streamlit stops the run. Errors are not kept.

    Args:
        keys: further entries of ``KEYS``.
    """

    def __init__(self, what: str = "Computing", keys: Mapping[type, Callable[[Any], Any]] | None = None) -> None:
        self._what, self._keys = what, {**KEYS, **(keys or {})}

    def __call__(self, function: Callable[P, T]) -> "Kept[P, T]":
        return Kept(function, self._what, self._keys)


class Kept(Generic[P, T]):
    """A function whose results are kept (see ``cached``)."""

    def __init__(self, function: Callable[P, T], what: str, keys: Mapping[type, Callable[[Any], Any]]) -> None:
        self._function, self._what, self._keys = function, what, keys
        update_wrapper(self, function)

    def __call__(self, *given: P.args, **named: P.kwargs) -> T:
        return results.once(self.key(*given, **named), self._what, lambda: self._function(*given, **named))

    def key(self, *given: P.args, **named: P.kwargs) -> Hashable:
        """What tells a call apart from others."""
        return f"{self._function.__module__}.{self._function.__qualname__}", frozen((given, named), self._keys)

    def known(self, *given: P.args, **named: P.kwargs) -> T | None:
        """Return the result of a call where it is kept already; else None, and compute nothing."""
        return results.get(self.key(*given, **named))


def frozen(value: Any, keys: Mapping[type, Callable[[Any], Any]] = KEYS) -> Hashable:
    """What a value is told apart by: hashable, and equal for equal arguments."""
    if type(value) in keys:
        return type(value).__name__, frozen(keys[type(value)](value), keys)
    if isinstance(value, tuple | list):
        return tuple(frozen(part, keys) for part in value)
    if isinstance(value, Mapping):
        return tuple((name, frozen(part, keys)) for name, part in value.items())
    if is_dataclass(value):
        parts = (frozen(getattr(value, field.name), keys) for field in fields(value))
        return (type(value).__qualname__, *parts)
    hash(value)  # raises TypeError for what needs an entry in ``keys``
    return type(value).__name__, value


@dataclass
class _Entry:
    value: Any
    bytes: int
    seconds: float


class Results:
    """Values by key, the oldest let go where all together take more than ``most`` bytes; the newest always stays."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._working: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """Bytes of all values, as they were last measured."""
        with self._lock:
            return sum(entry.bytes for entry in self._entries.values())

    def get(self, key: Hashable) -> Any | None:
        """Return the value of a key, or None where it has none."""
        entry = self._used(key)
        return entry.value if entry else None

    def once(self, key: Hashable, what: str, make: Callable[[], Any]) -> Any:
        """Return the value of a key, making it where it is not there."""
        if (entry := self._used(key)) is not None:
            return entry.value
        with self._lock:
            working = self._working.setdefault(key, threading.Lock())
        with progress_bar(what, patience=0.4):
            while not working.acquire(timeout=_LOOK):
                tell("Waiting: another session computes the same")
            try:
                if (entry := self._used(key)) is None:
                    entry = self._put(key, make())
                return entry.value
            finally:
                working.release()
                with self._lock:
                    self._working.pop(key, None)

    def _used(self, key: Hashable) -> _Entry | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
        if entry.seconds < _QUICK:
            entry.bytes = bytes_of(entry.value)
        return entry

    def _put(self, key: Hashable, value: Any) -> _Entry:
        began = time.perf_counter()
        entry = _Entry(value, bytes_of(value), time.perf_counter() - began)
        with self._lock:
            self._entries[key] = entry
            total = sum(other.bytes for other in self._entries.values())
            while total > self.most and len(self._entries) > 1:
                total -= self._entries.popitem(last=False)[1].bytes
        return entry

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._entries.clear()


def bytes_of(value: Any, seen: set[int] | None = None) -> int:
    """Bytes that arrays, tensors, tables and texts in a value take; models are counted where they are kept."""
    seen = set() if seen is None else seen
    if isinstance(value, Tensor):
        value = value.untyped_storage()
    place = value.data_ptr() if isinstance(value, UntypedStorage) else id(value)
    if place in seen or isinstance(value, LoadedModel | nn.Module | type):
        return 0
    seen.add(place)
    size = 0
    if isinstance(value, str | bytes):
        size = len(value)
    elif nbytes := getattr(value, "nbytes", None):  # of an array or a table; a storage has a method
        size = nbytes() if callable(nbytes) else nbytes
    elif isinstance(value, Mapping):
        size = sum(bytes_of(part, seen) for pair in value.items() for part in pair)
    elif isinstance(value, tuple | list | set | frozenset):
        size = sum(bytes_of(part, seen) for part in value) + 8 * len(value)
    elif hasattr(value, "__dict__"):
        size = bytes_of(vars(value), seen)
    return int(cast(int, size))


results = Results(CACHE_BYTES)
"""What all pages of this process have computed."""
