"""What links call studies, models and adapters: by names where there are any, so that they open on another machine.

A study beside the demo study goes by the name of its folder, a checkpoint of the study by its name there, an adapter in
the study's folder by its path in it (``./repairs/…``), a model on the hub by its id. Anything else is a path of this
machine. A name never opens more than the path that it stands for: ``asking`` looks at the paths.
"""

import os
import re
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from explorer.data.study import Study
from explorer.model.spec import ModelSpec
from explorer.ui import link
from explorer.ui.places import Place, place_name, places_of
from explorer.ui.study import beside_demo, current_study, demo_folder, study_folder

_INSIDE = "./"
KEYS = ("study", "model", "adapter")
"""Query parameters that name places."""


def study_key(folder: Path) -> str | None:
    """What a link calls a study; None for the demo study, which no link names."""
    if folder == demo_folder():
        return None
    return folder.name if beside_demo(folder.name) == folder else str(folder)


def model_keys(spec: ModelSpec, study: Study) -> dict[str, str | None]:
    """The query parameters ``model`` and ``adapter`` that mean a model, with None for one that is not needed."""
    checkpoints = study.checkpoints()
    for name, checkpoint in checkpoints.items():
        if checkpoint.weights == spec.weights and (checkpoint.adapter or _is_path(checkpoint)):
            return {"model": None, "adapter": name} if spec.adapter else {"model": name, "adapter": None}
    base = next((n for n, c in checkpoints.items() if c.weights == (spec.name, None) and _is_path(c)), None)
    model = base or _unless_taken(spec.name, checkpoints)
    return {"model": model, "adapter": _adapter_key(spec.adapter, study) if spec.adapter else None}


def _adapter_key(adapter: str, study: Study) -> str:
    checkpoints = study.checkpoints()
    if name := next((name for name, checkpoint in checkpoints.items() if checkpoint.adapter == adapter), None):
        return name
    inside = os.path.relpath(adapter, study.folder) if os.path.isabs(adapter) else ".."
    return _unless_taken(adapter, checkpoints) if inside.split(os.sep)[0] == ".." else _INSIDE + inside


def _unless_taken(name: str, checkpoints: dict[str, ModelSpec]) -> str:
    """A hub id, with its main branch where a checkpoint of the study has the same name."""
    return f"{name}@main" if name in checkpoints else name


def linked_model() -> ModelSpec:
    """The model that the link names. Raises ExplorerError for what can be no model, or a study that can't be read."""
    model, adapter, study = link.get("model"), link.get("adapter"), current_study().study
    checkpoints = study.checkpoints()
    trained = checkpoints.get(adapter.strip())
    if trained and trained.adapter:
        if not model:
            return trained
        adapter = trained.adapter
    elif adapter.startswith(_INSIDE):
        adapter = os.path.join(study.folder, adapter)
    whole = checkpoints.get(model.strip())
    source = whole.name if whole and _is_path(whole) else place_name(model)
    return ModelSpec(source or ModelSpec.source, place_name(adapter) or None)


def _is_path(spec: ModelSpec) -> bool:
    """Whether a whole model lies on this machine, and is not the embedded one."""
    return not spec.adapter and any(not place.on_hub for place in places_of(spec))


def linked_places(study_is_open: bool) -> list[Place]:
    """The models and adapters that the link names; those by a name of the study only once that may be read.

    Raises ExplorerError for what can be no place.
    """
    texts = {kind: link.get(kind) for kind in ("model", "adapter")}
    if study_is_open and any(texts.values()):
        return places_of(linked_model())
    places = {kind: place_name(text) for kind, text in texts.items() if text and not text.startswith(_INSIDE)}
    return [Place(kind, place) for kind, place in places.items() if "/" in place]


def shared_query() -> dict[str, str]:
    """The link's query parameters with names in the place of paths. Raises ExplorerError as ``linked_model``."""
    keys: dict[str, str | None] = {}
    if link.has("study"):
        keys["study"] = study_key(study_folder())
    if link.has("model", "adapter"):
        keys |= model_keys(linked_model(), current_study().study)
    query = link.query() | keys
    return {name: value for name, value in query.items() if value is not None}


def shared_address() -> str:
    """The whole link to what is on screen, as it may be given away; empty where no browser told its address."""
    page, query = st.context.url, urlencode(shared_query())
    return f"{page}{'?' if query else ''}{query}" if page else ""


def names_folder(query: dict[str, str]) -> bool:
    """Whether a link names a folder of this machine, and so opens nowhere else."""
    compared = re.split("[,+]", query.get("models", ""))
    return any(map(os.path.isabs, [*compared, *(query.get(name, "") for name in KEYS)]))
