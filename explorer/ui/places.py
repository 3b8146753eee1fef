"""Which folders, files and models a link may open: below allowed folders at once, anything else after a click.

Allowed are the folder of the studies, the caches of models, what ``explorer app --allow`` named, and what was opened by
hand or confirmed in this session. A model on the hub is asked for each time, as loading it reaches the network.
"""

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

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
    usual = (str(default_folder().parent), str(embedded.cache_folder()), hub.HF_HUB_CACHE)
    roots = [os.path.abspath(root) for root in (*usual, *Serving.read().allow, *confirmed) if not _is_hub_id(root)]
    real = [os.path.realpath(root) for root in roots]
    # by name first: even looking at a path on another machine would reach the network
    return _below(place.name, roots + real) and _below(os.path.realpath(place.name), real)


def _below(path: str, roots: Iterable[str]) -> bool:
    return any(os.path.commonpath([path, root]) == root for root in roots)
