"""Edit and rerun on the Trace page: delete or replace the selected token, and what came of every try."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.figures.labels import visible
from explorer.limits import EDIT_CHARS, EDITS, TRIES
from explorer.model.load import LoadedModel, ModelSpec, load_model
from explorer.safe_text import hold_direction
from explorer.trace.edits import Edit, Try, editable, format_tries, parse_tries, try_edits
from explorer.trace.explain import Explanation
from explorer.ui import link
from explorer.ui.caching import cached
from explorer.ui.components import tries as tries_list
from explorer.ui.explained import explained
from explorer.ui.link_names import shared_query
from explorer.ui.session import selected_token
from explorer.ui.text import plain

_KEY = "edits"
HELP = f"""The edited text goes through the chat template and the tokenizer anew, and the model reads and answers it.
**Predicted** is what the map says of the change: minus the relevance of a deleted token; for a token that is replaced
by one other, the first-order estimate (x′ − x)·∂Δℓ/∂x at its embedding. Both are linear: they know nothing of tokens
that move up, of neighbours that are tokenised anew, or of words that stand in for each other. **Measured** is the
change of the gap between the same two tokens (or answers). Edits add up until you start over; the link keeps the last
{TRIES} tries."""


def edit_and_rerun(loaded: LoadedModel, failure: Failure, explanation: Explanation) -> None:
    """Draw what can be done to the selected token, and the list of tries. The edits stand in the link."""
    tries = parse_tries(link.get(_KEY))
    index = selected_token()
    st.markdown("**Edit and rerun**", help=HELP)
    can = editable(loaded, failure)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if index is None or index >= len(can):
            st.caption("Click a word of the prompt to delete or replace it, and see what the model does then.")
        elif not can[index]:
            st.caption("This token is the chat template's, which can't be edited: click a word of the prompt.")
        else:
            _offer_edits(tries, index, visible(explanation.tokens[index].text, 24))
        if tries:
            undone = tries[:-1]
            st.button("Undo", key="trace-undo", icon=":material/undo:", on_click=_put, args=(undone,))
            if tries[-1]:
                hint = "The next edit begins with the prompt as it was"
                st.button("Start over", key="trace-start-over", on_click=_put, args=((*tries, ()),), help=hint)
    distinct = [edits for edits in dict.fromkeys(tries) if edits]
    if distinct:
        rows = [_row(loaded.spec, failure, explanation, edits) for edits in distinct]
        data = {"rows": rows, "unit": explanation.unit, "now": distinct.index(tries[-1]) if tries[-1] else -1}
        tries_list(key="trace-tries", data=data)


def _offer_edits(tries: Sequence[tuple[Edit, ...]], index: int, label: str) -> None:
    st.markdown(plain(label))
    full = bool(tries) and len(tries[-1]) >= EDITS
    delete = {"on_click": _add, "args": (tries, Edit(index)), "disabled": full}
    st.button("Delete", key="trace-delete", icon=":material/backspace:", help="Rerun without this token", **delete)
    with st.form(f"trace-replace-{index}", border=False), st.container(horizontal=True, gap="small"):
        key, hint = f"trace-with-{index}", "another word"
        field = {"label_visibility": "collapsed", "max_chars": EDIT_CHARS, "placeholder": hint, "width": 150}
        st.text_input("Replace with", key=key, **field)
        st.form_submit_button("Replace", icon=":material/edit:", on_click=_replace, args=(tries, index, key))


def _replace(tries: Sequence[tuple[Edit, ...]], index: int, key: str) -> None:
    if text := st.session_state[key].strip():
        _add(tries, Edit(index, text))


def _add(tries: Sequence[tuple[Edit, ...]], edit: Edit) -> None:
    """Add a try: what the last one did, and one edit more."""
    last = tries[-1] if tries else ()
    _put((*tries, (*(other for other in last if other.index != edit.index), edit)))


def _put(tries: Sequence[tuple[Edit, ...]]) -> None:
    while tries and not tries[0]:
        tries = tries[1:]
    link.put({_KEY: format_tries(tries) or None})


@cached("Trying the edit")
def tried(spec: ModelSpec, failure: Failure, edits: tuple[Edit, ...], rule: str, layer: int, whole: bool) -> Try:
    """Try edits of a failure, each once."""
    explanation = explained(spec, failure, rule, layer, whole)
    return try_edits(failure, edits, load_model(spec), explanation=explanation)


def _row(spec: ModelSpec, failure: Failure, explanation: Explanation, edits: tuple[Edit, ...]) -> dict[str, Any]:
    """What the list shows of a try: texts alone."""
    tokens = explanation.tokens
    words = [
        {"old": visible(tokens[e.index].text, 24) if e.index < len(tokens) else str(e.index), "new": e.text or ""}
        for e in edits
    ]
    row: dict[str, Any] = {"words": words, "href": f"?{urlencode(shared_query() | {_KEY: format_tries([edits])})}"}
    try:
        done = tried(spec, failure.question, edits, explanation.rule, explanation.layer, explanation.whole)
    except ExplorerError as error:
        return row | {"error": hold_direction(str(error))}
    predicted = "no estimate" if done.predicted is None else f"{done.predicted:+.2f}"
    gap = {"predicted": predicted, "measured": f"{done.change:+.2f}", "gap": f"{done.gap:+.2f}"}
    return row | gap | {"answer": hold_direction(" ".join(done.answer.split()))}
