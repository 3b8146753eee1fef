"""The minimal edit on the Trace page: the prompt with the fewest tokens struck through, and those enough to keep."""

from typing import Any

import streamlit as st

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.faithfulness.minimal import MinimalEdit, TokenSet, minimal_edit
from explorer.figures.labels import visible
from explorer.model.load import LoadedModel, ModelSpec, load_model
from explorer.safe_text import hold_direction
from explorer.trace.explain import Explanation
from explorer.ui import link
from explorer.ui.caching import cached
from explorer.ui.components import marked_prompts
from explorer.ui.explained import explained
from explorer.ui.progress_bar import progress_bar
from explorer.ui.text import show_error

_KEY = "minimal"
HELP = """The fewest tokens of the prompt without which the model prefers the right answer, found from the map and
from removing single tokens, and confirmed by a rerun of the text without them; and the fewest that alone keep the wrong
answer preferred. The chat format and the beginning of the answer stay. Takes some seconds, longer for long prompts."""


def minimal_edit_row(loaded: LoadedModel, failure: Failure, explanation: Explanation) -> None:
    """Draw the button, and the finding where the link asks for it."""
    if not link.flag(_KEY):
        icon = ":material/content_cut:"
        st.button("Minimal edit", key="trace-minimal", icon=icon, help=HELP, on_click=_ask, args=("1",))
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("**Minimal edit**", help=HELP, width="content")
        hint = "Close the minimal edit"
        st.button(
            "Close",
            key="trace-minimal-close",
            icon=":material/close:",
            help=hint,
            on_click=_ask,
            args=(None,),
            type="tertiary",
        )
    try:
        found = found_edit(loaded.spec, failure.question, explanation.rule, explanation.layer, explanation.whole)
    except ExplorerError as error:
        show_error(error)
        return
    marked_prompts(key="trace-minimal-edit", data={"parts": parts(explanation, found)})


@cached("Looking for the minimal edit")
def found_edit(spec: ModelSpec, failure: Failure, rule: str, layer: int, whole: bool) -> MinimalEdit:
    """Find the minimal edit of a failure from one of its maps, once."""
    explanation = explained(spec, failure, rule, layer, whole)
    with progress_bar() as progress:
        return minimal_edit(failure, load_model(spec), explanation=explanation, progress=progress)


def parts(explanation: Explanation, found: MinimalEdit) -> list[dict[str, Any]]:
    """What is drawn: for what is removed and for what is kept a title, the marked prompt, and sentences."""
    removed, kept = "Without what is struck through, ", "What is underlined is enough to keep the wrong answer"
    removed += "the preference flips" if found.flips else "the preference flips, but not in the text tokenised anew"
    drawn = [_part(explanation, found, removed if found.removed else "", "del", found.removed, found.removal)]
    if found.kept:
        title = kept if found.kept.indices else "Enough to keep the wrong answer: nothing"
        drawn.append(_part(explanation, found, title, "ins", found.kept, found.keeping))
    return drawn


def _part(
    explanation: Explanation, found: MinimalEdit, title: str, mark: str, chosen: TokenSet | None, sentences: list[str]
) -> dict[str, Any]:
    runs: list[list[tuple[str, bool]]] = []
    for index in found.players if chosen and chosen.indices else ():
        text, marked = explanation.tokens[index].text, bool(chosen and index in chosen.indices)
        if not runs or index - 1 not in found.players:  # the chat format stands between
            runs.append([])
        runs[-1].append((visible(text) if marked and not text.strip() else text, marked))
    first, *more = (hold_direction(sentence) for sentence in sentences)
    return {"title": title, "mark": mark, "runs": runs, "sentences": [first, *([" ".join(more)] if more else [])]}


def _ask(value: str | None) -> None:
    link.put({_KEY: value})
