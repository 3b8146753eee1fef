"""By hand: a prompt, a datapoint or any text, and the datapoints and prompts that are most similar to it."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from explorer.behaviors.nearest import Similarities, nearest
from explorer.errors import ExplorerError
from explorer.limits import LINK_PROMPT
from explorer.model.prompts import Prompt
from explorer.ranking.table import row_number
from explorer.ui import link
from explorer.ui.behaviors.lists import datapoint_section, prompt_section, show_lists
from explorer.ui.behaviors.state import ClusteredStudy, by_datapoint, by_prompt, by_text, datapoint_lines
from explorer.ui.behaviors.view import OnScreen
from explorer.ui.text import one_line, plain, show_error
from explorer.ui.training_data.charts import show_distribution
from explorer.vectors.items import Item

KINDS = {"prompt": "Prompt", "datapoint": "Datapoint", "text": "Free text"}
KIND_HELP = "What the rest is compared with: a prompt of the matrix, a training example, or a text of your own."
LISTED = 8
_FIELDS = ("hand-question", "hand-answer", "hand-other")
"""What is typed by hand: keys of the fields, and of the link."""
OTHER_HELP = "With a second answer, what counts is the difference of the two, as for the prompts of the matrix."


def show_nearest(screen: OnScreen) -> None:
    """Draw the choice of one thing, a histogram of its similarities, and what is most similar to it."""
    kind = link.segmented("What", "by", KINDS, "prompt", help=KIND_HELP)
    try:
        {"prompt": _of_prompt, "datapoint": _of_datapoint, "text": _of_text}[kind](screen)
    except ExplorerError as error:
        show_error(error)


def _of_prompt(screen: OnScreen) -> None:
    clustered, prompts = screen.clustered, screen.clustered.prompts
    options = {p.id: f"{one_line(p.prompt)} ({p.id})" for p in prompts}
    mark = lambda: link.put(prompt=st.session_state[link.session_key("prompt")])  # noqa: E731 - the first one too
    name = link.select(
        "Prompt", "prompt", options, prompts[0].id, then=mark, label_visibility="collapsed", help="Of the matrix"
    )
    row = clustered.prompt_rows[name]
    heads = plain(" / ".join(clustered.answer_heads(prompts[row])))
    st.caption(f"Cluster {clustered.prompt_clusters[row]} · {heads}")
    st.markdown(f"{plain(prompts[row].answer[:300])}  \n*{plain((prompts[row].other or '–')[:300])}*")
    measure = "correlation of their rows of the matrix, which is what clusters are made of"
    _show(clustered, by_prompt(clustered.clusters, row), measure, prompts=[row])


def _of_datapoint(screen: OnScreen) -> None:
    clustered = screen.clustered
    members = clustered.cut[0].datapoints
    row = screen.marked[1]
    row = row if row is not None else int(members[0]) if len(members) else 0
    hint = "Find a datapoint: its id, or words of it"
    search = {"on_change": _find, "args": (clustered,), "help": "The first one that fits"}
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


def _of_text(screen: OnScreen) -> None:
    clustered = screen.clustered
    with st.form("hand-text", border=False):
        linked = [link.get(key) for key in _FIELDS]
        prompt = st.text_area("Prompt", linked[0], key="hand-question", height=68, help="What the model is asked")
        answer = st.text_area("Answer", linked[1], key="hand-answer", height=68, help="What it answers")
        other = st.text_input("Instead of (optional)", linked[2], key="hand-other", help=OTHER_HELP)
        about = "Put it through the model and rank by likeness"
        st.form_submit_button("Compare", type="primary", key="hand-compare", help=about, on_click=_keep_text)
    if not prompt.strip() or not answer.strip():
        st.caption("A prompt and an answer are put through the model that the vectors were made in.")
        return
    study = clustered.study
    item = Item(Prompt(prompt, raw=study.template == "raw"), answer, other.strip() or None, study.end_of_turn)
    similar = by_text(clustered.clusters, study, item)
    _show(clustered, similar, "correlation of their rows of similarities")


def _keep_text() -> None:
    """Write what was typed into the link, where it is short enough for one."""
    texts = [st.session_state[field] for field in _FIELDS]
    short = sum(map(len, texts)) <= LINK_PROMPT
    link.put({key: (text if short else "") or None for key, text in zip(_FIELDS, texts, strict=True)})


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
