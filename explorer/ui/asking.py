"""The question that stands in a page's place while its link wants to open what nobody here has allowed."""

import streamlit as st

from explorer.data.study import SETTINGS
from explorer.figures.labels import printable
from explorer.ui import link
from explorer.ui.places import Place, allow, is_allowed, place_name, places_of
from explorer.ui.session import set_study
from explorer.ui.study import current_study, demo_folder, study_folder, study_models

_NAMES = {"study": "Study", "model": "Model", "adapter": "PEFT adapter"}
_FROM_HUB = "this server asks the hub for it and may download it"
_EFFECTS = {
    "study": "its settings, training data, failures and vectors are read",
    "model": "its weights are read into memory",
    "adapter": "its weights are read into memory",
}
"""What opening a place of this machine does."""


def ask_first() -> None:
    """End the page with a question where the link asks for more than it may open; nothing of it is read before.

    Raises ExplorerError where the link names what can't be a place, or an allowed study can't be read.
    """
    asked = [place for place in _linked() if not is_allowed(place)]
    source = "This link"
    if not asked:
        models = (place for spec in study_models(current_study().study) for place in places_of(spec))
        asked = [place for place in dict.fromkeys(models) if not is_allowed(place)]
        source = f"The {SETTINGS} of this study"
    if asked:
        _ask(source, asked)
        st.stop()


def _linked() -> list[Place]:
    """What the link names itself."""
    study = [Place("study", str(study_folder()))] if link.has("study") else []
    named = (Place(kind, name) for kind in ("model", "adapter") if (name := place_name(link.get(kind))))
    return [*study, *named]


def _ask(source: str, places: list[Place]) -> None:
    with st.container(width=720, key="ask"):
        st.markdown("## Open this?")
        st.markdown(
            f"{source} names what has not been allowed yet. Nothing of it has been read or fetched. "
            "Open it only if you expected it and know who made it."
        )
        for place in places:
            icon, where = (
                (":material/cloud_download:", " on the hub") if place.on_hub else (":material/folder_open:", "")
            )
            effect = _FROM_HUB if place.on_hub else _EFFECTS[place.kind]
            with st.container(border=True, gap="xsmall"):
                st.markdown(f"{icon} **{_NAMES[place.kind]}{where}**: {effect}")
                st.code(printable(place.name), language=None, wrap_lines=True)
        with st.container(horizontal=True):
            st.button("Open", type="primary", key="ask-open", on_click=allow, args=(places,))
            st.button("Go to the demo study", key="ask-back", on_click=lambda: set_study(demo_folder()))
        st.caption(
            "What you open is allowed in this browser session. Start the app with `explorer app --allow FOLDER` "
            "to let links open what lies below a folder."
        )
