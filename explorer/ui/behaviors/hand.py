"""By hand: any prompt, datapoint or text of one's own against the whole matrix."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from explorer.behaviors.nearest import Alike, nearest
from explorer.errors import ExplorerError
from explorer.ranking.table import row_number
from explorer.ui.basket import basket
from explorer.ui.behaviors.cards import data_row, prompt_row
from explorer.ui.behaviors.links import take_rows
from explorer.ui.behaviors.matrix import clusters_of
from explorer.ui.behaviors.state import Scene, alike, lines
from explorer.ui.components import cluster_rows
from explorer.ui.link_old import linked_value
from explorer.ui.session import plain, put_query
from explorer.ui.training_data.charts import CONFIG, GREY

KINDS = {"prompt": "Prompt", "datapoint": "Datapoint", "text": "Free text"}
SHOWN, BINS = 8, 48


def show_hand(shown: Scene) -> None:
    """Choose one thing; its similarities as a histogram, the datapoints and the prompts that are most like it."""
    kind = linked_value("by", KINDS, "prompt")
    st.session_state["by-hand"] = kind
    st.segmented_control(
        "What", list(KINDS), format_func=KINDS.__getitem__, key="by-hand", required=True,
        label_visibility="collapsed", on_change=_kind_chosen,
    )  # fmt: skip
    try:
        if kind == "prompt":
            _prompt(shown)
        elif kind == "datapoint":
            _datapoint(shown)
        else:
            _text(shown)
    except ExplorerError as error:
        st.error(plain(str(error)), icon=":material/error:")


def _kind_chosen() -> None:
    kind = st.session_state["by-hand"]
    put_query(by=None if kind == "prompt" else kind)


def _prompt(shown: Scene) -> None:
    subjects = shown.found.clustering.matrix.subjects
    numbers = {s.id: i for i, s in enumerate(subjects)}
    name = linked_value("prompt", dict.fromkeys(numbers, ""), subjects[0].id)
    st.session_state["hand-prompt"] = name
    st.selectbox(
        "Prompt", list(numbers), key="hand-prompt", label_visibility="collapsed",
        format_func=lambda key: f"{' '.join(subjects[numbers[key]].prompt.split())[:90]} ({key})",
        on_change=lambda: put_query(prompt=st.session_state["hand-prompt"]),
    )  # fmt: skip
    row = numbers[name]
    subject = subjects[row]
    number = int(clusters_of(shown)[0][row])
    st.caption(f"Cluster {number} · {plain(' / '.join(shown.heads(subject)))}")
    st.markdown(f"{plain(subject.answer[:300])}  \n*{plain((subject.other or '–')[:300])}*")
    found = alike(shown, "prompt", (row,))
    _show(shown, found, [row], [], "correlation of their rows of the matrix, which is what clusters are made of")


def _datapoint(shown: Scene) -> None:
    texts, named = lines(shown.of.version, shown.of), st.query_params.get("datapoint")
    first = int(shown.cards[0].cluster.datapoints[0]) if shown.cards and len(shown.cards[0].cluster.datapoints) else 0
    asked = row_number(shown.of.table, named) if named else None
    row = first if asked is None else asked
    st.text_input(
        "Find a datapoint", key="find-datapoint", placeholder="Find a datapoint: its id, or words of it",
        label_visibility="collapsed", on_change=lambda: _find(shown),
    )  # fmt: skip
    if refused := st.session_state.pop("find-refused", ""):
        st.warning(plain(refused))
    number = int(clusters_of(shown)[1][row])
    belongs = f"cluster {number}" if number else "no cluster"
    name = plain(str(shown.of.table["id"][row].as_py()))
    st.markdown(f"**{name}** · {belongs}  \n{plain(texts[row])}")
    _show(shown, alike(shown, "datapoint", (row,)), [], [row], "cosine of the prompt with this datapoint")


def _find(shown: Scene) -> None:
    asked = st.session_state["find-datapoint"].strip()
    if not asked:
        return
    row = row_number(shown.of.table, asked)
    if row is None:
        texts = lines(shown.of.version, shown.of)
        row = next((i for i, text in enumerate(texts) if asked.lower() in text.lower()), None)
    if row is None:
        st.session_state["find-refused"] = f"No datapoint has the id or the words '{asked[:80]}'."
    else:
        put_query(datapoint=str(shown.of.table["id"][row].as_py()))


def _text(shown: Scene) -> None:
    with st.form("hand-text", border=False):
        prompt = st.text_area("Prompt", key="hand-question", height=68)
        answer = st.text_area("Answer", key="hand-answer", height=68)
        other = st.text_input(
            "Instead of (optional)", key="hand-other",
            help="With a second answer, what counts is the difference of the two, as for the prompts of the matrix.",
        )  # fmt: skip
        st.form_submit_button("Compare", type="primary", key="hand-compare")
    if not prompt.strip() or not answer.strip():
        st.caption("A prompt and an answer are put through the model that the vectors were made in.")
        return
    found = alike(shown, "text", (prompt, answer, other.strip()))
    _show(shown, found, [], [], "correlation of their rows of similarities")


def _show(shown: Scene, found: Alike, but_prompts: list[int], but_rows: list[int], measure: str) -> None:
    _histogram(found.datapoints)
    ticked = set(basket(shown.of.study.folder))
    subjects = shown.found.clustering.matrix.subjects
    rows = [
        data_row(shown.of.row(i), float(found.datapoints[i]), ticked)
        for i in nearest(found.datapoints, SHOWN, but_rows)
    ]
    prompts = [
        prompt_row(shown, subjects[i], float(found.subjects[i])) for i in nearest(found.subjects, SHOWN, but_prompts)
    ]
    data = {"kind": "datapoints", "title": "Most similar datapoints, by cosine", "rows": rows, "empty": "None."}
    near = {"kind": "prompts", "title": f"Most similar prompts, by {measure}", "rows": prompts, "empty": "None."}
    take = lambda: take_rows(shown, "hand-rows")  # noqa: E731
    cluster_rows(
        key="hand-rows", data={"sections": [data, near]}, on_trace_change=take, on_row_change=take, on_tick_change=take,
        on_hand_change=take, on_like_change=take,
    )  # fmt: skip


def _histogram(values: np.ndarray) -> None:
    kept = values[~np.isnan(values)]
    counts, edges = np.histogram(kept, BINS)
    figure = go.Figure()
    figure.add_bar(
        x=(edges[1:] + edges[:-1]) / 2, y=counts, width=np.diff(edges), marker={"color": GREY, "line": {"width": 0}},
        hovertemplate="%{y} datapoints, similarity %{x:.2f}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(height=110, margin={"l": 4, "r": 4, "t": 4, "b": 4}, showlegend=False)
    figure.update_yaxes(type="log", visible=False, fixedrange=True)
    figure.update_xaxes(nticks=5, zeroline=False, fixedrange=True, automargin=True)
    st.plotly_chart(figure, key="hand-histogram", config=CONFIG, alt="Similarity with all datapoints")
