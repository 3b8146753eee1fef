"""What every fuzz case has in common: broken input from valid input, and the promise that is checked.

A case is right where the call returns, or raises ExplorerError with one printable line. Anything else (another
exception, more than ``SECONDS``, a file written where none may be) fails the test. Cases are the same in every run.
"""

import json
import os
import random
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from explorer.errors import ExplorerError
from explorer.limits import ERROR_CHARS

SECONDS = 10
CASES: Counter[str] = Counter()
"""Cases tried so far, by reader; printed at the end of the run."""

TRAPS: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 64, 10**6, 10**12, 10**30, 10**299, -(10**18), 0.5, -0.0, 1e308, -1e-308,
    "", " ", "\n", "x", "1", "-1", "true", "x" * 300, "x" * 5_000, "\0", "a\0b", "..", "../../outside/secret",
    "/etc/passwd", "/dev/zero", "/dev/stdin", "~nobody/x", "~no-such-user/x", "~", ".", "/" + "y/" * 2_500,
    "\u202eabc\u200b", "\x1b[31mred", "\ud800",
    "\ufeff", "<script>alert(1)</script>", "=1+1", "(a|aa)+$", "((a+)+)+$", "(", "a{99999999999}", "[" * 200,
    "drop", "sft", "dpo", "top", "none", "running", "queued", "before", "base", "NaN",
    [], {}, [[]], [{}], {"a": 1}, [1, "a", None], ["x"] * 50, {"id": "x"},
)  # fmt: skip
"""Values that stand in for a value of any kind."""
_BYTES = (
    b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b"\r", b"\n", b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\",
    b"\\ud800", b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"9" * 6_000, b"[" * 100_000, b'{"a":' * 3_000,
    b"0x" + b"f" * 2_000,
    b"a." * 2_000, b"\xe2\x80\xae", b"\xc0\x80", b"'", b"=", b"#", b"null", b" " * 1_000,
)  # fmt: skip
"""Bytes that are put into a file."""


def fuzz(cases: int) -> Any:
    """Settings of a fuzz test with so many cases, the same ones in every run."""
    unhealthy = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    deadline = timedelta(seconds=SECONDS)
    return settings(
        max_examples=cases, derandomize=True, database=None, deadline=deadline, suppress_health_check=unhealthy
    )


def seeds() -> st.SearchStrategy[random.Random]:
    """A random generator for a mutation."""
    return st.integers(0, 2**48).map(random.Random)


def contents(valid: Any, lines: bool = False) -> st.SearchStrategy[bytes]:
    """Contents of a file: mutations of a valid JSON value (``lines``: of rows), and plain bytes."""
    mutated = seeds().map(lambda rng: broken_json(valid, rng, lines))
    return st.one_of(mutated, mutated, mutated, mutated, st.binary(max_size=120))


def mutated_bytes(valid: bytes) -> st.SearchStrategy[bytes]:
    """Mutations of a valid file, and plain bytes."""
    mutated = seeds().map(lambda rng: broken_bytes(valid, rng))
    return st.one_of(mutated, mutated, mutated, mutated, st.binary(max_size=120))


def broken_json(valid: Any, rng: random.Random, lines: bool = False) -> bytes:
    """A valid value with values replaced, taken away, doubled or renamed, as text; at times the text is broken too."""
    value = json.loads(json.dumps(valid))
    for _ in range(rng.randint(1, 3)):
        _break(value, rng)
    rows = value if lines and isinstance(value, list) else [value]
    text = "\n".join(json.dumps(row, ensure_ascii=True) for row in rows).encode()
    return broken_bytes(text, rng) if rng.random() < 0.35 else text


def _break(value: Any, rng: random.Random) -> None:
    """Change one place of a value, chosen with the same chance at every level on the way down."""
    while isinstance(value, dict | list) and value:
        key = rng.choice([*value]) if isinstance(value, dict) else rng.randrange(len(value))
        inner = value[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.75:
            value = inner
            continue
        action = rng.randrange(10)
        if action == 0:
            del value[key]
        elif action == 1 and isinstance(value, dict):
            value[str(rng.choice(TRAPS))[:50]] = value.pop(key)
        elif action == 1 and isinstance(value, list):
            value.insert(key, inner)
        elif action == 2:
            for _ in range(rng.choice((2, 30, 70, 200))):
                inner = [inner]
            value[key] = inner
        else:
            value[key] = deepcopy(rng.choice(TRAPS))  # the next change may be inside it
        return


def broken_bytes(valid: bytes, rng: random.Random) -> bytes:
    """Bytes with some flipped, cut away, doubled or put in."""
    data = bytearray(valid)
    for _ in range(rng.randint(1, 3)):
        start = rng.randint(0, len(data))
        end = min(len(data), start + rng.choice((1, 2, 8, 64)))
        action = rng.randrange(5)
        if action == 0 and start < len(data):
            data[start] ^= 1 << rng.randrange(8)
        elif action == 1:
            del data[start:end]
        elif action == 2:
            data[start:start] = data[start:end]
        elif action == 3 and rng.random() < 0.3:
            del data[start:]
        else:
            data[start:start] = rng.choice(_BYTES)
    return bytes(data)


def check(reader: str, call: Callable[[], Any]) -> None:
    """Count a case and hold it against the promise."""
    CASES[reader] += 1
    try:
        call()
    except ExplorerError as error:
        check_sentence(str(error))


def check_sentence(text: str) -> None:
    """A sentence for people: one printable line of bounded length."""
    assert text.strip() and len(text) <= ERROR_CHARS + 3, text
    assert text.replace("\u00a0", " ").replace("\u202f", " ").isprintable(), text


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Name → (mode, size, time of the last change) of everything below a folder, symbolic links as such."""
    names = [os.path.join(root, name) for root, dirs, files in os.walk(folder) for name in (*dirs, *files)]
    return {name: (s.st_mode, s.st_size, s.st_mtime_ns) for name in names for s in [os.lstat(name)]}
