"""Studies in the making: what was typed and uploaded so far, in a folder ``.drafts`` beside the studies.

```
.drafts/<id>/draft.json     what was typed
.drafts/<id>/uploads/…      the files of training data that were uploaded
.drafts/<id>/surveys/…      a model that is being asked for failures
```
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from explorer.data.listed import Entry
from explorer.errors import ExplorerError
from explorer.files import write_json, write_whole, writing
from explorer.jobs import is_running
from explorer.reading import read_json

DRAFTS, DRAFT, UPLOADS, SURVEYS = ".drafts", "draft.json", "uploads", "surveys"
_ID = re.compile(r"[0-9a-f]{8}")


@dataclass
class DraftStage:
    """A stage of training: the place of its checkpoint, and whether that is an adapter where its folder can't tell."""

    place: str = ""
    adapter: bool = False


@dataclass
class Draft:
    """A study in the making.

    Attributes:
        folder: its own, which is not there before ``save``.
        model, revision: as typed; empty for the embedded model and its main branch.
        stages: in training order.
        before: number of the stage that is the model before the training in question; -1 for the bare model, None for
            the stage before the last.
        path: of the training data, as typed.
        uploads: names of the files that were uploaded, which count where there are any.
        columns, turns, template, max_tokens, hold_out: as ``prepare_study`` takes them.
        entries: what the model does wrong.
        asked_as: behavior of the failures that the model is being asked for.
        name: of the study.
    """

    folder: str = ""
    model: str = ""
    revision: str = ""
    stages: list[DraftStage] = field(default_factory=list)
    before: int | None = None
    path: str = ""
    uploads: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    turns: str = "all"
    template: str = "auto"
    max_tokens: int | None = None
    entries: list[Entry] = field(default_factory=list)
    asked_as: str = ""
    hold_out: bool = False
    name: str = ""

    @property
    def place(self) -> Path:
        """Its folder."""
        return Path(self.folder)

    @property
    def has_data(self) -> bool:
        """Whether training data were named."""
        return bool(self.uploads or self.path.strip())

    @property
    def is_empty(self) -> bool:
        """Whether nothing was typed or uploaded yet."""
        return self == Draft(self.folder)

    @property
    def files(self) -> list[Path]:
        """The files that were uploaded."""
        return [self.place / UPLOADS / name for name in self.uploads]

    def upload(self, name: str, content: bytes) -> None:
        """Keep a file of training data that a browser sent. Raises ExplorerError for a full disk."""
        last = name.replace("\\", "/").rpartition("/")[2].strip().lstrip(".")[-120:] or "data"
        stem, dot, end = last.partition(".")
        number, free = 1, last
        while free in self.uploads:
            number += 1
            free = f"{stem}-{number}{dot}{end}"
        with writing(self.place):
            (self.place / UPLOADS).mkdir(parents=True, exist_ok=True)
        write_whole(self.place / UPLOADS / free, lambda scratch: scratch.write_bytes(content))
        self.uploads.append(free)

    def remove_upload(self, name: str) -> None:
        """Delete a file that was uploaded."""
        self.uploads.remove(name)
        (self.place / UPLOADS / name).unlink(missing_ok=True)

    def save(self) -> None:
        """Write what was typed, in one step. Raises ExplorerError for a full disk."""
        with writing(self.place):
            self.place.mkdir(parents=True, exist_ok=True)
        write_json(self.place / DRAFT, {name: value for name, value in asdict(self).items() if name != "folder"})


def new_draft(studies: Path) -> Draft:
    """A draft with nothing in it, to be kept beside the studies once there is."""
    return Draft(str(studies / DRAFTS / uuid4().hex[:8]))


def read_draft(studies: Path, id: str) -> Draft:
    """Read a draft by the name of its folder. Raises ExplorerError where there is none."""
    folder = studies / DRAFTS / id
    if not _ID.fullmatch(id) or not (folder / DRAFT).is_file():
        raise ExplorerError("This draft of a study is gone: it was made into a study, or thrown away.")
    draft = replace(read_json(folder / DRAFT, "the draft of a study", Draft), folder=str(folder))
    draft.uploads = [name for name in draft.uploads if os.path.basename(name) == name and _is_file(folder, name)]
    return draft


def _is_file(folder: Path, name: str) -> bool:
    return (folder / UPLOADS / name).is_file() and not (folder / UPLOADS / name).is_symlink()


def drafts_in(studies: Path) -> Iterator[Draft]:
    """Yield the drafts beside the studies, the latest first; broken ones are passed over."""
    found = [path for path in (studies / DRAFTS).glob(f"*/{DRAFT}") if _ID.fullmatch(path.parent.name)]
    with suppress(OSError):  # one that goes away in between
        found.sort(key=lambda path: -path.stat().st_mtime_ns)
    for path in found:
        with suppress(ExplorerError):
            yield read_draft(studies, path.parent.name)


def discard(draft: Draft) -> None:
    """Delete a draft with its files. Raises ExplorerError while a model is being asked for it."""
    if any(is_running(path.parent) for path in (draft.place / SURVEYS).glob("*/.lock")):
        raise ExplorerError("The model is being asked for this draft; stop that first.")
    if draft.place.parent.name == DRAFTS:
        shutil.rmtree(draft.place, ignore_errors=True)
