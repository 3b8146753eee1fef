"""The opened datapoint of the Training data page, whole, and the test prompt's own heatmap beside it."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from explorer.errors import ExplorerError
from explorer.ranking.table import Ranked
from explorer.ranking.token_shares import TokenScore
from explorer.trace.explain import ranks_by_size
from explorer.ui import charts
from explorer.ui.basket import basket, toggle
from explorer.ui.components import token_map
from explorer.ui.explained import explained
from explorer.ui.session import model_spec, plain, put_query
from explorer.ui.training_data.list import percentile
from explorer.ui.training_data.state import Coloured, Corpus, Question

MOST = 6000
"""Characters of an answer that are drawn without colours; more would make the page slow."""


def show_detail(of: Corpus, ranked: Ranked, number: int, coloured: Mapping[int, Coloured], scale: float) -> None:
    """Everything about one datapoint."""
    row = of.row(number)
    rank, name = int(ranked.ranks[number]), row["id"]
    place = f"rank {rank:,}, score {ranked.scores[number]:.3f}" if rank else "never ranked: no answer"
    st.markdown(f"**{plain(name)}**&nbsp; {place}")
    about = [f"above {percentile(ranked, number)} of the corpus"] if rank else []
    about += [f"{key} {plain(str(row[key]))}" for key in ("source", "label", "stage") if row.get(key)]
    st.caption(" · ".join(about))
    ticked = name in basket(of.study.folder)
    with st.container(horizontal=True, gap="small"):
        st.button(
            "In the basket" if ticked else "Add to basket",
            icon=":material/check:" if ticked else ":material/add_shopping_cart:",
            key="basket-row",
            on_click=lambda: toggle(of.study.folder, name),
        )
        st.button(
            "More like this",
            icon=":material/join_inner:",
            key="like",
            on_click=lambda: put_query(like=name, node=None, half=None, behavior=None, row=None, p=None),
        )
    if row.get("system"):
        st.caption(f"System prompt: {plain(str(row['system'])[:400])}")
    colours = coloured.get(number)
    pair = row.get("response") is None
    own = (row.get("chosen") if pair else row.get("response")) or ""
    _words(
        "Prompt and chosen answer" if pair else "Prompt and response",
        colours.prompt if colours else [TokenScore(row["prompt"][:MOST], "prompt", 0.0)],
        colours.answer if colours else [TokenScore(own[:MOST], "answer", 0.0)],
        scale, "row-map",
    )  # fmt: skip
    if pair:
        other = colours.other if colours else [TokenScore((row.get("rejected") or "")[:MOST], "answer", 0.0)]
        _words("Rejected answer", [], other, scale, "rejected-map")


def _words(caption: str, prompt: list[TokenScore], answer: list[TokenScore], scale: float, key: str) -> None:
    tokens = [*((t, "prompt") for t in prompt), *((t, "answer") for t in answer)]
    ranks = ranks_by_size(np.array([t.score for t, _ in tokens]))
    made = [[t.text, segment, t.score, int(r)] for (t, segment), r in zip(tokens, ranks, strict=True)]
    if prompt and answer:
        made[len(prompt) - 1][0] += "\n"
    token_map(
        key=key,
        data={
            "tokens": made,
            "scale": scale,
            "unit": "pull",
            "signed": True,
            "measure": "",
            "wrong": "towards",
            "right": "away",
            "towards": ["towards it", "away from it"],
            "caption": caption,
            "hint": "Hover over a token for its pull." if scale else "",
            "selected": None,
        },
    )


def show_probe(asked: Question, layer: int) -> None:
    """The test prompt's representation-gradient heatmap in the model on screen."""
    if asked.failure is None:
        return
    try:
        shown = explained(model_spec(), asked.failure, "representation-gradient", layer)
    except ExplorerError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    charts.show_token_map(shown, "probe-map")
    st.caption(f"The test prompt itself, in {plain(shown.model)}")
