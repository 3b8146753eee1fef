"""The main script of the app: the frame around every page, and the pickers that travel along with them."""

from functools import partial

import streamlit as st

from explorer.errors import ExplorerError
from explorer.files import shipped
from explorer.ui import link, navigation
from explorer.ui.server.windows import require_place

st.set_page_config("LLM Failure Explorer", page_icon=shipped("logo.svg"), layout="wide")
st.html(shipped("app.css"))
st.logo(shipped("wordmark.svg"), icon_image=shipped("logo.svg"), size="large")
name, current = navigation.menu()
link.enter(name)
if not st.session_state.get("admitted"):
    try:
        require_place()
    except ExplorerError as error:
        st.error(str(error))
        st.stop()
    st.session_state["admitted"] = True
with st.spinner("Starting: the first page takes some seconds"):
    # torch is slow to import: after something is on screen
    from explorer.ui.copy_link import copy_link_button
    from explorer.ui.jobs import jobs_box
    from explorer.ui.rail import rail
    from explorer.ui.report.button import report_button
    from explorer.ui.session import current_case, keep_case
    from explorer.ui.sidebar import load_current, sidebar
    from explorer.ui.text import show_absent

keep_case(current.title)
navigation.follow()
link.hear(partial(show_absent, st.empty()))
sidebar()
jobs_box()
copy_link_button()
if name != navigation.STUDIES:  # which is about no case, and needs no model
    report_button(name)
    rail(name)
    load_current(current_case())
current.run()
