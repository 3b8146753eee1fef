"""The drafts that are kept: go on with one, or throw it away."""

from datetime import datetime

import streamlit as st

from explorer.data.drafts import DRAFT, Draft, discard, drafts_in
from explorer.errors import count
from explorer.model import embedded
from explorer.ui import link
from explorer.ui.places import require_writable
from explorer.ui.studies.draft import leave_draft
from explorer.ui.studies.said import attempt, say
from explorer.ui.study import studies_folder
from explorer.ui.text import one_line, plain


def show_drafts() -> None:
    """Draw a line for each, the latest first."""
    for number, of in enumerate(drafts_in(studies_folder())):
        with st.container(border=True):
            left, right = st.columns([4, 1.7], vertical_alignment="center")
            with left:
                when = datetime.fromtimestamp((of.place / DRAFT).stat().st_mtime)
                st.markdown(f"**{plain(one_line(title(of)))}** · not made yet")
                st.caption(f"{plain(_holds(of))} · {when:%d %B, %H:%M}")
            with right, st.container(horizontal=True, horizontal_alignment="right", gap="small"):
                on = {"on_click": _open, "args": (of,), "icon": ":material/edit:", "help": "Go on with this draft"}
                st.button("Go on", key=f"studies-draft-{number}", **on)
                with st.popover("Throw away", help="Delete what was typed and uploaded"):
                    st.markdown(f"Throw **{plain(one_line(title(of)))}** away, uploads and all?")
                    away = {"on_click": attempt, "args": (_discard, of), "type": "primary"}
                    help = "There is no way back"
                    st.button("Throw it away", key=f"studies-draft-away-{number}", help=help, **away)


def title(of: Draft) -> str:
    """What a draft is called."""
    return of.name.strip() or "A new study"


def _holds(of: Draft) -> str:
    data = ", ".join(of.uploads[:3]) + (" …" if len(of.uploads) > 3 else "") if of.uploads else of.path.strip()
    model = of.model.strip() or embedded.TITLE
    return " · ".join(one_line(part, 60) for part in (model, data or "no data", count(len(of.entries), "prompt")))


def _open(of: Draft) -> None:
    leave_draft()
    step = "failures" if of.entries or of.asked_as else "data" if of.has_data else None
    link.put(new="1", draft=of.place.name, step=step)


def _discard(of: Draft) -> None:
    require_writable(of.place)
    discard(of)
    leave_draft()
    say(f"{title(of)} is thrown away.")
