"""A study as one zip: written to be sent on, and read from whoever sent it.

The zip holds the study's files as they are, ``study.toml`` with paths that are right elsewhere. It may take the models
and adapters along that lie outside the study, below ``models/``. Nothing that a zip names is written outside its own
new folder, and no member can be a link, a pickle or a hidden file.
"""

import os
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from explorer.data.checkpoints import ADAPTER, check_checkpoint
from explorer.data.study import SETTINGS, VECTORS, Study, open_study
from explorer.data.study_files import folder_for, moved_settings, study_files
from explorer.data.zips import BROKEN, broken_zip, open_zip
from explorer.errors import ExplorerError, count
from explorer.files import toml_text, write_whole
from explorer.folders import whole_folder
from explorer.limits import STUDY_FILES, STUDY_UNPACKED_BYTES
from explorer.model.spec import ADAPTER_CONFIG, PICKLED
from explorer.reading import open_file

MODELS = "models"
_REFUSED = (*PICKLED, ".pkl", ".pickle", ".py", ".so", ".dll", ".exe", ".sh")
"""Endings of files that can run code when something reads them; no study has any."""
_OF_MODELS = {".safetensors", ".json", ".jinja", ".txt", ".model", ".tiktoken", ".spm", ".md"}
"""Endings of the files of a model's folder that go along: weights, settings, tokenizer, its card."""
_LINK = 0o120000
_KINDS = 0o170000
_COPY = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every member: equal studies make equal zips."""


@dataclass(frozen=True)
class Outgoing:
    """What a zip of a study would hold.

    Attributes:
        settings: of ``study.toml``.
        files: name in the zip → file on this machine, ``study.toml`` apart.
    """

    settings: dict[str, Any]
    files: dict[str, Path]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.stat().st_size for file in self.files.values())


def outgoing(folder: Path, *, vectors: bool = True, models: bool = False) -> Outgoing:
    """Return what ``export_study`` writes with these settings. Raises ExplorerError for a broken study."""
    files = {str(file.relative_to(folder)): file for file in study_files(folder)}
    files = {name: file for name, file in files.items() if vectors or not name.startswith(f"{VECTORS}{os.sep}")}
    files = {name: file for name, file in files.items() if not name.lower().endswith(_REFUSED) and name != SETTINGS}
    settings = moved_settings(folder)
    if models:
        settings = _with_models(settings, files)
    return Outgoing(settings, {name.replace(os.sep, "/"): file for name, file in files.items()})


def _with_models(settings: dict[str, Any], files: dict[str, Path]) -> dict[str, Any]:
    """Take local models and adapters along; returns the settings that name them where they will be."""
    taken: dict[str, str] = {}

    def take(entry: str) -> str:
        place = entry.removeprefix(ADAPTER)
        if not place.startswith("/") or not os.path.exists(place):
            return entry
        if place not in taken:
            taken[place] = f"{MODELS}/{len(taken) + 1}-{Path(place).name}"
            files.update(_model_files(Path(place), taken[place]))
        return f"{ADAPTER if entry.startswith(ADAPTER) else ''}./{taken[place]}"

    moved: dict[str, Any] = {"model": take(settings["model"])}
    for field in ("checkpoints", "adapters"):
        if field in settings:
            moved[field] = [take(entry) for entry in settings[field]]
    return settings | moved | ({"reference": take(settings["reference"])} if settings.get("reference") else {})


def _model_files(place: Path, name: str) -> dict[str, Path]:
    """The files of a model's folder, not of those below it, where other checkpoints lie; or a GGUF file alone."""
    if place.is_file() and place.suffix.lower() == ".gguf":
        return {name: place}
    if not any((place / config).is_file() for config in ("config.json", ADAPTER_CONFIG)):
        raise ExplorerError(f"{place}: no model or adapter; nothing of it is put into a zip.")
    files = (file for file in sorted(place.iterdir()) if file.is_file() and not file.name.startswith("."))
    return {f"{name}/{file.name}": file for file in files if file.suffix.lower() in _OF_MODELS}


def export_study(folder: Path, out: Path, *, vectors: bool = True, models: bool = False) -> Path:
    """Write a study as a zip.

    Args:
        out: the file, which is replaced in one step.
        vectors: whether the built vectors go along; they can be built again.
        models: whether models and adapters of this machine go along that lie outside the study; those on the hub, and
            the embedded model, never do.

    Returns ``out``. Raises ExplorerError.
    """
    parts = outgoing(folder, vectors=vectors, models=models)

    def write(scratch: Path) -> None:
        with zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(zipfile.ZipInfo(SETTINGS, _EPOCH), toml_text(parts.settings))
            for name, file in parts.files.items():
                info = zipfile.ZipInfo(name, _EPOCH)
                info.compress_type = zipfile.ZIP_STORED if name.endswith(".safetensors") else zipfile.ZIP_DEFLATED
                with open_file(file, "a file of a study") as source, archive.open(info, "w", force_zip64=True) as to:
                    shutil.copyfileobj(source, to, _COPY)

    write_whole(out, write)
    return out


def import_study(path: Path, studies: Path, name: str = "") -> tuple[Study, list[str]]:
    """Unpack a study's zip into a new folder below ``studies`` and read all of it.

    Args:
        name: what to call it; default its own name.

    Returns the study, and sentences on what it names that is not on this machine. Raises ExplorerError for a zip that
    is hostile, broken or no study; nothing of it is left then.
    """
    with open_file(path, "a zip of a study") as file:
        archive, members = open_zip(file, path, STUDY_UNPACKED_BYTES, "a study")
        with archive:
            files = _files(path, members)
            studies.mkdir(parents=True, exist_ok=True)
            if (needed := sum(info.file_size for info in files.values())) > shutil.disk_usage(studies).free:
                raise ExplorerError(f"{path}: unpacks to {needed:,} bytes; the disk has less free.")
            place = folder_for(studies, name or PurePosixPath(path.name).stem or "study")
            with whole_folder(place, last=SETTINGS) as scratch:
                for target, info in files.items():
                    _unpack(path, archive, info, scratch / target)
                study = _read_all(scratch)
                if name:
                    settings = moved_settings(scratch) | {"name": name}
                    (scratch / SETTINGS).write_text(toml_text(settings), encoding="utf-8")
    study = open_study(place)
    return study, _absent(study)


def _files(path: Path, members: dict[str, zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Place in the study → member; all of it may lie in one folder. Raises ExplorerError for what no study has."""
    files = {name: info for name, info in members.items() if not info.is_dir()}
    if len(files) > STUDY_FILES:
        raise ExplorerError(f"{path}: {count(len(files), 'file')}; expected at most {STUDY_FILES:,}.")
    root = min((name for name in files if PurePosixPath(name).name == SETTINGS), key=len, default=None)
    if root is None:
        raise ExplorerError(f"{path}: no {SETTINGS} in it; expected the zip of a study.")
    top = root[: -len(SETTINGS)]
    placed: dict[str, zipfile.ZipInfo] = {}
    for name, info in files.items():
        kind, parts = (info.external_attr >> 16) & _KINDS, PurePosixPath(name.removeprefix(top)).parts
        hidden = any(part.startswith(".") or "\\" in part or "\0" in part for part in parts)
        if kind == _LINK or info.flag_bits & 1 or hidden or name.lower().endswith(_REFUSED):
            raise ExplorerError(
                f"{path}: a member named '{name[:80]}'; a study has no links, hidden files or programs."
            )
        if name.startswith(top):
            placed["/".join(parts)] = info
    return placed


def _unpack(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    """Write one member, never more of it than it says."""
    where, left = f"{path}, member {info.filename[:80]}", info.file_size
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, target.open("xb") as out:
            while chunk := source.read(min(_COPY, left + 1)):
                if len(chunk) > left:
                    raise ExplorerError(f"{where}: longer than the zip says.")
                left -= len(chunk)
                out.write(chunk)
    except (*BROKEN, RuntimeError, zlib.error) as error:
        raise error if isinstance(error, ExplorerError) else broken_zip(where, "a study", error) from error
    if left:
        raise ExplorerError(f"{where}: shorter than the zip says.")


def _read_all(folder: Path) -> Study:
    """Read every file of a study but for its models, which may be on another machine."""
    study = open_study(folder)
    study.datapoints()
    study.behaviors()
    study.failures()
    return study


def _absent(study: Study) -> list[str]:
    """Sentences on the models of a study that are not on this machine; the hub is not asked."""
    sentences = []
    for spec in dict.fromkeys([*study.trained, study.reference_spec]):
        for place in filter(None, [spec.source, spec.adapter]):
            if place.startswith("/") and not os.path.exists(place):
                sentences.append(f"{place} is not on this machine: open {SETTINGS} and say where it is.")
        try:
            check_checkpoint(spec)
        except ExplorerError as error:
            sentences += [] if sentences else [str(error)]
    return list(dict.fromkeys(sentences))
