"""The sidebar: which failure, which model."""

import streamlit as st

from explorer.demo import embedded
from explorer.errors import ExplorerError
from explorer.failures import Failure
from explorer.models import DTYPES, LoadedModel, ModelSpec, load_model
from explorer.ui.state import current_case, gallery, model_spec, plain, set_case, set_model, stop_on

KINDS = {
    "fact": "Wrong fact",
    "arithmetic": "Arithmetic",
    "format": "Ignored format",
    "false-premise": "False premise",
    "distraction": "Distraction",
    "negation": "Negation",
}


def case_picker() -> None:
    """The gallery of failures; a click puts one on screen."""
    cases = gallery()
    ids = list(cases)
    case = current_case()

    def label(name: str) -> str:
        found = cases[name]
        return f"{KINDS.get(found.kind, found.kind)}: {found.title or found.prompt[:40]}"

    st.session_state["gallery"] = case.id if case.id in cases else None
    st.selectbox(
        "Failure",
        ids,
        key="gallery",
        format_func=label,
        placeholder="Your own prompt",
        on_change=lambda: set_case(cases[st.session_state["gallery"]]) if st.session_state["gallery"] else None,
    )


def step(by: int) -> None:
    """Go to the next or the previous failure of the gallery."""
    ids = list(gallery())
    case: Failure = current_case()
    at = ids.index(case.id) if case.id in ids else -1 if by > 0 else 0
    set_case(gallery()[ids[(at + by) % len(ids)]])


def model_picker() -> LoadedModel:
    """Choose and load a model; a model that can't be used says why and leaves the old one in place."""
    spec = model_spec()
    refused = st.session_state.get("refused")
    with st.expander(f"Model: {plain(spec.title)}", icon=":material/memory:", expanded=bool(refused)):
        source = st.text_input(
            "Model",
            "" if spec.source == embedded.NAME else spec.source,
            placeholder=f"{embedded.TITLE} (embedded)",
            help="A hub id, a local folder or a .gguf file. Empty: the embedded model. Weights are read from "
            "safetensors or GGUF only.",
        )
        adapter = st.text_input("PEFT adapter", spec.adapter or "", placeholder="none", help="A folder or hub id.")
        left, right = st.columns(2)
        device = left.selectbox("Device", ["auto", "cpu", "cuda", "mps"])
        dtype = right.selectbox("Precision", ["auto", *DTYPES])
        wanted = ModelSpec(source.strip() or embedded.NAME, adapter.strip() or None, device, dtype)
        if st.button("Load", width="stretch", disabled=wanted == spec):
            _try(wanted)
            st.rerun()
        if refused:
            st.error(plain(refused), icon=":material/error:")
    return _loaded(spec)


def _try(wanted: ModelSpec) -> None:
    with st.status("Loading", expanded=True) as status:
        try:
            loaded = load_model(wanted, lambda message: status.update(label=plain(message)))
            status.update(label="Checking that the LRP rules cover it")
            loaded.view("attnlrp")
        except ExplorerError as error:
            st.session_state["refused"] = str(error)
        else:
            st.session_state["refused"] = None
            set_model(wanted)


def _loaded(spec: ModelSpec) -> LoadedModel:
    with st.spinner(f"Loading {plain(spec.title)}", show_time=True):
        try:
            return load_model(spec)
        except ExplorerError as error:
            if spec == ModelSpec():
                stop_on(error)
            st.session_state["refused"] = str(error)
            set_model(ModelSpec())
            st.rerun()
