"""The sidebar: which study, which failure, which model."""

from contextlib import suppress
from pathlib import Path

import streamlit as st

from explorer.data.failures import Failure
from explorer.errors import ExplorerError, count
from explorer.model import embedded
from explorer.model.load import DTYPES, ModelSpec, load_model
from explorer.ui import link
from explorer.ui.asking import ask_first
from explorer.ui.places import Place, allow, place_name, places_of
from explorer.ui.session import current_case, model_spec, set_case, set_model, set_study
from explorer.ui.study import (
    current_study,
    demo_folder,
    distinct,
    gallery,
    model_of,
    opened,
    stages,
    study_folder,
    study_folders,
    study_models,
    whole_path,
)
from explorer.ui.text import plain, show_error

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
OTHER_FOLDER = "open a folder"
MODEL_HELP = (
    "A hub id (owner/name, or owner/name@revision), a local folder or a .gguf file, read from safetensors or GGUF "
    "only. Empty: the embedded model."
)
ADAPTER_HELP = "A folder, or a hub id: owner/name, or owner/name@revision."


def sidebar() -> None:
    """Draw all pickers. Where the study or its model can't be used, the page says why and ends there."""
    try:
        ask_first()
        with st.sidebar:
            study_picker()
            case_picker()
            model_picker()
    except ExplorerError as error:
        show_error(error)
        if link.has("study", "model", "adapter"):
            st.button("Back to the demo study", on_click=lambda: set_study(demo_folder()), key="back")
        st.stop()


def study_picker() -> None:
    """The demo study, those beside it, and any folder; then how much is in the one on screen."""
    labels = distinct({str(folder): _name(folder) for folder in study_folders()}) | {OTHER_FOLDER: "Open a folder…"}
    opening = st.session_state.get("opening")
    st.session_state["study"] = OTHER_FOLDER if opening else str(study_folder())
    st.selectbox("Study", list(labels), key="study", format_func=labels.__getitem__, on_change=_choose_study)
    if opening:
        hint = "the one with study.toml"
        st.text_input("Folder of the study", key="study-path", placeholder=hint, on_change=_open_typed_folder)
        if refused := st.session_state.get("study-refused"):
            show_error(refused)
    current = current_study()
    st.caption(f"{count(current.examples, 'training example')} · {count(current.behaviors, 'behavior')}")
    if current.study.trained:
        st.caption(plain(stages(current.study)))


def _name(folder: Path) -> str:
    try:
        return opened(folder).study.name
    except ExplorerError:
        return folder.name


def _choose_study() -> None:
    chosen = st.session_state["study"]
    st.session_state["opening"] = chosen == OTHER_FOLDER
    st.session_state["study-refused"] = None
    if chosen not in (OTHER_FOLDER, str(study_folder())):
        _open_by_hand(Path(chosen))


def _open_typed_folder() -> None:
    typed = st.session_state["study-path"]
    st.session_state["study-refused"] = None
    if not typed.strip():
        return
    try:
        folder = whole_path(typed)
        opened(folder)
    except ExplorerError as error:
        st.session_state["study-refused"] = str(error)
    else:
        st.session_state["opening"] = False
        _open_by_hand(folder)


def _open_by_hand(folder: Path) -> None:
    """Open a study that was chosen here: it and the models that it names need no further question."""
    allow([Place("study", str(folder))])
    with suppress(ExplorerError):  # the page says what is wrong with it
        for spec in study_models(opened(folder).study):
            allow(places_of(spec))
    set_study(folder)


def case_picker() -> None:
    """The gallery of failures; choosing one puts it on screen with the model that makes it."""
    cases, case = gallery(), current_case()
    labels = distinct({name: _label(entry) for name, entry in cases.items()})
    st.session_state["gallery"] = case.id if case.id in cases else None
    st.selectbox(
        "Failure",
        list(cases),
        key="gallery",
        format_func=labels.__getitem__,
        placeholder="Your own prompt",
        on_change=lambda: set_case(cases[st.session_state["gallery"]]) if st.session_state["gallery"] else None,
    )
    spec, maker = model_spec(), model_of(case)
    if case.id in cases and spec.weights != maker.weights:
        st.caption(f"A failure of {plain(maker.title)}, explained here with another model")


def _label(case: Failure) -> str:
    return f"{KINDS.get(case.kind, case.kind)}: {case.title or case.prompt[:40]}"


def step(by: int) -> None:
    """Go ``by`` failures on in the gallery, round its ends."""
    ids, case = list(gallery()), current_case()
    at = ids.index(case.id) if case.id in ids else -1 if by > 0 else 0
    set_case(gallery()[ids[(at + by) % len(ids)]])


def model_picker() -> None:
    """Choose and load a model; one that can't be used says why and leaves the old one in place."""
    spec = model_spec()
    refused = st.session_state.get("refused")
    with st.expander(f"Model: {plain(spec.title)}", icon=":material/memory:", expanded=bool(refused)):
        typed = "" if spec.source == embedded.NAME else spec.name
        source = st.text_input("Model", typed, placeholder=f"{embedded.TITLE} (embedded)", help=MODEL_HELP)
        adapter = st.text_input("PEFT adapter", spec.adapter or "", placeholder="none", help=ADAPTER_HELP)
        left, right = st.columns(2)
        device = left.selectbox("Device", ["auto", "cpu", "cuda", "mps"])
        dtype = right.selectbox("Precision", ["auto", *DTYPES])
        wanted = (source.strip() or embedded.NAME, adapter.strip(), device, dtype)
        same = wanted == (spec.name, spec.adapter or "", spec.device, spec.dtype)
        if st.button("Load", width="stretch", disabled=same):
            _try_model(*wanted)
            st.rerun()
        if refused:
            show_error(refused)
    _load_current(spec)


def _try_model(source: str, adapter: str, device: str, dtype: str) -> None:
    """Load a model that was named by hand; it needs no further question."""
    with st.status("Loading", expanded=True) as status:

        def progress(what: str, _done: float = 0, _total: float = 0, /) -> None:
            status.update(label=plain(what))

        try:
            wanted = ModelSpec(place_name(source), place_name(adapter) or None, device, dtype)
            allow(places_of(wanted))
            loaded = load_model(wanted, progress)
            progress("Checking that the LRP rules cover it")
            loaded.view("attnlrp")
        except ExplorerError as error:
            st.session_state["refused"] = str(error)
        else:
            st.session_state["refused"] = None
            set_model(wanted)


def _load_current(spec: ModelSpec) -> None:
    with st.spinner(f"Loading {plain(spec.title)}", show_time=True):
        try:
            load_model(spec)
        except ExplorerError as error:
            if not link.has("model", "adapter"):
                raise  # the case's own model: nothing to fall back to
            st.session_state["refused"] = str(error)
            link.put(model=None, adapter=None)
            st.rerun()
