"""The form for a prompt of one's own: ask the model, see what it considered at each position, contrast there."""

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.figures.labels import visible
from explorer.model.generate import Answer
from explorer.model.load import LoadedModel
from explorer.model.prompts import Prompt, encode_prompt
from explorer.trace.trace import most_tokens
from explorer.ui.components import token_map
from explorer.ui.explained import answered
from explorer.ui.session import set_case
from explorer.ui.text import plain, show_error

_OPEN, _ANSWER, _ASKED = "trace-composing", "trace-answer", "trace-asked"
"""Keys of the session: whether the form is open, the token clicked in the answer, what the model was asked."""
_CAPTIONS = {"unit": "chance of another token", "measure": "unsure", "caption": "Its greedy answer"}


def composer_button(row: DeltaGenerator) -> bool:
    """Draw the button that opens and closes the form; True while it is open."""
    if row.button("New prompt", icon=":material/edit:", key="trace-new"):
        st.session_state[_OPEN] = not st.session_state.get(_OPEN, False)
    return st.session_state.get(_OPEN, False)


def composer(loaded: LoadedModel, start: Failure) -> None:
    """Draw the form, filled with ``start``; once a contrast is chosen, put it on screen as the current case."""
    with st.container(border=True):
        left, right = st.columns([3, 2], gap="medium")
        with left:
            prompt = _prompt_fields(start, chat=bool(loaded.tokenizer.chat_template))
            st.caption(_room(loaded, prompt))
        with right:
            _ask(loaded, prompt)
            _type_answers(prompt)


def _prompt_fields(start: Failure, chat: bool) -> Prompt:
    text = st.text_area("Prompt", start.prompt, height=120, key="trace-prompt")
    options = ["chat", "raw text"]
    default = "chat" if chat and not start.raw else "raw text"
    raw = st.segmented_control("The model reads it as", options, default=default, required=True) == "raw text"
    system = "" if raw else st.text_input("System prompt", start.system or "", placeholder="the model's own")
    hint = "optional: the words of the prompt that should have decided it"
    evidence = st.text_input("Evidence", placeholder=hint)
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
    length = st.slider("Answer length (tokens)", 5, 200, 40, 5)
    question = (loaded.spec, replace(prompt, evidence=None))
    if st.button("Ask the model", type="primary", width="stretch"):
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
    position = st.session_state.get(_ANSWER, {}).get("selected")
    data = {
        "tokens": [[t, "user", p, i + 1] for i, (t, p) in enumerate(zip(answer.texts, doubt, strict=True))],
        "hint": "Click the first wrong token to see what else the model considered there.",
        "selected": position,
        "signed": False,
        "scale": 1.0,
    }
    token_map(key=_ANSWER, data=_CAPTIONS | data, on_selected_change=lambda: None)
    if position is not None and position < len(answer.ids):
        _pick_token(prompt, answer, position)


def _pick_token(prompt: Prompt, answer: Answer, position: int) -> None:
    """Offer the candidates at a position of the answer, and a field for any other continuation."""
    before, wrong = "".join(answer.texts[:position]), answer.texts[position]
    place = hash((prompt, answer.ids, position))
    candidates = [c for c in answer.candidates[position] if c.id != answer.ids[position] and c.text]
    labels = {c.text: f"{visible(c.text)}  {c.probability:.1%}" for c in reversed(candidates) if "�" not in c.text}
    options, label = list(reversed(labels)), "The right token instead"
    picked = st.pills(label, options, format_func=lambda text: plain(labels[text]), key=f"trace-picked-{place}")
    typed = st.text_input("or type the right continuation", key=f"trace-typed-{place}")
    if typed and wrong[:1] == " " and not typed[0].isspace():
        typed = " " + typed
    right = typed or picked
    if right and st.button("Explain this contrast", type="primary", width="stretch"):
        _explain(prompt, before + wrong, before + right)


def _type_answers(prompt: Prompt) -> None:
    with st.expander("Or type both answers"):
        wrong = st.text_input("Wrong answer", key="trace-wrong")
        right = st.text_input("Right answer", key="trace-right")
        if st.button("Explain", width="stretch", disabled=not (wrong and right)):
            _explain(prompt, wrong, right)


def _explain(prompt: Prompt, wrong: str, right: str) -> None:
    set_case(Failure(prompt.text, wrong, right, prompt.system, prompt.evidence, prompt.raw))
    st.session_state[_OPEN] = False
    st.rerun()
