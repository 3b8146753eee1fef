"""Text files as they lie on a disk: plain, or packed by gzip or Zstandard, which their names end in.

A packed file is unpacked while it is read. One that unpacks to more than the limit is refused there: a few kilobytes
can stand for terabytes.
"""

import gzip
import io
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from explorer.errors import ExplorerError, first_line
from explorer.limits import DATA_UNPACKED_BYTES
from explorer.reading import open_file

PACKED = (".gz", ".zst")


def inner_suffix(path: Path) -> str:
    """The ending that tells a file's format, small letters: ``.jsonl`` of ``a.jsonl`` and of ``a.jsonl.gz``."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in PACKED else suffix


def open_unpacked(path: Path, expected: str) -> BinaryIO:
    """Open a file to be read from its start, unpacked where its name says that it is packed; see ``open_file``."""
    file, suffix = open_file(path, expected), path.suffix.lower()
    if suffix not in PACKED:
        return file
    stream: Any = gzip.GzipFile(fileobj=file) if suffix == ".gz" else pa.CompressedInputStream(file, "zstd")
    return cast(BinaryIO, io.BufferedReader(_Unpacked(stream, path)))


class _Unpacked(io.RawIOBase):
    """What a packed file holds; raises ExplorerError where it is broken, or above the limit."""

    def __init__(self, stream: Any, path: Path) -> None:
        self._stream, self._path, self._size = stream, path, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
            reason = first_line(error, 100)
            raise ExplorerError(f"{self._path}: can't be unpacked ({reason}); is the file cut off?") from error
        self._size += len(data)
        if self._size > DATA_UNPACKED_BYTES:
            raise ExplorerError(f"{self._path}: unpacks to more than {DATA_UNPACKED_BYTES:,} bytes; expected less.")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
