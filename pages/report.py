"""Report: what is known of a case, or pages that were collected, as one file to send on."""

from typing import Any

import streamlit as st

from explorer.errors import ExplorerError
from explorer.reports.gather import case_title
from explorer.ui import link
from explorer.ui.report.kept import CASE, collect, collected, said, view_on_screen
from explorer.ui.report.listed import show_title, show_views
from explorer.ui.report.make import make_box, show_contents
from explorer.ui.session import current_case
from explorer.ui.study import current_study
from explorer.ui.text import plain, stop_on

OF = (
    "**This case**: its map, graph, guiltiest training data, cluster and repair. **Collected pages**: what was kept "
    "with *Add this view to the report* on any page, in an order of your own, with comments."
)
JUDGE = "Judge maps and graphs that are not judged yet: a minute or two each on two cores."
EMPTY = "No page yet: *Add this view to the report*, at the top of every page, keeps what is on screen."
ABOUT = "Map, graph, the five guiltiest training examples, the cluster of the behavior, and the repair."

try:
    study = current_study().study
    collection = collected(study.folder)
    options = {"case": "This case", "collected": f"Collected pages ({len(collection.views)})"}
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        of = link.segmented("Report of", "of", options, "case", help=OF)
        judge = link.toggle("Verdicts", "judge", True, help=JUDGE)
    if sentence := said():
        st.warning(plain(sentence), icon=":material/warning:")
    tools = st.container()
    if of == "collected":
        title, views = collection.title or f"Failures of {study.name}", list(collection.views)
        show_title(study.folder, collection)
        if not views:
            st.info(EMPTY, icon=":material/post_add:")
        show_views(study.folder, collection)
    else:
        title, views = case_title(current_case()), [view_on_screen(CASE)]
        st.markdown(f"### {plain(title)}")
        st.caption(ABOUT)
        add: dict[str, Any] = {"on_click": collect, "args": (CASE,), "key": "report-add-case"}
        icon, about = ":material/post_add:", "All of it, as one of the pages"
        st.button("Add to the collected pages", icon=icon, help=about, **add)
    with tools:
        report = make_box(title, views, judge)
    if report and of == "case":
        show_contents(report)
except ExplorerError as error:
    stop_on(error)
