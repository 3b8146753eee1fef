"""The opened datapoint of the Training data page, whole, and the test prompt's own heatmap beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from explorer.data.failures import Failure
from explorer.data.turns import Turn, parse_history
from explorer.errors import ExplorerError, count
from explorer.ranking.null import Null
from explorer.ranking.rank import Ranking
from explorer.ranking.shown import END, colour_scale, percentile, score_text
from explorer.ranking.token_evidence import KINDS, REPT, SHARES, TokenEvidence, TokenScore
from explorer.ranking.token_shares import state_relevance
from explorer.trace.explain import ranks_by_size
from explorer.ui import charts, link
from explorer.ui.basket import basket, tick
from explorer.ui.components import token_map
from explorer.ui.corpus import Corpus
from explorer.ui.explained import explained
from explorer.ui.session import model_spec
from explorer.ui.text import plain, show_error
from explorer.ui.verdict import show_verdict
from explorer.vectors.methods import METHODS

BASKET_HELP = "A repair drops or swaps what is in the basket"
LIKE_HELP = "Rank the corpus by likeness to this datapoint"
MOST = 6000
"""Characters of an answer that are drawn without colours; more would make the page slow."""


EVIDENCE = {SHARES: "Exact shares of the score", REPT: "RepT's token scores"}


def pick_evidence(ranking: Ranking) -> str:
    """Draw what the colours of words mean, and the choice of it; only RepT's where no vectors were compared."""
    left, right = st.columns([1.5, 3], vertical_alignment="center", gap="small")
    with left:
        kind = linked_evidence(ranking)
    right.caption(f"Red words pull towards the behavior, blue ones away from it. {KINDS[kind]}")
    return kind


def linked_evidence(ranking: Ranking) -> str:
    """Draw the choice of what colours words; return what the link says of it."""
    options = {kind: label for kind, label in EVIDENCE.items() if kind != SHARES or ranking.target}
    hidden = {"label_visibility": "collapsed", "help": "What the colours of words mean"}
    return link.select("Words by", "words", options, next(iter(options)), **hidden)


def show_detail(
    corpus: Corpus, ranking: Ranking, number: int, evidence: Mapping[int, TokenEvidence], null: Null | None
) -> None:
    """Draw everything about one datapoint; ``evidence``: of all rows on screen, which share the scale of colours."""
    row, scale, scored = corpus.row(number), colour_scale(evidence, null), evidence.get(number)
    rank, name = int(ranking.ranks[number]), row["id"]
    place = f"rank {rank:,}, score {score_text(ranking.scores[number])}" if rank else "never ranked: no answer"
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
    if scored and scored.kind == SHARES and rank:
        _show_parts(corpus, ranking, number, scored)
    if scored and scored.earlier:
        _show_words("Earlier turns", (), scored.earlier, scale, "earlier-map")
    caption = "Prompt and chosen answer" if pair else "Prompt and response"
    _show_words(caption, prompt_tokens, answer_tokens, scale, "row-map")
    if pair:
        rejected = scored.rejected if scored else _plain_tokens(row.get("rejected") or "", "answer")
        _show_words("Rejected answer", (), rejected, scale, "rejected-map")


def _show_parts(corpus: Corpus, ranking: Ranking, number: int, evidence: TokenEvidence) -> None:
    """Draw what the score is made of, and on demand which words of the prompt make the state."""
    words = sum(t.score for t in (*evidence.tokens, *evidence.rejected))
    shares = {"state before the answer (topic)": evidence.state, "words of the answer": words or None}
    shares |= {"what centring moves": evidence.common or None}
    st.caption(
        "Score = " + ", ".join(f"{_signed(share)} {name}" for name, share in shares.items() if share is not None)
    )
    if "state" not in METHODS[ranking.choice.method].parts:
        return
    about = "Relevance (AttnLRP) of the prompt's tokens for the state's part of the score, before centring"
    if link.toggle("Which words make the topic?", "topic", help=about):
        try:
            tokens = state_relevance(corpus.study, ranking, number)
        except ExplorerError as error:
            show_error(error)
            return
        _show_words(about, tokens, (), max(abs(t.score) for t in tokens), "topic-map")


def _signed(share: float) -> str:
    return f"{'−' if share < 0 else '+'}{score_text(abs(share))}"


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
        change = {"on_click": tick, "args": (corpus.study.folder, name, not ticked), "help": BASKET_HELP}
        st.button(label, icon=icon, key="basket-row", **change)
        more = {"on_click": link.put, "args": (like,), "help": LIKE_HELP}
        st.button("More like this", icon=":material/join_inner:", key="like", **more)


def _plain_tokens(text: str, part: str) -> list[TokenScore]:
    return [TokenScore(text[:MOST], part, 0.0)]


def _show_words(
    caption: str, prompt: Sequence[TokenScore], answer: Sequence[TokenScore], scale: float, key: str
) -> None:
    tokens = [*((t, "prompt") for t in prompt), *((t, "answer") for t in answer)]
    ranks = ranks_by_size(np.array([t.score for t, _ in tokens]))
    texts = [END if t.part == "end" else t.text for t, _ in tokens]
    cells = [[text, part, t.score, int(r)] for text, (t, part), r in zip(texts, tokens, ranks, strict=True)]
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
    show_verdict(model_spec(), failure, explanation, "probe-verdict")
    st.caption(f"The test prompt itself, in {plain(explanation.model)}")
