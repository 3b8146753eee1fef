"""The sidebar: which study, which failure, which model."""

from pathlib import Path

import streamlit as st

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.model import embedded
from explorer.model.load import DTYPES, LoadedModel, ModelSpec, load_model
from explorer.ui import link
from explorer.ui.session import current_case, model_spec, set_case, set_model, set_study
from explorer.ui.study import (
    current_study,
    demo_folder,
    gallery,
    model_of,
    opened,
    study_folder,
    study_folders,
    told_apart,
    whole_path,
)
from explorer.ui.text import plain

KINDS = {
    "planted": "Planted",
    "own": "Own",
    "fact": "Wrong fact",
    "arithmetic": "Arithmetic",
    "format": "Ignored format",
    "false-premise": "False premise",
    "distraction": "Distraction",
    "negation": "Negation",
}
OPEN = "open a folder"


def sidebar() -> None:
    """All pickers. A study or a model of it that can't be used says why on the page, which ends there."""
    try:
        with st.sidebar:
            study_picker()
            case_picker()
            model_picker()
    except ExplorerError as error:
        st.error(plain(str(error)), icon=":material/error:")
        if link.has("study"):
            st.button("Back to the demo study", on_click=lambda: set_study(demo_folder()), key="back")
        st.stop()


def study_picker() -> None:
    """The demo study, those beside it, and any folder; then how much is in the one on screen."""
    labels = told_apart({str(folder): _name(folder) for folder in study_folders()}) | {OPEN: "Open a folder…"}
    opening = st.session_state.get("opening")
    st.session_state["study"] = OPEN if opening else str(study_folder())
    st.selectbox("Study", list(labels), key="study", format_func=labels.__getitem__, on_change=_choose)
    if opening:
        st.text_input("Folder of the study", key="study-path", placeholder="the one with study.toml", on_change=_open)
        if refused := st.session_state.get("study-refused"):
            st.error(plain(refused), icon=":material/error:")
    found = current_study()
    counts = {"training example": found.examples, "behavior": found.behaviors}
    st.caption(" · ".join(f"{count:,} {word}{'s' if count != 1 else ''}" for word, count in counts.items()))


def _name(folder: Path) -> str:
    try:
        return opened(folder).study.name
    except ExplorerError:
        return folder.name


def _choose() -> None:
    chosen = st.session_state["study"]
    st.session_state["opening"] = chosen == OPEN
    st.session_state["study-refused"] = None
    if chosen not in (OPEN, str(study_folder())):
        set_study(Path(chosen))


def _open() -> None:
    typed = st.session_state["study-path"]
    st.session_state["study-refused"] = None
    if not typed.strip():
        return
    folder = whole_path(typed)
    try:
        opened(folder)
    except ExplorerError as error:
        st.session_state["study-refused"] = str(error)
    else:
        st.session_state["opening"] = False
        set_study(folder)


def case_picker() -> None:
    """The gallery of failures; a click puts one on screen, with the model that it is a failure of."""
    cases = gallery()
    case = current_case()
    labels = told_apart({name: _label(found) for name, found in cases.items()})
    st.session_state["gallery"] = case.id if case.id in cases else None
    st.selectbox(
        "Failure",
        list(cases),
        key="gallery",
        format_func=labels.__getitem__,
        placeholder="Your own prompt",
        on_change=lambda: set_case(cases[st.session_state["gallery"]]) if st.session_state["gallery"] else None,
    )
    spec, its_own = model_spec(), model_of(case)
    if case.id in cases and (spec.source, spec.adapter) != (its_own.source, its_own.adapter):
        st.caption(f"A failure of {plain(its_own.title)}, explained here with another model")


def _label(case: Failure) -> str:
    return f"{KINDS.get(case.kind, case.kind)}: {case.title or case.prompt[:40]}"


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
            if not link.has("model", "adapter"):
                raise  # the case's own model: nothing to fall back to
            st.session_state["refused"] = str(error)
            link.put(model=None, adapter=None)
            st.rerun()
