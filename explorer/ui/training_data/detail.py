"""The opened datapoint of the Training data page, whole, and the test prompt's own heatmap beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from explorer.data.failures import Failure
from explorer.data.turns import Turn, parse_history
from explorer.errors import ExplorerError, count
from explorer.ranking.rank import Ranking
from explorer.ranking.token_shares import TokenEvidence, TokenScore
from explorer.trace.explain import ranks_by_size
from explorer.ui import charts, link
from explorer.ui.basket import basket, toggle
from explorer.ui.components import token_map
from explorer.ui.corpus import Corpus
from explorer.ui.explained import explained
from explorer.ui.session import model_spec
from explorer.ui.text import plain, show_error
from explorer.ui.training_data.list import colour_scale, percentile

MOST = 6000
"""Characters of an answer that are drawn without colours; more would make the page slow."""


def show_detail(corpus: Corpus, ranking: Ranking, number: int, evidence: Mapping[int, TokenEvidence]) -> None:
    """Draw everything about one datapoint; ``evidence``: of all rows on screen, which share the scale of colours."""
    row, scale, scored = corpus.row(number), colour_scale(evidence), evidence.get(number)
    rank, name = int(ranking.ranks[number]), row["id"]
    place = f"rank {rank:,}, score {ranking.scores[number]:.3f}" if rank else "never ranked: no answer"
    st.markdown(f"**{plain(name)}**&nbsp; {place}")
    about = [f"above {percentile(ranking, number)} of the corpus"] if rank else []
    about += [f"{key} {plain(str(row[key]))}" for key in ("source", "label", "stage") if row.get(key)]
    st.caption(" · ".join(about))
    _show_buttons(corpus, name)
    if row.get("system"):
        st.caption(f"System prompt: {plain(str(row['system'])[:400])}")
    _show_turns(row)
    pair = row.get("response") is None
    answer = (row.get("chosen") if pair else row.get("response")) or ""
    prompt_tokens = scored.prompt if scored else _plain_tokens(row["prompt"], "prompt")
    answer_tokens = scored.answer if scored else _plain_tokens(answer, "answer")
    caption = "Prompt and chosen answer" if pair else "Prompt and response"
    _show_words(caption, prompt_tokens, answer_tokens, scale, "row-map")
    if pair:
        rejected = scored.rejected if scored else _plain_tokens(row.get("rejected") or "", "answer")
        _show_words("Rejected answer", (), rejected, scale, "rejected-map")


def _show_turns(row: Mapping[str, Any]) -> None:
    """List the other turns of a conversation as plain text, above its last question and answer."""
    history, steps = parse_history(row.get("history"), f"Datapoint {row['id']}")
    if not history and not steps:
        return
    with st.expander(f"{count(len(history) + len(steps), 'other turn')} of this conversation", expanded=True):
        marked = [*history, *([Turn("user", "(the prompt below)"), *steps] if steps else [])]
        st.text("\n\n".join(f"{turn.role}: {turn.content}" for turn in marked)[:MOST])


def _show_buttons(corpus: Corpus, name: str) -> None:
    ticked = name in basket(corpus.study.folder)
    label = "In the basket" if ticked else "Add to basket"
    icon = ":material/check:" if ticked else ":material/add_shopping_cart:"
    like = {"like": name, **dict.fromkeys(("node", "half", "behavior", "row", "p"))}
    with st.container(horizontal=True, gap="small"):
        st.button(label, icon=icon, key="basket-row", on_click=toggle, args=(corpus.study.folder, name))
        st.button("More like this", icon=":material/join_inner:", key="like", on_click=link.put, args=(like,))


def _plain_tokens(text: str, part: str) -> list[TokenScore]:
    return [TokenScore(text[:MOST], part, 0.0)]


def _show_words(
    caption: str, prompt: Sequence[TokenScore], answer: Sequence[TokenScore], scale: float, key: str
) -> None:
    tokens = [*((t, "prompt") for t in prompt), *((t, "answer") for t in answer)]
    ranks = ranks_by_size(np.array([t.score for t, _ in tokens]))
    cells = [[t.text, segment, t.score, int(r)] for (t, segment), r in zip(tokens, ranks, strict=True)]
    if prompt and answer:
        cells[len(prompt) - 1][0] += "\n"
    token_map(
        key=key,
        data={
            "tokens": cells,
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


def show_probe(failure: Failure, layer: int) -> None:
    """Draw the test prompt's representation-gradient heatmap in the model on screen."""
    try:
        explanation = explained(model_spec(), failure, "representation-gradient", layer)
    except ExplorerError as error:
        show_error(error)
        return
    charts.show_token_map(explanation, "probe-map")
    st.caption(f"The test prompt itself, in {plain(explanation.model)}")
