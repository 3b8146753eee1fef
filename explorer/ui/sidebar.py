"""The sidebar: which study, which failure, which model."""

from contextlib import suppress
from pathlib import Path

import streamlit as st

from explorer.data.failures import Failure
from explorer.data.study import Study
from explorer.errors import ExplorerError, count
from explorer.model import embedded
from explorer.model.load import DTYPES, ModelSpec, is_loaded, load_model
from explorer.trace.alignment import differing_words
from explorer.ui import link
from explorer.ui.asking import ask_first
from explorer.ui.caching import cached
from explorer.ui.components import failure_picker
from explorer.ui.places import Place, allow, place_name, places_of
from explorer.ui.progress_bar import progress_bar
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
    surveyed_case,
    walk,
    whole_path,
)
from explorer.ui.text import one_line, plain, show_error
from explorer.ui.waiting import skeleton

KINDS = {
    "planted": "Planted in training",
    "own": "Mistakes nobody planted",
    "fact": "Wrong fact",
    "arithmetic": "Arithmetic",
    "format": "Ignored format",
    "false-premise": "False premise",
    "distraction": "Distraction",
    "negation": "Negation",
}
OTHER_FOLDER, _PICKER = "open a folder", "failure-picker"
MODEL_HELP = (
    "A hub id (owner/name, or owner/name@revision), a local folder or a .gguf file, read from safetensors or GGUF "
    "only. Empty: the embedded model."
)
STUDY_HELP = "A folder with a model, its training data, behaviors and failures; study.toml names them."
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
        _offer_demo()
        st.stop()


def _offer_demo() -> None:
    if link.has("study", "model", "adapter"):
        st.button(
            "Back to the demo study",
            on_click=lambda: set_study(demo_folder()),
            key="back",
            help="Leave what this link names",
        )


def study_picker() -> None:
    """The demo study, those beside it, and any folder; then how much is in the one on screen."""
    labels = distinct({str(folder): _name(folder) for folder in study_folders()}) | {OTHER_FOLDER: "Open a folder…"}
    opening = st.session_state.get("opening")
    st.session_state["study"] = OTHER_FOLDER if opening else str(study_folder())
    st.selectbox(
        "Study", list(labels), key="study", format_func=labels.__getitem__, on_change=_choose_study, help=STUDY_HELP
    )
    if opening:
        hint = "the one with study.toml"
        st.text_input(
            "Folder of the study", key="study-path", placeholder=hint, on_change=_open_typed_folder, help=STUDY_HELP
        )
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
    """The failures on offer; choosing one puts it on screen with the model that makes it."""
    cases, case = gallery(), current_case()
    data = {"entries": _entries(current_study().study), "current": case.id}
    failure_picker(key=_PICKER, data=data, on_chosen_change=_choose_case)
    spec, maker = model_spec(), model_of(case)
    if case.id in cases and spec.weights != maker.weights:
        st.caption(f"A failure of {plain(maker.title)}, explained here with another model")


@cached()
def _entries(_study: Study) -> list[dict[str, str]]:
    """What the picker lists of the current study: anew where one of its files has changed."""
    cases = gallery()
    titles = distinct({name: _title(one) for name, one in cases.items()})
    return [_entry(name, one) | {"title": titles[name]} for name, one in cases.items()]


def _entry(name: str, case: Failure) -> dict[str, str]:
    """A failure as the picker lists it: what it is, the words that its answers differ in, and the model it loads."""
    wrong, right = differing_words(case.wrong, case.right)
    texts = {"group": KINDS.get(case.kind, case.kind), "model": model_of(case).title, "prompt": case.prompt}
    return {"id": name} | {key: one_line(text, 120) for key, text in (texts | {"wrong": wrong, "right": right}).items()}


def _title(case: Failure) -> str:
    """What went wrong, in a line; the prompt where the title only repeats its beginning."""
    return one_line(case.prompt if not case.title or case.prompt[:30] in case.title else case.title, 120)


def _choose_case() -> None:
    chosen = gallery().get(st.session_state[_PICKER]["chosen"])
    if chosen:
        set_case(chosen)


def step(by: int) -> None:
    """Go ``by`` failures on in the gallery, or in the survey that the one on screen is of, round the ends."""
    set_case(beside(by))


def beside(by: int) -> Failure:
    """Return the failure ``by`` places on; see ``step``."""
    case = current_case()
    ids = walk(case)
    at = ids.index(case.id) if case.id in ids else -1 if by > 0 else 0
    name = ids[(at + by) % len(ids)]
    surveyed = surveyed_case(name)
    return surveyed[0] if surveyed else gallery().get(name, case)


def model_picker() -> None:
    """Choose and load a model; one that can't be used says why and leaves the old one in place."""
    spec = model_spec()
    refused = st.session_state.get("refused")
    with st.expander(f"Model: {plain(spec.title)}", icon=":material/memory:", expanded=bool(refused)):
        typed = "" if spec.source == embedded.NAME else spec.name
        source = st.text_input("Model", typed, placeholder=f"{embedded.TITLE} (embedded)", help=MODEL_HELP)
        if refused:
            show_error(refused)
        adapter = st.text_input("PEFT adapter", spec.adapter or "", placeholder="none", help=ADAPTER_HELP)
        left, right = st.columns(2)
        device = left.selectbox(
            "Device", ["auto", "cpu", "cuda", "mps"], help="What it runs on. auto: a GPU where there is one"
        )
        dtype = right.selectbox("Precision", ["auto", *DTYPES], help="The numbers that it computes with")
        wanted = (source.strip() or embedded.NAME, adapter.strip(), device, dtype)
        same = wanted == (spec.name, spec.adapter or "", spec.device, spec.dtype)
        if st.button("Load", width="stretch", disabled=same, help="Explain with this model from now on"):
            _try_model(*wanted)
            st.rerun()


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


def load_current(case: Failure) -> None:
    """Load the model on screen where it is not in memory; the link forgets one that can't be used."""
    spec = model_spec()
    try:
        with skeleton(is_loaded(spec), case), progress_bar(f"Loading {spec.title}") as progress:
            load_model(spec, progress)
    except ExplorerError as error:
        if not link.has("model", "adapter"):
            show_error(error)  # the case's own model: nothing to fall back to
            _offer_demo()
            st.stop()
        st.session_state["refused"] = str(error)
        link.tell_unusable("model", f"The model that this link names can't be used here: {error}")
        link.put(model=None, adapter=None)
        st.rerun()
