"""How many browser windows are connected to this server, and who comes too late."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from explorer.errors import ExplorerError, count
from explorer.limits import WINDOWS

_lock = threading.Lock()
_connected = 0


@contextmanager
def connected() -> Iterator[None]:
    """Count a window while its web socket is open."""
    global _connected  # noqa: PLW0603 (one count for the server)
    with _lock:
        _connected += 1
    try:
        yield
    finally:
        with _lock:
            _connected -= 1


def require_place() -> None:
    """Raise ExplorerError where more windows than ``WINDOWS`` are connected."""
    if _connected > WINDOWS:
        windows = count(WINDOWS, "browser window")
        raise ExplorerError(f"{windows} already use this server, as many as it serves; close one, or come back later.")
