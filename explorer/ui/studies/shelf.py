"""The studies on offer: open one, deal with its files, take one back from the trash, bring one in."""

from pathlib import Path

import streamlit as st

from explorer.data.study_files import (
    Trashed,
    delete_for_good,
    duplicate_study,
    rename_study,
    restore_study,
    trash_study,
    trashed_studies,
)
from explorer.errors import ExplorerError, count
from explorer.ui import link
from explorer.ui.link_names import study_key
from explorer.ui.places import require_writable
from explorer.ui.session import set_study
from explorer.ui.studies.draft import leave_draft
from explorer.ui.studies.drafts import show_drafts
from explorer.ui.studies.said import attempt, say, show_said
from explorer.ui.studies.send import show_import, show_send
from explorer.ui.study import (
    demo_folder,
    opened,
    stages,
    studies_folder,
    study_folder,
    study_folders,
)
from explorer.ui.text import plain, show_error

NEW_HELP = "Your own model and training data, in four steps"
RENAME_HELP = "The name in study.toml; the folder keeps its name, so that links still open it"
DEMO_HELP = "The demo study is laid out by the program; duplicate it to have one of your own"
_UNDO = "studies-undo"


def show_shelf() -> None:
    """Draw the list, what was just done, and the trash."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("### Studies", width="content")
        begin = {"on_click": _begin, "type": "primary", "help": NEW_HELP}
        st.button("New study", key="studies-new", icon=":material/add:", **begin)
    show_said()
    _show_undo()
    show_drafts()
    for number, folder in enumerate(study_folders()):
        _draw_study(number, folder)
    show_import()
    _show_trash()


def _begin() -> None:
    leave_draft()
    link.put(new="1", step=None)


def _show_undo() -> None:
    """What was thrown away in this session can be taken back at once."""
    undo: Trashed | None = st.session_state.get(_UNDO)
    if undo and undo.folder.exists():
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"{plain(undo.name)} is in the trash: {plain(str(undo.folder))}", width="content")
            back = {"on_click": attempt, "args": (_restore, undo), "help": "Take it back"}
            st.button("Undo", key="studies-undo-trash", icon=":material/undo:", **back)


def _draw_study(number: int, folder: Path) -> None:
    on_screen, key = folder == study_folder(), study_key(folder) or "demo"
    with st.container(border=True):
        left, right = st.columns([4, 1.7], vertical_alignment="center")
        with left:
            try:
                current = opened(folder)
            except ExplorerError as error:
                st.markdown(f"**{plain(folder.name)}**")
                show_error(error)
                return
            study = current.study
            st.markdown(f"**{plain(study.name)}**{' · on screen' if on_screen else ''}")
            trained = f" · {stages(study)}" if study.trained else ""
            figures = [count(current.examples, "training example"), count(current.behaviors, "behavior")]
            st.caption(" · ".join([*figures, count(len(current.failures), "failure")]) + plain(f"{trained} · {folder}"))
        with right, st.container(horizontal=True, horizontal_alignment="right", gap="small"):
            show = {"on_click": _open, "args": (folder,), "disabled": on_screen, "help": "Put it on every page"}
            st.button("Open", key=f"studies-open-{number}", icon=":material/folder_open:", **show)
            managed = link.get("manage") == key
            turn = {"on_click": lambda: link.put(manage=None if managed else key), "icon": ":material/more_horiz:"}
            st.button("Manage", key=f"studies-manage-{number}", help="Rename, duplicate, send, throw away", **turn)
        if managed:
            _manage(folder, study.name)


def _manage(folder: Path, name: str) -> None:
    demo = folder == demo_folder()
    new = st.text_input("Name", name, key=f"studies-name-{folder}", help=RENAME_HELP)
    with st.container(horizontal=True, gap="small"):
        rename = {"on_click": attempt, "args": (_rename, folder, new), "disabled": demo or new.strip() == name}
        st.button(
            "Rename", key="studies-rename", icon=":material/edit:", help=DEMO_HELP if demo else RENAME_HELP, **rename
        )
        copied = new if new.strip() != name else f"{name} (copy)"
        copy = {"on_click": attempt, "args": (_duplicate, folder, copied), "icon": ":material/content_copy:"}
        st.button("Duplicate", key="studies-duplicate", help="A copy with vectors, repairs and surveys", **copy)
        throw = {"on_click": attempt, "args": (_trash, folder), "disabled": demo, "icon": ":material/delete:"}
        help = DEMO_HELP if demo else "It can be taken back"
        st.button("Move to the trash", key="studies-trash", help=help, **throw)
    show_send(folder, name)


def _open(folder: Path) -> None:
    """Open a study that was chosen here: it needs no question; models that it names elsewhere are asked for."""
    set_study(folder)
    say(f"{opened(folder).study.name} is on screen.")


def _rename(folder: Path, name: str) -> None:
    require_writable(folder)
    say(f"Renamed to {rename_study(folder, name).name}.")


def _duplicate(folder: Path, name: str) -> None:
    copy = duplicate_study(folder, studies_folder(), name)
    say(f"{copy.name} is a copy of its own: {copy.folder}.")
    link.put(manage=None)


def _trash(folder: Path) -> None:
    require_writable(folder)
    on_screen = folder == study_folder()
    st.session_state[_UNDO] = trash_study(folder)
    link.put(manage=None)
    if on_screen:
        set_study(demo_folder())


def _restore(trashed: Trashed) -> None:
    require_writable(trashed.folder)
    say(f"{trashed.name} is back: {restore_study(trashed)}.")
    st.session_state.pop(_UNDO, None)


def _delete(trashed: Trashed) -> None:
    require_writable(trashed.folder)
    delete_for_good(trashed)
    say(f"{trashed.name} is deleted.")


def _show_trash() -> None:
    trash = trashed_studies(studies_folder())
    if not trash:
        return
    with st.expander(f"Trash: {count(len(trash), 'study')}".replace("studys", "studies"), icon=":material/delete:"):
        for number, one in enumerate(trash):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f"**{plain(one.name)}** · {one.when:%d %B %Y, %H:%M}")
                back = {"on_click": attempt, "args": (_restore, one), "help": "Take it back"}
                st.button("Take back", key=f"studies-back-{number}", icon=":material/undo:", **back)
                with st.popover("Delete for good", help="Frees its disk space; there is no way back"):
                    st.markdown(f"Delete **{plain(one.name)}**, vectors and all?")
                    gone = {"on_click": attempt, "args": (_delete, one), "type": "primary"}
                    st.button("Delete it", key=f"studies-gone-{number}", help="There is no way back", **gone)
