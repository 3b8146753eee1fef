"""Run a function in a forked process that dies, or finds the disk full, at the n-th change of a folder.

A fork ends by ``os._exit`` as a process that is killed with signal 9 does: nothing is cleaned up, no buffer is written.
Every point is tried in turn, so that no luck is needed to meet the one that hurts.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

DONE, REFUSED, BROKEN, KILLED = 0, 3, 4, 137
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"}


def _changes(event: str, args: tuple, root: str) -> bool:
    """Whether an audit event is a change below the folder ``root``."""
    if event == "open":
        path, mode, flags = args
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if mode is None else set(mode) & set("wax+")
        return bool(writes) and str(path).startswith(root)
    return event in _CHANGES and any(str(arg).startswith(root) for arg in args if isinstance(arg, str | Path))


def run_until(work: Callable[[], object], root: Path, at: int, full_disk: bool = False) -> int:
    """Fork, run ``work``, and stop it at its ``at``-th change below ``root``; return how it ended.

    Returns DONE (it made fewer changes), KILLED, REFUSED (it told an ExplorerError), BROKEN (any other exception).
    """
    child = os.fork()
    if child == 0:
        code = BROKEN
        try:
            code = _work(work, str(root), at, full_disk)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _work(work: Callable[[], object], root: str, at: int, full_disk: bool) -> int:
    from explorer.errors import ExplorerError

    signal.alarm(60)
    count, armed = 0, True

    def watch(event: str, args: tuple) -> None:
        nonlocal count
        if not armed or not _changes(event, args, root):
            return
        count += 1
        if count >= at and full_disk and event == "open":
            raise OSError(errno.ENOSPC, "No space left on device", str(args[0]))
        if count == at and not full_disk:
            os._exit(KILLED)

    sys.addaudithook(watch)
    try:
        work()
    except ExplorerError as error:
        assert "\n" not in str(error)
        return REFUSED
    finally:
        armed = False
    return DONE


def files_of(folder: Path) -> dict[str, bytes]:
    """Content of every file by its path in the folder, but for locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
