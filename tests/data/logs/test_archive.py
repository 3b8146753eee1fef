"""Zips: read whole and right, with every method of compression; hostile ones are refused in a sentence."""

import struct
import zipfile
import zlib
from pathlib import Path

import pyarrow as pa
import pytest

from explorer.data import zips
from explorer.data.logs import archive
from explorer.data.logs.archive import Archive
from explorer.errors import ExplorerError

TEXT = b"hello " * 1_000


def zstd_zip(path: Path, members: dict[str, bytes], packed: dict[str, bytes] | None = None, **lies: int) -> None:
    """Write a zip with zstd members, byte by byte as the format says; ``lies``: other sizes than the true ones."""
    body, directory = b"", b""
    for name, data in members.items():
        content = (packed or {}).get(name) or pa.compress(data, "zstd", asbytes=True)
        size = lies.get("size", len(data))
        numbers = (lies.get("crc", zlib.crc32(data)), len(content), size, len(name), 0)
        common = struct.pack("<HHHHHIIIHH", 63, 0, 93, 0, 0x21, *numbers)
        directory += b"PK\1\2" + struct.pack("<H", 63) + common + struct.pack("<HHHII", 0, 0, 0, 0, len(body))
        directory += name.encode()
        body += b"PK\3\4" + common + name.encode() + content
    count, end = len(members), b"PK\5\6"
    path.write_bytes(body + directory + end + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_of_every_method_of_the_standard_library(tmp_path: Path, method: int):
    path = tmp_path / "a.eval"
    with zipfile.ZipFile(path, "w", method) as new:
        new.writestr("a.json", TEXT)
    with Archive(path) as opened:
        assert opened.read("a.json") == TEXT


def test_zstd_members_of_one_frame_and_of_several(tmp_path: Path):
    path = tmp_path / "a.eval"
    frames = pa.compress(TEXT, "zstd", asbytes=True) + pa.compress(b"again", "zstd", asbytes=True)
    zstd_zip(path, {"one": TEXT, "two": TEXT + b"again", "none": b""}, {"two": frames})
    with Archive(path) as opened:
        assert [opened.read(name) for name in opened.names] == [TEXT, TEXT + b"again", b""]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "..\\x", "C:\\x", "\\x"])
def test_a_name_outside_the_zip_is_refused(tmp_path: Path, name: str):
    path = tmp_path / "a.eval"
    zstd_zip(path, {name: TEXT})
    with pytest.raises(ExplorerError, match="expected names inside the zip only"):
        Archive(path)


def test_a_member_that_is_longer_than_it_says_is_not_unpacked(tmp_path: Path):
    path = tmp_path / "a.eval"
    zstd_zip(path, {"a": bytes(200_000_000)}, size=10)
    before = pa.total_allocated_bytes()
    with Archive(path) as opened, pytest.raises(ExplorerError, match="length or checksum"):
        opened.read("a")
    assert pa.total_allocated_bytes() - before < 10_000_000


def test_a_bomb_is_refused_by_what_it_declares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.eval"
    zstd_zip(path, {"a": bytes(2_000_000), "b": bytes(2_000_000)})
    assert path.stat().st_size < 2_000
    monkeypatch.setattr(archive, "LOG_SAMPLE_BYTES", 1_000_000)
    with Archive(path) as opened, pytest.raises(ExplorerError, match=r"member a: 2,000,000 bytes; expected at most"):
        opened.read("a")
    monkeypatch.setattr(archive, "LOG_UNPACKED_BYTES", 3_000_000)
    with pytest.raises(ExplorerError, match="unpacks to 4,000,000 bytes"):
        Archive(path)


def test_members_that_share_their_bytes_are_refused(tmp_path: Path):
    path = tmp_path / "a.eval"
    zstd_zip(path, {"a": TEXT * 1_000})
    data = path.read_bytes()
    start = data.index(b"PK\1\2")
    entry, end = data[start : data.index(b"PK\5\6")], data[data.index(b"PK\5\6") :]
    entries = b"".join(entry[:-1] + bytes([65 + n]) for n in range(26))  # 26 names, one place
    counts = struct.pack("<HHI", 26, 26, len(entries))
    path.write_bytes(data[:start] + entries + end[:8] + counts + end[16:])
    with pytest.raises(ExplorerError, match="members lie over each other"):
        Archive(path)


def test_a_list_of_members_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.eval"
    zstd_zip(path, {f"{n}": b"x" for n in range(100)})
    monkeypatch.setattr(zips, "LOG_DIRECTORY_BYTES", 1_000)
    with pytest.raises(ExplorerError, match="expected fewer members"):
        Archive(path)


def test_a_zip_that_is_cut_off_or_broken_ends_in_a_sentence(tmp_path: Path):
    path = tmp_path / "a.eval"
    zstd_zip(path, {"a": TEXT, "b": TEXT}, crc=1)
    with Archive(path) as opened, pytest.raises(ExplorerError, match="checksum"):
        opened.read("a")
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ExplorerError, match="not readable as a zip of a log"):
        Archive(path)
