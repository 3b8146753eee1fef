"""Which folders, files and models a link may open: below allowed folders at once, anything else after a click.

Allowed are the folder of the studies, the caches of models, what ``explorer app --allow`` named, and what was opened by
hand or confirmed in this session. A model on the hub is asked for each time, as loading it reaches the network.
"""

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from huggingface_hub import constants as hub

from explorer.demo.build import default_folder
from explorer.errors import ExplorerError
from explorer.limits import PLACE_CHARS
from explorer.model import embedded
from explorer.model.spec import HUB_ID, ModelSpec
from explorer.serving import Serving

ALLOWED = "allowed-places"
"""Session key of the places that were opened by hand or confirmed."""
_NAME_BYTES = 255  # of one folder or file, on every common file system


@dataclass(frozen=True)
class Place:
    """Something to open: ``kind`` is study, model or adapter; ``name`` an absolute path or a hub id."""

    kind: str
    name: str

    @property
    def on_hub(self) -> bool:
        """Whether opening it may reach the network."""
        return self.kind != "study" and _is_hub_id(self.name)


def place_name(text: str) -> str:
    """A place as it was typed or stands in a link: a hub id as it is, anything else as an absolute path.

    The disk is not asked. Raises ExplorerError for what can be neither.
    """
    text = text.strip()
    shown = ascii(text[:60])
    if len(text) > PLACE_CHARS:
        raise ExplorerError(f"{shown}…: {len(text):,} characters; a path or hub id has at most {PLACE_CHARS:,}.")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise ExplorerError(f"{shown}: holds control characters; expected a path or a hub id.")
    if any(len(part.encode()) > _NAME_BYTES for part in text.split("/")):
        raise ExplorerError(f"{shown}…: a name in it is longer than {_NAME_BYTES} bytes, which no folder has.")
    if not text or text == embedded.NAME or _is_hub_id(text):
        return text
    path = os.path.expanduser(text)
    if path.startswith("~"):
        raise ExplorerError(f"{shown}: there is no such user; expected a path or a hub id.")
    return os.path.abspath(path)


def _is_hub_id(name: str) -> bool:
    return (
        name != embedded.NAME
        and not name.startswith((".", "/", "~"))
        and not name.lower().endswith(".gguf")
        and HUB_ID.fullmatch(name.partition("@")[0]) is not None
    )


def places_of(spec: ModelSpec) -> list[Place]:
    """What loading a model opens: its weights, unless they are the embedded ones, and its adapter."""
    weights = [] if spec.source == embedded.NAME else [Place("model", place_name(spec.name))]
    return weights + ([Place("adapter", place_name(spec.adapter))] if spec.adapter else [])


def allow(places: Iterable[Place]) -> None:
    """Let this session open places without asking, and folders with all that is in them."""
    st.session_state[ALLOWED] = st.session_state.get(ALLOWED, frozenset()) | {place.name for place in places}


def is_allowed(place: Place) -> bool:
    """Whether a link may open a place without asking."""
    confirmed = st.session_state.get(ALLOWED, frozenset())
    if place.on_hub or place.name == embedded.NAME:
        return place.name in {embedded.NAME, *confirmed}
    return _lies_below(place.name, (*_usual(), *Serving.read().allow, *confirmed))


def require_openable(place: Place) -> None:
    """Raise ExplorerError where a shared app may not open what somebody typed; one that is not opens anything."""
    serving = Serving.read()
    if not serving.share or place.on_hub or place.name == embedded.NAME:
        return
    if not _lies_below(place.name, (*_usual(), *serving.allow)):
        lies = "lies below its folder of studies, its caches of models, or an 'app --allow FOLDER'"
        raise ExplorerError(f"{place.name}: this app is shared and opens only what {lies}.")


def require_writable(folder: Path) -> None:
    """Raise ExplorerError where a shared app may not change a study: outside its studies and what is allowed."""
    serving = Serving.read()
    if serving.share and not _lies_below(str(folder), (str(default_folder().parent), *serving.allow)):
        lies = "lies below its folder of studies or an 'app --allow FOLDER'"
        raise ExplorerError(f"{folder}: this app is shared and changes only what {lies}.")


def _usual() -> tuple[str, ...]:
    """The folder of the studies, and the caches of models."""
    return str(default_folder().parent), str(embedded.cache_folder()), hub.HF_HUB_CACHE


def _lies_below(path: str, folders: Iterable[str]) -> bool:
    roots = [os.path.abspath(root) for root in folders if not _is_hub_id(root)]
    real = [os.path.realpath(root) for root in roots]
    # by name first: even looking at a path on another machine would reach the network
    return _below(path, roots + real) and _below(os.path.realpath(path), real)


def _below(path: str, roots: Iterable[str]) -> bool:
    return any(os.path.commonpath([path, root]) == root for root in roots)
