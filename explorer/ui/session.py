"""What a session remembers: the model, the case on screen, the selected token. All but the device are in the URL."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from explorer.data.failures import OWN, Failure
from explorer.limits import LINK_PROMPT
from explorer.model.load import ModelSpec
from explorer.ui import link
from explorer.ui.places import place_name
from explorer.ui.study import demo_folder, gallery, model_of, plainest

MARKS = ("pins", "groups", "hide", "open", "halves", "layers", "at")
"""Query parameters of the Graph page that belong to one case."""
_FIELDS = {"q": "prompt", "wrong": "wrong", "right": "right", "system": "system", "evidence": "evidence"}
TRAVELS = ("case", "raw", "token", "model", "adapter", *_FIELDS, *MARKS)
"""Query parameters that travel from page to page with the study."""


def model_spec() -> ModelSpec:
    """The model on screen: the link's, else the one that the case on screen is a failure of. Raises ExplorerError."""
    if link.get("model") or link.get("adapter"):
        model, adapter = place_name(link.get("model")), place_name(link.get("adapter"))
        spec = ModelSpec(model or ModelSpec.source, adapter or None)
    else:
        spec = model_of(current_case())
    return replace(spec, **st.session_state.get("runs-on", {}))


def set_model(spec: ModelSpec) -> None:
    """Make a loaded model the session's, in the link too; device and precision stay for the models to come."""
    st.session_state["runs-on"] = {"device": spec.device, "dtype": spec.dtype}
    link.put(**dict.fromkeys(MARKS), token=None)
    _link_model(spec, current_case())


def _link_model(spec: ModelSpec, case: Failure) -> None:
    """Write the model into the link, unless the case says it."""
    usual = model_of(case)
    if spec.weights == usual.weights:
        link.put(model=None, adapter=None)
    else:
        link.put(model=spec.name, adapter=spec.adapter)


def set_study(folder: Path) -> None:
    """Open a study in this session: its first failure, its model."""
    link.put(**dict.fromkeys(TRAVELS), study=None if folder == demo_folder() else str(folder))
    st.session_state.pop("graph-history", None)


def keep_case(page: str) -> None:
    """Carry the case in the link to another page: Streamlit empties the link when the page is changed."""
    came_from, travelling = st.session_state.get("kept-case", (page, {}))
    if came_from != page and not link.has("case", "q"):
        link.put({name: value for name, value in travelling.items() if not link.has(name)})
    st.session_state["kept-case"] = page, {name: link.get(name) for name in ("study", *TRAVELS) if link.has(name)}


def current_case() -> Failure:
    """The failure on screen: named or spelt out in the link, else the first to be shown of the study's."""
    if all(link.get(name) for name in ("q", "wrong", "right")):
        given = {field: link.get(name) or None for name, field in _FIELDS.items()}
        return Failure(raw=link.get("raw") == "1", **given)  # pyright: ignore[reportArgumentType]
    if link.get("case") == OWN and "long-case" in st.session_state:
        return st.session_state["long-case"]
    return gallery().get(link.get("case")) or plainest(gallery().values())


def set_case(case: Failure) -> None:
    """Put a failure on screen and into the link; the selected token is forgotten.

    A prompt of one's own stays with the model on screen; a failure of the gallery brings the model it is one of.
    """
    spec = model_spec() if case.id == OWN else model_of(case)
    link.put(**dict.fromkeys(MARKS))
    st.session_state.pop("graph-history", None)
    spelt_out = case.id == OWN and len(case.prompt) + len(case.system or "") <= LINK_PROMPT
    if case.id == OWN and not spelt_out:
        st.session_state["long-case"] = case
    link.put(case=None if spelt_out else case.id, raw="1" if spelt_out and case.raw else None)
    link.put(**{name: (getattr(case, field) or None) if spelt_out else None for name, field in _FIELDS.items()})
    _link_model(spec, case)
    select_token(None)


def selected_token() -> int | None:
    """Index of the token that all views mark, or None."""
    return link.whole(link.get("token"))


def select_token(index: int | None) -> None:
    """Mark a token in all views and in the link."""
    link.put(token=None if index is None else str(index))
