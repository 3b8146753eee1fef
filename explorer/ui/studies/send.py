"""A study as one zip: made to be downloaded, and brought in from an upload or a path."""

from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from explorer.data.study_files import folder_for
from explorer.data.study_zip import export_study, import_study, outgoing
from explorer.errors import ExplorerError, file_size
from explorer.limits import STUDY_ZIP_BYTES, UPLOAD_BYTES
from explorer.ui.places import Place, place_name, places_of, require_openable
from explorer.ui.session import set_study
from explorer.ui.studies.draft import uploaded_file
from explorer.ui.studies.said import attempt, say
from explorer.ui.study import opened, studies_folder, study_models
from explorer.ui.text import show_error

VECTORS_HELP = "They can be built again from model and data, which takes time"
MODELS_HELP = "Adapters and models of this machine that lie outside the study; those on the hub never go along"
FILE_HELP = f"A zip that this page made, at most {UPLOAD_BYTES // 1_000_000} MB. Nothing in it is run."
PATH_HELP = "A zip on the machine that runs the app, of any size"


def show_send(folder: Path, name: str) -> None:
    """Draw what a zip of a study shall hold, how large it is, and the button that makes it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        vectors = st.toggle("With vectors", True, key="studies-zip-vectors", help=VECTORS_HELP)
        models = st.toggle("With models of this machine", False, key="studies-zip-models", help=MODELS_HELP)
    try:
        if models:
            for spec in study_models(opened(folder).study):
                for place in places_of(spec):
                    require_openable(place)
        size = outgoing(folder, vectors=vectors, models=models).bytes
        if size > STUDY_ZIP_BYTES:
            most = f"a download holds at most {file_size(STUDY_ZIP_BYTES)}"
            raise ExplorerError(f"{folder}: {file_size(size)}; {most}. Leave out vectors or models.")
    except ExplorerError as error:
        show_error(error)
        return
    file = f"{folder_for(Path('/nowhere'), name).name}.zip"
    make = lambda: _zip(folder, vectors, models)  # noqa: E731
    st.download_button(
        f"Download as a zip ({file_size(size)})",
        make,
        file,
        "application/zip",
        icon=":material/download:",
        on_click="ignore",
        key="studies-download",
        help="Everything of the study, to send on or to keep",
    )


def _zip(folder: Path, vectors: bool, models: bool) -> bytes:
    with TemporaryDirectory(prefix="explorer-zip-") as place:
        return export_study(folder, Path(place) / "study.zip", vectors=vectors, models=models).read_bytes()


def show_import() -> None:
    """Draw the fields that bring a study in."""
    with st.expander("Bring in a study that somebody sent", icon=":material/upload:", key="studies-import"):
        most = UPLOAD_BYTES // 1_000_000
        st.file_uploader("Zip of a study", "zip", key="studies-zip", max_upload_size=most, help=FILE_HELP)
        st.text_input("Or its path", key="studies-zip-path", placeholder="/data/study.zip", help=PATH_HELP)
        st.button(
            "Bring it in",
            key="studies-bring",
            on_click=attempt,
            args=(_bring,),
            help="Unpack it beside the other studies",
        )


def _bring() -> None:
    """Unpack what was given and open it; models that it names outside its folder are asked for, as for any link."""
    file, path = st.session_state.get("studies-zip"), st.session_state.get("studies-zip-path", "").strip()
    if file is not None:
        with uploaded_file((file.name, file.getvalue())) as place:
            study, absent = import_study(place, studies_folder())
    elif path:
        require_openable(Place("study", place_name(path)))
        study, absent = import_study(Path(place_name(path)), studies_folder())
    else:
        raise ExplorerError("No zip was chosen; expected a file or a path.")
    set_study(study.folder)
    say(" ".join([f"{study.name} was brought in: {study.folder}.", *absent]))
