"""The main script of the app: the frame around every page, and the pickers that travel along with them."""

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
    from explorer.ui.session import keep_case
    from explorer.ui.sidebar import sidebar

keep_case(current.title)
navigation.follow()
sidebar()
current.run()
