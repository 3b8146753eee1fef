"""The zip of an evaluation log, with zstd members too, which the standard library reads from Python 3.14 on.

Members are read into memory, never unpacked to disk. A zip that names files outside of itself, or unpacks to more than
the limits, is refused before anything of it is unpacked.
"""

import io
import zipfile
import zlib
from pathlib import Path

import pyarrow as pa

from explorer.data.zips import BROKEN, broken_zip, open_zip
from explorer.errors import ExplorerError
from explorer.limits import LOG_SAMPLE_BYTES, LOG_UNPACKED_BYTES
from explorer.reading import open_file

_ZSTD = 93
"""Number of the compression method."""
_LOCAL_HEADER = 30
"""Bytes before the name in a member's own header; the lengths of name and extra field are the last four."""


class Archive:
    """An open zip; a context manager.

    Attributes:
        names: of the members, in the zip's order; of several under one name the last counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_file(path, "a zip")
        try:
            self._zip, self._members = open_zip(self._file, path, LOG_UNPACKED_BYTES, "a log")
        except ExplorerError:
            self._file.close()
            raise
        self.names = tuple(self._members)

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
        self._file.close()

    def read(self, name: str) -> bytes:
        """Return a member's content. Raises ExplorerError where it is broken or longer than it says."""
        info, where = self._members[name], f"{self.path}, member {name}"
        if info.file_size > LOG_SAMPLE_BYTES:
            raise ExplorerError(f"{where}: {info.file_size:,} bytes; expected at most {LOG_SAMPLE_BYTES:,} in one.")
        try:
            data = self._zstd(info) if info.compress_type == _ZSTD else self._inflated(info)
        except (*BROKEN, pa.ArrowException, zlib.error, RuntimeError) as error:  # RuntimeError: a password is needed
            raise broken_zip(where, "a log", error) from error
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise ExplorerError(f"{where}: broken (length or checksum is not what the zip says).")
        return data

    def _inflated(self, info: zipfile.ZipInfo) -> bytes:
        with self._zip.open(info) as member:
            return member.read(info.file_size + 1)

    def _zstd(self, info: zipfile.ZipInfo) -> bytes:
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL_HEADER)
        if len(header) < _LOCAL_HEADER or not header.startswith(b"PK\3\4"):
            raise zipfile.BadZipFile("no header at the member's place")
        self._file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), io.SEEK_CUR)
        packed = pa.BufferReader(self._file.read(info.compress_size))
        with pa.CompressedInputStream(packed, "zstd") as stream:
            return stream.read(info.file_size + 1)
