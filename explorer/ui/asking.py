"""The question that stands in a page's place while its link wants to open what nobody here has allowed."""

from collections.abc import Callable
from typing import NoReturn

import streamlit as st

from explorer.data.study import SETTINGS
from explorer.figures.labels import printable
from explorer.ui import link
from explorer.ui.link_names import linked_places
from explorer.ui.places import Place, allow, is_allowed, places_of
from explorer.ui.session import set_study
from explorer.ui.study import current_study, demo_folder, study_folder, study_models, surveyed_case

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
    source, asked = unallowed()
    if asked:
        ask(source, asked)


def unallowed() -> tuple[str, list[Place]]:
    """Return who names places that the link would open and nobody here has allowed, and these. Raises ExplorerError."""
    study = [Place("study", str(study_folder()))] if link.has("study") else []
    named = linked_places(study_is_open=all(map(is_allowed, study)))
    asked = [place for place in (*study, *named) if not is_allowed(place)]
    source = "This link"
    if not asked:
        models = (place for spec in study_models(current_study().study) for place in places_of(spec))
        asked = [place for place in dict.fromkeys(models) if not is_allowed(place)]
        source = f"The {SETTINGS} of this study"
    if not asked and (surveyed := surveyed_case(link.get("case"))):
        asked = [place for place in places_of(surveyed[1]) if not is_allowed(place)]
        source = "The survey that this failure is of"
    return source, asked


def ask(
    source: str,
    places: list[Place],
    leave: str = "Go to the demo study",
    then: Callable[[], None] = lambda: set_study(demo_folder()),
) -> NoReturn:
    """Draw the question and end the page there.

    Args:
        source: what names the places.
        leave, then: label and work of the button that opens none of them.
    """
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
            st.button(
                "Open", type="primary", key="ask-open", on_click=allow, args=(places,), help="In this browser session"
            )
            st.button(leave, key="ask-back", on_click=then, help="Nothing is opened")
        st.caption(
            "What you open is allowed in this browser session. Start the app with `explorer app --allow FOLDER` "
            "to let links open what lies below a folder."
        )
    st.stop()
