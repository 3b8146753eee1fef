"""The form for one's own prompt: ask the model, see what it considered at each position, contrast there."""

from dataclasses import replace

import streamlit as st

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.model.generate import Answer
from explorer.model.load import LoadedModel
from explorer.model.prompts import Prompt
from explorer.ui.charts import visible
from explorer.ui.components import token_map
from explorer.ui.session import OWN, answered, plain, set_case


def composer(loaded: LoadedModel, start: Failure) -> None:
    """Draw the form; when a contrast has been chosen, put it on screen as the current case."""
    has_chat = bool(loaded.tokenizer.chat_template)
    with st.container(border=True):
        left, right = st.columns([3, 2], gap="medium")
        with left:
            text = st.text_area("Prompt", start.prompt, height=120, key="compose-prompt")
            kind = st.segmented_control(
                "The model reads it as",
                ["chat", "raw text"],
                default="chat" if has_chat and not start.raw else "raw text",
                required=True,
            )
            raw = kind == "raw text"
            system = "" if raw else st.text_input("System prompt", start.system or "", placeholder="the model's own")
            evidence = st.text_input(
                "Evidence",
                placeholder="optional: the words of the prompt that should have decided it",
            )
        prompt = Prompt(text, system or None, raw, evidence or None)
        with right:
            _ask(loaded, prompt)


def _ask(loaded: LoadedModel, prompt: Prompt) -> None:
    length = st.slider("Answer length (tokens)", 5, 200, 40, 5)
    if st.button("Ask the model", type="primary", width="stretch"):
        st.session_state["asked"] = (loaded.spec, replace(prompt, evidence=None), length)
    asked = st.session_state.get("asked")
    if asked and asked[:2] == (loaded.spec, replace(prompt, evidence=None)):
        try:
            answer = answered(*asked)
        except ExplorerError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            _pick_position(prompt, answer)
    _type_answers(prompt)


def _pick_position(prompt: Prompt, answer: Answer) -> None:
    """The greedy answer, clickable; the candidates at the clicked position."""
    if not answer.ids:
        st.info("The model answers with nothing.")
        return
    certainty = [c[0].probability for c in answer.candidates]
    token_map(
        key="answer-map",
        data={
            "tokens": [[t, "user", 1 - p, i + 1] for i, (t, p) in enumerate(zip(answer.texts, certainty, strict=True))],
            "scale": 1.0,
            "unit": "chance of another token",
            "signed": False,
            "measure": "unsure",
            "caption": "Its greedy answer",
            "hint": "Click the first wrong token to see what else the model considered there.",
            "selected": st.session_state.get("answer-map", {}).get("selected"),
        },
        on_selected_change=lambda: None,
    )
    at = st.session_state.get("answer-map", {}).get("selected")
    if at is None or at >= len(answer.ids):
        return
    before, this = "".join(answer.texts[:at]), hash((prompt, answer.ids, at))
    others = [c for c in answer.candidates[at] if c.id != answer.ids[at] and c.text and "�" not in c.text]
    shown = {c.text: f"{visible(c.text)}  {c.probability:.1%}" for c in reversed(others)}
    options = list(reversed(shown))
    picked = st.pills("The right token instead", options, format_func=lambda t: plain(shown[t]), key=f"picked-{this}")
    typed = st.text_input("or type the right continuation", key=f"typed-{this}")
    if typed and answer.texts[at][:1] == " " and not typed[0].isspace():
        typed = " " + typed
    right = before + (typed or picked or "")
    if (typed or picked) and st.button("Explain this contrast", type="primary", width="stretch"):
        _explain(prompt, before + answer.texts[at], right)


def _type_answers(prompt: Prompt) -> None:
    with st.expander("Or type both answers"):
        wrong = st.text_input("Wrong answer", key="compose-wrong")
        right = st.text_input("Right answer", key="compose-right")
        if st.button("Explain", width="stretch", disabled=not (wrong and right)):
            _explain(prompt, wrong, right)


def _explain(prompt: Prompt, wrong: str, right: str) -> None:
    set_case(Failure(OWN, prompt.text, wrong, right, prompt.system, prompt.evidence, prompt.raw))
    st.session_state["composing"] = False
    st.rerun()
