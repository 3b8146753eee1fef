"""What a session remembers: the model, the case on screen, the selected token. All but the device are in the URL."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from explorer.data.failures import OWN, Failure
from explorer.limits import LINK_PROMPT
from explorer.model.load import ModelSpec
from explorer.ui import link
from explorer.ui.link_names import linked_model, model_keys, study_key
from explorer.ui.study import current_study, gallery, model_of, surveyed_case

MARKS = (
    "pins",
    "groups",
    "hide",
    "open",
    "halves",
    "layers",
    "beads",
    "ablated",
    "zoom",
    "at",
    "head",
    "edits",
    "minimal",
)
"""Query parameters of the Graph and Trace pages that belong to one case."""
_FIELDS = {"q": "prompt", "wrong": "wrong", "right": "right", "system": "system", "evidence": "evidence"}
TRAVELS = ("case", "raw", "place", "token", "model", "adapter", *_FIELDS, "graph", *MARKS)
"""Query parameters that travel from page to page with the study."""
LONG_CASE = "This link is about a prompt that is too long for a link: it stayed in the browser where it was typed."


def model_spec() -> ModelSpec:
    """The model on screen: the link's, else the one that the case on screen is a failure of. Raises ExplorerError."""
    spec = linked_model() if link.get("model") or link.get("adapter") else model_of(current_case())
    return replace(spec, **st.session_state.get("runs-on", {}))


def set_model(spec: ModelSpec) -> None:
    """Make a loaded model the session's, in the link too; device and precision stay for the models to come."""
    st.session_state["runs-on"] = {"device": spec.device, "dtype": spec.dtype}
    link.put(dict.fromkeys(MARKS) | _model_in_link(spec, current_case()), token=None)


def _model_in_link(spec: ModelSpec, case: Failure) -> dict[str, str | None]:
    """What the link says of the model: nothing where the case says it."""
    if spec.weights == model_of(case).weights:
        return {"model": None, "adapter": None}
    return model_keys(spec, current_study().study)


def set_study(folder: Path) -> None:
    """Open a study in this session: its first failure, its model."""
    link.put(dict.fromkeys((*TRAVELS, *link.THINGS)), models=None, study=study_key(folder))
    st.session_state.pop("graph-history", None)


def keep_case(page: str) -> None:
    """Carry the case in the link to another page: Streamlit empties the link when the page is changed."""
    came_from, travelling = st.session_state.get("kept-case", (page, {}))
    if came_from != page and not link.has("case", "q"):
        link.put({name: value for name, value in travelling.items() if not link.has(name)})
    st.session_state["kept-case"] = page, {name: link.get(name) for name in ("study", *TRAVELS) if link.has(name)}


def current_case() -> Failure:
    """The failure on screen: named or spelt out in the link, else the first to be shown of the study's.

    The link may say which place of its answers is contrasted.
    """
    case, place = _named_case(), link.whole(link.get("place"))
    return case if place is None else replace(case, place=place)


def _named_case() -> Failure:
    if all(link.get(name) for name in ("q", "wrong", "right")):
        given = {field: link.get(name) or None for name, field in _FIELDS.items()}
        return Failure(raw=link.get("raw") == "1", **given)  # pyright: ignore[reportArgumentType]
    if link.get("case") == OWN and "long-case" in st.session_state:
        return st.session_state["long-case"]
    if known := gallery().get(link.get("case")):
        return known
    if surveyed := surveyed_case(link.get("case")):
        return surveyed[0]
    first = next(iter(gallery().values()))
    if link.get("case") == OWN:
        link.tell("case", LONG_CASE)
    elif link.get("case"):
        link.tell_absent("case", instead=first.prompt)
    return first


def set_case(case: Failure) -> None:
    """Put a failure on screen and into the link; the selected token is forgotten.

    A prompt of one's own stays with the model on screen; a failure of the gallery brings the model it is one of.
    """
    spec = model_spec() if case.id == OWN else model_of(case)
    st.session_state.pop("graph-history", None)
    spelt_out = case.id == OWN and len(case.prompt) + len(case.system or "") <= LINK_PROMPT
    if case.id == OWN and not spelt_out:
        st.session_state["long-case"] = case
    fields = {name: (getattr(case, field) or None) if spelt_out else None for name, field in _FIELDS.items()}
    named = {"case": None if spelt_out else case.id, "raw": "1" if spelt_out and case.raw else None, "token": None}
    named["place"] = str(case.place) if case.id == OWN and case.place is not None else None
    link.put({**dict.fromkeys(MARKS), **fields, **named, **_model_in_link(spec, case)})


def set_place(number: int) -> None:
    """Contrast the case's answers at a place where they differ, not whole; selected token and node are forgotten."""
    link.put(place=str(number), whole=None, token=None, at=None)


def selected_token() -> int | None:
    """Index of the token that all views mark, or None."""
    return link.whole(link.get("token"))


def select_token(index: int | None) -> None:
    """Mark a token in all views and in the link."""
    link.put(token=None if index is None else str(index))
