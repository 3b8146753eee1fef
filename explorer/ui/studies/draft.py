"""The draft on screen: kept on disk and named by the link, what it amounts to, and the fields bound to it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import streamlit as st

from explorer.data.checkpoints import ADAPTER, check_checkpoint, resolve
from explorer.data.drafts import Draft, discard, new_draft, read_draft
from explorer.data.importer import ImportedData, import_data
from explorer.data.listed import study_rows
from explorer.data.new_study import base_and_adapter, prepare_study
from explorer.data.preview import first_rows
from explorer.data.sources import find_sources
from explorer.data.study import Study
from explorer.data.study_files import folder_for
from explorer.errors import ExplorerError
from explorer.files import version_of, write_json_lines
from explorer.model import embedded
from explorer.model.on_hub import require_on_hub
from explorer.model.spec import ModelSpec
from explorer.ui import link
from explorer.ui.places import Place, place_name, places_of, require_openable
from explorer.ui.study import studies_folder

_DRAFT, _SAVED, _IMPORTED = "studies-draft", "studies-draft-saved", "studies-imported"
NOTES = "studies-notes"
"""Session key of what was taken for granted when the last study was made."""


def draft() -> Draft:
    """The draft that the link names, else the session's, else a new one. Raises ExplorerError for one that is gone."""
    current, name = st.session_state.get(_DRAFT), link.get("draft")
    if current is None or (name and name != current.place.name):
        current = read_draft(studies_folder(), name) if name else new_draft(studies_folder())
        st.session_state[_DRAFT], st.session_state[_SAVED] = current, repr(current)
    return current


def keep_draft() -> None:
    """Write the draft where it has changed, and name it in the link. Raises ExplorerError for a full disk."""
    current = st.session_state.get(_DRAFT)
    if current is None or current.is_empty:
        return
    if repr(current) != st.session_state.get(_SAVED):
        current.save()
        st.session_state[_SAVED] = repr(current)
    link.put(draft=current.place.name)


def leave_draft() -> None:
    """Take the draft off the screen; it stays on the disk."""
    for name in (_DRAFT, _SAVED, _IMPORTED):
        st.session_state.pop(name, None)
    link.put(draft=None)


def forget_draft() -> None:
    """Begin anew: delete the draft with its files. Raises ExplorerError while a model is being asked for it."""
    discard(draft())
    leave_draft()


def bound(widget: Callable[..., Any], label: str, of: Any, name: str, key: str = "", **settings: Any) -> Any:
    """Draw a widget whose value is an attribute of the draft (or of a part of it), so that it survives other steps."""
    key = f"studies-{key or name}"

    def changed() -> None:
        setattr(of, name, st.session_state[key])

    st.session_state[key] = getattr(of, name)
    return widget(label, key=key, on_change=changed, **settings)


def source(of: Draft) -> str:
    """The model as ``prepare_study`` takes it. Raises ExplorerError for what a shared app does not open."""
    return _model(of)[0]


def checkpoints(of: Draft) -> list[str]:
    """The stages as entries of ``study.toml``; empty fields are left out, an adapter given as the model comes first."""
    stages = [stage for stage in of.stages if stage.place.strip()]
    return [
        *_model(of)[1],
        *(
            (ADAPTER if one.adapter and on_hub(one.place) else "") + _opened("adapter", one.place.strip())
            for one in stages
        ),
    ]


def _model(of: Draft) -> tuple[str, list[str]]:
    """(base model, the adapter that was given in its place, if one was)."""
    name = f"{of.model.strip()}@{of.revision.strip()}" if of.revision.strip() else of.model.strip()
    base, adapter = base_and_adapter(_opened("model", name or embedded.NAME))
    return (_opened("model", base) if adapter else base), adapter


def specs(of: Draft) -> list[ModelSpec]:
    """The stages as models, each checked. Raises ExplorerError for one that is no checkpoint."""
    stages = resolve(Path("/"), source(of), checkpoints(of))
    for spec in stages:
        check_checkpoint(spec)
    return list(stages)


def model_after(of: Draft) -> ModelSpec:
    """The model after all training, checked. Raises ExplorerError."""
    bare = ModelSpec(source(of))
    if bare.source != embedded.NAME:
        check_checkpoint(bare)
    return [bare, *specs(of)][-1]


def require_fetchable(of: Draft) -> None:
    """Raise ExplorerError where a model on the hub is not here and can't be fetched; the hub is asked for seconds."""
    places = [place for spec in (ModelSpec(source(of)), *specs(of)) for place in places_of(spec)]
    for name in dict.fromkeys(place.name for place in places if place.on_hub and not os.path.exists(place.name)):
        require_on_hub(name)


def reference(of: Draft) -> str | None:
    """The entry of the model before the training in question; None for the default."""
    entries = checkpoints(of)
    if of.before is None or of.before >= len(entries) - 1:
        return None
    return source(of) if of.before < 0 else entries[of.before]


def on_hub(text: str) -> bool:
    """Whether a place that was typed is a hub id."""
    try:
        return Place("adapter", place_name(text)).on_hub
    except ExplorerError:
        return False


def _opened(kind: str, text: str) -> str:
    """A place that was typed, made absolute. Raises ExplorerError for one that a shared app does not open."""
    place = Place(kind, place_name(text))
    require_openable(place)
    return place.name


def data_files(of: Draft) -> list[Path]:
    """The files of training data: those that were uploaded, else the path, pattern or folder that was typed."""
    if of.uploads:
        return of.files
    path = Path(place_name(of.path.strip())).absolute()
    for file in (path, *_files_of(path)):
        require_openable(Place("study", str(file)))
    return [path]


def _files_of(path: Path) -> list[Path]:
    """Every file that a path or pattern stands for: a shared app looks at each, as links may lead anywhere."""
    require_openable(Place("study", str(path)))
    files, _ = find_sources(path)
    return [file for place in files for file in (place, *(place.rglob("*") if place.is_dir() else ()))]


@contextmanager
def named_plainly(of: Draft) -> Iterator[None]:
    """Within the block, errors call a file that was uploaded by its name alone."""
    try:
        yield
    except ExplorerError as error:
        raise ExplorerError(str(error).replace(f"{of.place / 'uploads'}/", "")) from error


@contextmanager
def uploaded_file(upload: tuple[str, bytes]) -> Iterator[Path]:
    """Yield the path of an uploaded file, (name, content), for as long; errors call it by its name alone."""
    with TemporaryDirectory(prefix="explorer-upload-") as folder:
        path = Path(folder) / Path(upload[0].replace("\\", "/")).name
        path.write_bytes(upload[1])
        try:
            yield path
        except ExplorerError as error:
            raise ExplorerError(str(error).replace(f"{folder}/", "")) from error


def imported(of: Draft) -> ImportedData:
    """The training data as they were recognised; read again only where a file or how it is read has changed."""
    with named_plainly(of):
        files = data_files(of)
        content = tuple((str(file), version_of(file)) for path in files for file in _files_of(path))
        key = (content, of.turns, of.template, tuple(of.columns.items()))
        if (known := st.session_state.get(_IMPORTED)) is None or known[0] != key:
            with st.spinner("Reading the training data"):
                data = import_data(files, of.turns, of.columns, raw=of.template == "raw")
            known = st.session_state[_IMPORTED] = (key, data)
    return known[1]


def rows_as_they_are(of: Draft) -> list[dict[str, Any]]:
    """The first rows of the training data under the names of their file. Raises ExplorerError."""
    with named_plainly(of):
        return first_rows(data_files(of))


def make_study(of: Draft) -> tuple[Study, list[str]]:
    """Make the study, in a folder of its own beside the others; returns it with what was taken for granted.

    Raises ExplorerError, also for a model that can't be fetched from the hub; nothing is written then.
    """
    require_fetchable(of)
    folder = folder_for(studies_folder(), of.name)
    behaviors, failures = study_rows(of.entries)
    with named_plainly(of), TemporaryDirectory(prefix="explorer-lists-") as lists:
        files = {}
        for what, rows in (("behaviors", behaviors), ("failures", failures)):
            if rows:
                files[what] = Path(lists) / f"{what}.jsonl"
                write_json_lines(files[what], rows)
        given = {"checkpoints": checkpoints(of), "reference": reference(of), "name": of.name.strip(), **files}
        read_as = {name: getattr(of, name) for name in ("columns", "template", "turns", "hold_out", "max_tokens")}
        new = prepare_study(folder, model=source(of), data=data_files(of), **given, **read_as)
        return new.write(), list(new.notes)
