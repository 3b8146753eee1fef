"""Step 4: the vectors of the study on screen: built here or later; and the ways to the pages that use them."""

import streamlit as st

from explorer.errors import count
from explorer.ui import navigation
from explorer.ui.corpus import built_indexes, corpus
from explorer.ui.studies.draft import NOTES, draft
from explorer.ui.study import current_study, demo_folder, study_folder
from explorer.ui.text import plain
from explorer.ui.training_data.build import build_box

WHY = "Vectors say which training examples pull the same way as a failure."


def vectors_step() -> bool:
    """Draw the step for the study on screen; returns whether there is one."""
    if draft().has_data:
        st.caption("What you typed is no study yet: step 3 has the button that makes it. Below is the study on screen.")
    elif study_folder() == demo_folder():
        st.caption("Create the study first: step 3 has the button.")
        return False
    current, data = current_study(), corpus()
    st.markdown(f"**{plain(current.study.name)}** is open on every page.")
    for note in st.session_state.get(NOTES, []):
        st.caption(plain(note))
    st.caption(
        f"{count(current.examples, 'training example')} · {count(current.behaviors, 'behavior')} · "
        f"{count(len(current.failures), 'failure')} · {plain(str(current.study.folder))}"
    )
    with st.container(horizontal=True, gap="small"):
        navigation.page_link(navigation.TRACE, "Trace its failures", help="Which words pushed it to the wrong answer")
        navigation.page_link(navigation.TRAINING_DATA, "Search its training data", help="Which examples taught it that")
    if indexes := built_indexes(current.study):
        st.markdown(f"Vectors are built in {plain(', '.join(indexes))}.")
    build_box(data, WHY)
    return True
