"""The form for a prompt of one's own: ask the model, see what it considered at each position, contrast there."""

from dataclasses import replace

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.figures.labels import visible
from explorer.model.generate import Answer
from explorer.model.load import LoadedModel
from explorer.model.prompts import Prompt, encode_prompt
from explorer.trace.alignment import exchange_word
from explorer.trace.explain import ranks_by_size
from explorer.trace.trace import most_tokens
from explorer.ui.components import token_map
from explorer.ui.explained import answered
from explorer.ui.session import set_case
from explorer.ui.text import plain, show_error

_OPEN, _ANSWER, _ASKED = "trace-composing", "trace-answer", "trace-asked"
"""Keys of the session: whether the form is open, the token clicked in an answer (one key for each answer, so that no
choice carries over to the next), what the model was asked."""
PROMPT_HELP = "What the model is asked."
RAW_HELP = (
    "**chat**: within the model's chat template, as a user's message. **raw text**: as it stands; the model goes on."
)
SYSTEM_HELP = "Stands before the prompt. Empty: what the model's chat template puts there."
PICK_HELP = "What else the model considered here, with its probability."
TYPED_HELP = "Takes the place of the clicked word; the rest of the answer stays."
EXPLAIN_HELP = "Draw which tokens of the prompt speak for the one answer and which for the other"
_CAPTIONS = {"unit": "chance of another token", "measure": "unsure", "caption": "Its greedy answer"}


def composer_button(row: DeltaGenerator) -> bool:
    """Draw the button that opens and closes the form; True while it is open."""
    if row.button("New prompt", icon=":material/edit:", key="trace-new", help="Ask the model something of your own"):
        st.session_state[_OPEN] = not st.session_state.get(_OPEN, False)
    return st.session_state.get(_OPEN, False)


def composer(loaded: LoadedModel, start: Failure) -> None:
    """Draw the form, filled with ``start``; once a contrast is chosen, put it on screen as the current case."""
    with st.container(border=True, key="composer-body"):
        left, right = st.columns([3, 2], gap="medium")
        with left:
            prompt = _prompt_fields(start, chat=bool(loaded.tokenizer.chat_template))
            st.caption(_room(loaded, prompt))
        with right:
            _ask(loaded, prompt)
            _type_answers(prompt)


def _prompt_fields(start: Failure, chat: bool) -> Prompt:
    text = st.text_area("Prompt", start.prompt, height=120, key="trace-prompt", help=PROMPT_HELP)
    options = ["chat", "raw text"]
    default = "chat" if chat and not start.raw else "raw text"
    raw = (
        st.segmented_control("The model reads it as", options, default=default, required=True, help=RAW_HELP)
        == "raw text"
    )
    system = (
        ""
        if raw
        else st.text_input("System prompt", start.system or "", placeholder="the model's own", help=SYSTEM_HELP)
    )
    hint, about = "optional: the words of the prompt that should have decided it", "They are underlined in the map."
    evidence = st.text_input("Evidence", placeholder=hint, help=about)
    return Prompt(text, system or None, raw, evidence or None)


def _room(loaded: LoadedModel, prompt: Prompt) -> str:
    """How many tokens the prompt has, of how many that the model reads and the memory holds."""
    try:
        tokens = len(encode_prompt(loaded, prompt).tokens)
    except ExplorerError as error:
        return plain(str(error))
    most = min(loaded.max_tokens or 10**9, most_tokens(loaded.view("attnlrp")))
    return f"{tokens:,} of at most {most:,} tokens"


def _ask(loaded: LoadedModel, prompt: Prompt) -> None:
    length = st.slider(
        "Answer length (tokens)", 5, 200, 40, 5, help="The answer ends there, or where the model ends it."
    )
    question = (loaded.spec, replace(prompt, evidence=None))
    if st.button("Ask the model", type="primary", width="stretch", help="Its likeliest answer, token by token"):
        st.session_state[_ASKED] = (*question, length)
    asked = st.session_state.get(_ASKED)
    if asked and asked[:2] == question:
        try:
            answer = answered(*asked)
        except ExplorerError as error:
            show_error(error)
        else:
            _pick_position(prompt, answer)


def _pick_position(prompt: Prompt, answer: Answer) -> None:
    """Draw the greedy answer, whose tokens can be clicked."""
    if not answer.ids:
        st.info("The model answers with nothing.")
        return
    doubt = [1 - candidates[0].probability for candidates in answer.candidates]
    ranks = ranks_by_size(np.array(doubt))
    key = f"{_ANSWER}-{hash((replace(prompt, evidence=None), answer.ids))}"
    position = st.session_state.get(key, {}).get("selected")
    data = {
        "tokens": [[text, "generated", p, int(rank)] for text, p, rank in zip(answer.texts, doubt, ranks, strict=True)],
        "hint": "Click the first wrong token to see what else the model considered there.",
        "selected": position,
        "signed": False,
        "scale": 1.0,
    }
    token_map(key=key, data=_CAPTIONS | data, on_selected_change=lambda: None)
    if position is not None and position < len(answer.ids):
        _pick_token(prompt, answer, position)


def _pick_token(prompt: Prompt, answer: Answer, position: int) -> None:
    """Offer the candidates at a position of the answer, and a field for any other continuation.

    The wrong answer is the model's own, whole; the right one is exchanged at the position (see ``exchange_word``).
    """
    before, token = "".join(answer.texts[:position]), answer.texts[position]
    place = hash((replace(prompt, evidence=None), answer.ids, position))
    candidates = [c for c in answer.candidates[position] if c.id != answer.ids[position] and c.text]
    labels = {c.text: f"{visible(c.text)}  {c.probability:.1%}" for c in reversed(candidates) if "�" not in c.text}
    options, label = list(reversed(labels)), "The right token instead"
    picked = st.pills(
        label, options, format_func=lambda text: plain(labels[text]), key=f"trace-picked-{place}", help=PICK_HELP
    )
    typed = st.text_input("or type the right continuation", key=f"trace-typed-{place}", help=TYPED_HELP)
    if typed and token[:1] == " " and not typed[0].isspace():
        typed = " " + typed
    chosen = typed or picked
    if chosen and st.button("Explain this contrast", type="primary", width="stretch", help=EXPLAIN_HELP):
        right = exchange_word(answer.text, len(before), len(before + token), chosen)
        _explain(prompt, answer.text or before + token, right, place=0)


def _type_answers(prompt: Prompt) -> None:
    with st.expander("Or type both answers"):
        wrong = st.text_input("Wrong answer", key="trace-wrong", help="What the model says, or might say")
        right = st.text_input("Right answer", key="trace-right", help="What it should have said; best a word apart")
        if st.button("Explain", width="stretch", disabled=not (wrong and right), help=EXPLAIN_HELP):
            _explain(prompt, wrong, right)


def _explain(prompt: Prompt, wrong: str, right: str, place: int | None = None) -> None:
    set_case(Failure(prompt.text, wrong, right, prompt.system, prompt.evidence, prompt.raw, place))
    st.session_state[_OPEN] = False
    st.rerun()
