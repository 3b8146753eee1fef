"""By hand: a prompt, a datapoint or any text, and the datapoints and prompts that are most similar to it."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from explorer.behaviors.nearest import Similarities, nearest
from explorer.errors import ExplorerError
from explorer.model.prompts import Prompt
from explorer.ranking.table import row_number
from explorer.ui import link
from explorer.ui.behaviors.lists import datapoint_section, prompt_section, show_lists
from explorer.ui.behaviors.matrix import picked
from explorer.ui.behaviors.state import ClusteredStudy, by_datapoint, by_prompt, by_text, datapoint_lines
from explorer.ui.text import one_line, plain, show_error
from explorer.ui.training_data.charts import show_distribution
from explorer.vectors.items import Item

KINDS = {"prompt": "Prompt", "datapoint": "Datapoint", "text": "Free text"}
LISTED = 8
OTHER_HELP = "With a second answer, what counts is the difference of the two, as for the prompts of the matrix."


def show_nearest(clustered: ClusteredStudy) -> None:
    """Draw the choice of one thing, a histogram of its similarities, and what is most similar to it."""
    kind = link.segmented("What", "by", KINDS, "prompt")
    try:
        {"prompt": _of_prompt, "datapoint": _of_datapoint, "text": _of_text}[kind](clustered)
    except ExplorerError as error:
        show_error(error)


def _of_prompt(clustered: ClusteredStudy) -> None:
    prompts = clustered.prompts
    options = {p.id: f"{one_line(p.prompt)} ({p.id})" for p in prompts}
    mark = lambda: link.put(prompt=st.session_state[link.session_key("prompt")])  # noqa: E731 - the first one too
    name = link.select("Prompt", "prompt", options, prompts[0].id, then=mark, label_visibility="collapsed")
    row = clustered.prompt_rows[name]
    heads = plain(" / ".join(clustered.answer_heads(prompts[row])))
    st.caption(f"Cluster {clustered.prompt_clusters[row]} · {heads}")
    st.markdown(f"{plain(prompts[row].answer[:300])}  \n*{plain((prompts[row].other or '–')[:300])}*")
    measure = "correlation of their rows of the matrix, which is what clusters are made of"
    _show(clustered, by_prompt(clustered.clusters, row), measure, prompts=[row])


def _of_datapoint(clustered: ClusteredStudy) -> None:
    members = clustered.cut[0].datapoints
    row = picked(clustered)[1]
    row = row if row is not None else int(members[0]) if len(members) else 0
    hint, search = "Find a datapoint: its id, or words of it", {"on_change": _find, "args": (clustered,)}
    st.text_input("Find", key="find-datapoint", placeholder=hint, label_visibility="collapsed", **search)
    if refused := st.session_state.pop("find-refused", ""):
        st.warning(plain(refused))
    name, number = plain(clustered.datapoint_id(row)), clustered.datapoint_clusters[row]
    line = plain(datapoint_lines(clustered.study)[row])
    st.markdown(f"**{name}** · {f'cluster {number}' if number else 'no cluster'}  \n{line}")
    similar = by_datapoint(clustered.clusters, row)
    _show(clustered, similar, "cosine of the prompt with this datapoint", rows=[row])


def _find(clustered: ClusteredStudy) -> None:
    if not (text := st.session_state["find-datapoint"].strip()):
        return
    row = row_number(clustered.corpus.table, text)
    if row is None:
        lines = enumerate(datapoint_lines(clustered.study))
        row = next((i for i, line in lines if text.lower() in line.lower()), None)
    if row is None:
        st.session_state["find-refused"] = f"No datapoint has the id or the words '{text[:80]}'."
    else:
        link.put(datapoint=clustered.datapoint_id(row))


def _of_text(clustered: ClusteredStudy) -> None:
    with st.form("hand-text", border=False):
        prompt = st.text_area("Prompt", key="hand-question", height=68)
        answer = st.text_area("Answer", key="hand-answer", height=68)
        other = st.text_input("Instead of (optional)", key="hand-other", help=OTHER_HELP)
        st.form_submit_button("Compare", type="primary", key="hand-compare")
    if not prompt.strip() or not answer.strip():
        st.caption("A prompt and an answer are put through the model that the vectors were made in.")
        return
    study = clustered.study
    item = Item(Prompt(prompt, raw=study.template == "raw"), answer, other.strip() or None, study.end_of_turn)
    similar = by_text(clustered.clusters, study, item)
    _show(clustered, similar, "correlation of their rows of similarities")


def _show(
    clustered: ClusteredStudy,
    similar: Similarities,
    measure: str,
    prompts: Sequence[int] = (),
    rows: Sequence[int] = (),
) -> None:
    """Draw what is most similar, without the ``prompts`` and ``rows`` that were chosen themselves."""
    rows, prompts = nearest(similar.datapoints, LISTED, rows), nearest(similar.prompts, LISTED, prompts)
    show_distribution(similar.datapoints, ~np.isnan(similar.datapoints), rows)
    titles = "Most similar datapoints, by cosine", f"Most similar prompts, by {measure}"
    datapoints, answered = [clustered.corpus.row(i) for i in rows], [clustered.prompts[i] for i in prompts]
    sections = [
        datapoint_section(clustered, titles[0], datapoints, similar.datapoints[rows].tolist()),
        prompt_section(clustered, titles[1], answered, similar.prompts[prompts].tolist()),
    ]
    show_lists(clustered, "hand-rows", sections=sections)
