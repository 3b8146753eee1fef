"""What the members of an ``.eval`` log say: a sample each, or the parts of a longer one.

A sample in parts is a folder ``samples/ID_epoch_N``: ``sample.json`` says where its conversation stands in the sequence
of its messages, as pairs [first, end); ``messages/50.json`` holds those from number 50 on, and ``attachment://7`` is
number 7 of its ``attachments/``. Inspect 0.3.285 makes such logs by ``inspect log convert-chunked`` alone.
"""

import io
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from explorer.data.logs.archive import Archive
from explorer.data.logs.json_stream import pieces
from explorer.data.logs.values import items_of
from explorer.errors import ExplorerError, count
from explorer.limits import LOG_SAMPLE_BYTES

_SAMPLES, _SHELL, _CONVERSATION = "samples/", "sample.json", "message_refs"
_PART = re.compile(r"(samples/.*)/(0|[1-9][0-9]{0,9})\.json")
_MOST = LOG_SAMPLE_BYTES // 8
"""Messages of a conversation: pointers to more take more memory than a sample may."""


def samples_of(archive: Archive, used: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (member, used fields) of every sample, in the zip's order; of one in parts, the member is its shell."""
    members = {PurePosixPath(name): name for name in archive.names if name.startswith(_SAMPLES)}
    folders = {path.parent for path in members if path.name == _SHELL}
    parts = _parts_of(archive)
    for path, member in members.items():
        if path.name == _SHELL:
            about = members.get(path.parent / "metadata.json")
            yield member, _joined(archive, member, used, about, parts)
        elif path.suffix == ".json" and folders.isdisjoint(path.parents):
            yield member, dict(member_fields(archive, member, used))


def member_fields(archive: Archive, member: str, used: Container[str] | None = None) -> Iterator[tuple[str, Any]]:
    """The used fields of the object in a member; events pass one by one, a trace of megabytes is never held."""
    opened, where = {(), ("events",)}, f"{archive.path}, member {member}"
    for keys, place, value in pieces(io.BytesIO(archive.read(member)), where, opened.__contains__):
        if not keys:
            raise ExplorerError(f"{place}: expected an object, found {type(value).__name__}.")
        if used is None or keys[0] in used:
            yield keys[0], value


def _parts_of(archive: Archive) -> dict[str, list[int]]:
    """Folder → the first numbers of its parts, in order."""
    found: dict[str, list[int]] = {}
    for name in archive.names:
        if part := _PART.fullmatch(name):
            found.setdefault(part[1], []).append(int(part[2]))
    return {folder: sorted(starts) for folder, starts in found.items()}


def _joined(
    archive: Archive, shell: str, used: set[str], about: str | None, parts: Mapping[str, list[int]]
) -> dict[str, Any]:
    """The fields of a sample in parts, as one in a single member has them."""
    fields = dict(member_fields(archive, shell, used | {_CONVERSATION}))
    folder, where = shell.removesuffix("/" + _SHELL), f"{archive.path}, member {shell}"
    if about:
        fields["metadata"] = dict(member_fields(archive, about))
    messages, texts = (_items(archive, f"{folder}/{name}", parts) for name in ("messages", "attachments"))
    fields["messages"] = _conversation(messages, fields.pop(_CONVERSATION, []), where)
    return fields | {"attachments": {str(number): text for number, text in enumerate(texts)}}


def _items(archive: Archive, folder: str, parts: Mapping[str, list[int]]) -> list[Any]:
    """The items of a sequence. Raises ExplorerError where some are missing, and for too many bytes."""
    found: list[Any] = []
    size = 0
    for start in parts.get(folder, []):
        where = f"{archive.path}, member {folder}/{start}.json"
        if start != len(found):
            raise ExplorerError(f"{where}: {count(len(found), 'item')} before it in the log; expected {start:,}.")
        data = archive.read(f"{folder}/{start}.json")
        size += len(data)
        if size > LOG_SAMPLE_BYTES:
            raise ExplorerError(f"{where}: more than {LOG_SAMPLE_BYTES:,} bytes in one sample; expected fewer.")
        for keys, place, value in pieces(io.BytesIO(data), where, lambda keys: not keys):
            if keys:
                raise ExplorerError(f"{place}: expected a list, found an object.")
            found.append(value)
    return found


def _conversation(messages: list[Any], pairs: Any, where: str) -> list[Any]:
    """The messages of pairs [first, end). Raises ExplorerError for what is no such pair, and for too many."""
    found: list[Any] = []
    for pair in items_of(pairs):
        first, end = pair if isinstance(pair, list) and len(pair) == 2 else (None, None)
        if not (type(first) is int and type(end) is int and 0 <= first <= end <= len(messages)):
            expected = f"[first, end) among {len(messages):,} messages"
            raise ExplorerError(f"{where}: field '{_CONVERSATION}' holds {str(pair)[:40]}; expected {expected}.")
        if len(found) + end - first > _MOST:
            raise ExplorerError(f"{where}: field '{_CONVERSATION}' names more than {_MOST:,} messages.")
        found += messages[first:end]
    return found
