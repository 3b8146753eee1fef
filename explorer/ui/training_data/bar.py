"""The top of the Training data page: what is asked, and how it is answered. All of it stands in the link."""

from dataclasses import dataclass, replace

import streamlit as st

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.model.prompts import encode_prompt
from explorer.ranking.evaluate import best_layer
from explorer.ranking.persona import METHOD, NEUTRAL, PERSONA, Persona
from explorer.ranking.rank import Choice
from explorer.ranking.table import row_number
from explorer.ui.charts import visible
from explorer.ui.components import case_bar
from explorer.ui.link_old import linked_select, linked_toggle, linked_value
from explorer.ui.session import current_case, model_spec, plain, put_query
from explorer.ui.study import current_study, distinct
from explorer.ui.training_data.saved import saved_evaluation
from explorer.ui.training_data.state import (
    CASE,
    HALVES,
    Corpus,
    Question,
    about_behavior,
    about_case,
    about_node,
    about_row,
    nearest_layer,
    stage_words,
)
from explorer.vectors.index import Index
from explorer.vectors.methods import METHODS, QUERIES, Method

SPECIAL = "special"
KINDS = {"bad": "Bad answers", "contrast": "Bad − good answers", "bank": "Nearest bad answer"}
WIDTHS = [2.2, 1.9, 1.4, 1.1, 1.7, 1.2]


@dataclass(frozen=True)
class Picked:
    """What the bar says: the question, the index that answers it (None: nothing is built), and how."""

    asked: Question
    index: Index | None
    choice: Choice

    @property
    def whole(self) -> Question:
        """The question that any method can answer: for a node, its case."""
        return about_case(self.asked.failure) if self.asked.node and self.asked.failure else self.asked


def pick(of: Corpus, indexes: dict[str, Index]) -> Picked:
    """Draw the bar."""
    words = st.container()
    columns = st.columns(WIDTHS, gap="small", vertical_alignment="bottom")
    with columns[0]:
        asked = _question(of)
    with words:
        _say(asked)
    if asked.node:
        return _node_pickers(of, asked, indexes, columns)
    usual = "explorer" if indexes else "bm25"
    offered = [name for name, method in METHODS.items() if indexes or not method.parts]
    with columns[1]:
        name = linked_select(
            "Method", "method", {name: name for name in offered}, usual, help=_methods_help(), then=_first_page
        )
    method = METHODS[name]
    text_only = not method.parts
    index = None
    with columns[2]:
        index = _stage(of, indexes, text_only)
    with columns[3]:
        layers = index.manifest.layers if index and not text_only else []
        auto = f"Auto ({index.manifest.default_layer})" if index and not text_only else "None"
        named = _layer_names(of, index, method) if index and not text_only else {}
        options = {"auto": auto, **{str(layer): named[layer] for layer in layers}}
        said = linked_select("Layer", "layer", options, "auto", disabled=text_only, help=LAYER, then=_first_page)
    with columns[4]:
        query = _query(method, asked, text_only)
    with columns[5]:
        centre = linked_toggle("Centre", "centre", method.centre, help=CENTRE, disabled=text_only)
    st.caption(f"**{plain(name)}** · {plain(method.about)} *{plain(method.paper)}*")
    if query == PERSONA:
        persona = _persona()
        asked = replace(asked, persona=persona, key=(*asked.key, persona))
    return Picked(asked, index, Choice(name, None if said == "auto" else int(said), centre, query))


LAYER = (
    "The residual stream after this block. Auto: the built layer nearest to 14 fifteenths of the depth. RepT's rule "
    "takes the layer where states turn most; best on labels, the one with the highest mean average precision where the "
    "study has been evaluated."
)
CENTRE = "Subtract the mean of the corpus before the cosine: what all datapoints share no longer counts."
STAGE = (
    "The model in which the vectors were made: before the training in question a wrong example is still surprising, "
    "so that its loss gradient says what it teaches; after it, states say which topic it belongs to. "
    "*Build other vectors*, at the end of the page, makes those of another checkpoint."
)


def _layer_names(of: Corpus, index: Index, method: Method) -> dict[int, str]:
    """What each layer is called: its number, and which rule would choose it."""
    made = index.manifest
    best = best_layer(saved_evaluation(of) or [], method, made.checkpoint, made.layers)
    rules = [("RepT's rule", made.notes.get("rept_layer")), ("best on labels", best)]
    return {x: " · ".join([str(x), *(rule for rule, layer in rules if layer == x)]) for x in made.layers}


def _question(of: Corpus) -> Question:
    case, q = current_case(), st.query_params
    found = current_study()
    own = bool({"case", "q"} & set(q)) or bool(found.failures) or not of.behaviors
    default = CASE if own else next(iter(of.behaviors))
    special = _special(of, case)
    options = {CASE: "This case", **{name: name for name in of.behaviors if name != CASE}}
    labels = distinct(options) | ({SPECIAL: special.title} if special else {})
    value = SPECIAL if special else linked_value("behavior", options, default)
    st.session_state["asked"] = value

    def chosen() -> None:
        name = st.session_state["asked"]
        if name != SPECIAL:
            put_query(behavior=None if name == default else name, node=None, half=None, like=None, row=None, p=None)

    def read(name: str) -> str:
        return labels.get(name, name)

    st.selectbox("Training data behind", list(labels), key="asked", format_func=read, on_change=chosen)
    if special:
        return special
    return about_case(case) if value == CASE else about_behavior(of, value)


def _special(of: Corpus, case: Failure) -> Question | None:
    """A datapoint or a graph node that the link asks about."""
    q = st.query_params
    if name := q.get("like"):
        row = row_number(of.table, name)
        if row is not None:
            return about_row(of, row, f"Like {name}")
        st.warning(f"The study has no datapoint {plain(name[:80])}.")
    if q.get("node"):
        parts = q["node"].split(":")
        half = linked_value("half", HALVES, "state")
        if len(parts) == 2 and all(part.isdecimal() for part in parts):
            layer, token = int(parts[0]), int(parts[1])
            title = f"Node {_token_text(case, token)}, layer {layer}"
            return about_node(case, layer, token, half, title)
        st.warning(f"{plain(q['node'][:80])} is no node; expected a layer and a token, e.g. 15:40.")
    return None


def _token_text(case: Failure, token: int) -> str:
    try:
        tokens = encode_prompt(load_model(model_spec()), case.as_prompt()).tokens
    except ExplorerError:
        return str(token)
    return f"‘{visible(tokens[token].text)}’" if token < len(tokens) else str(token)


def _say(asked: Question) -> None:
    """One line: the prompt and both answers, or what else is asked."""
    case = asked.failure
    words = {"prompt": asked.title, "wrong": "", "right": "", "gap": "", "note": ""}
    if asked.kind == "behavior":
        n, first = len(asked.items), asked.items[0]
        words |= {"wrong": first.answer, "right": first.other or "", "note": f"and so on: {n} prompts"}
    elif asked.kind == "like":
        item = asked.items[0]
        words["note"] = f"{item.prompt.text} ⏎ {item.answer}"[:160]
    elif case is not None:
        words |= {"prompt": case.prompt[:160], "wrong": case.wrong, "right": case.right}
        words["note"] = asked.title if asked.node else ""
    case_bar(key="question-bar", data={name: " ".join(text.split()) for name, text in words.items()})


def _stage(of: Corpus, indexes: dict[str, Index], disabled: bool) -> Index | None:
    words = stage_words(of.study)
    options = {
        name: words[i.manifest.checkpoint] + name.removeprefix(i.manifest.checkpoint) for name, i in indexes.items()
    }
    if not options:
        linked_select("Vectors in", "stage", {"": "not built"}, "", disabled=True, help=STAGE)
        return None
    name = linked_select("Vectors in", "stage", options, next(iter(options)), disabled=disabled, help=STAGE)
    return indexes[name]


def _query(method: Method, asked: Question, disabled: bool) -> str:
    both = all(item.other is not None for item in asked.items)
    if asked.kind == "like":
        linked_select("Query", "query", {"bad": "This datapoint"}, "bad", disabled=True)
        return "bad"
    options = {name: KINDS[name] for name in QUERIES if both or name != "contrast"}
    about = "\n\n".join(f"**{KINDS[name]}**: {QUERIES[name]}" for name in options)
    if method.name == METHOD and not any(item.prompt.raw for item in asked.items):
        options |= {PERSONA: "Persona"}
        about += f"\n\n**Persona**: {PERSONA_HELP}"
    default = method.query if method.query in options else "bad"
    return linked_select("Query", "query", options, default, disabled=disabled, help=about, then=_first_page)


PERSONA_HELP = (
    "The model answers the behavior's prompts under two system prompts, one that brings a trait out and a neutral one; "
    "looked for is the difference of the mean states over its answers (persona vectors, Chen et al. 2025)."
)


def _persona() -> Persona:
    """Two fields for the system prompts; the page stops here until there is a trait."""
    left, right = st.columns(2)
    trait = left.text_input(
        "System prompt with the trait", key="trait", bind="query-params", help=PERSONA_HELP,
        placeholder="e.g. You flatter the user before you answer",
    )  # fmt: skip
    neutral = right.text_input("Neutral system prompt", NEUTRAL, key="neutral", bind="query-params")
    if not (trait or "").strip():
        st.info("Write a system prompt that brings the trait out.", icon=":material/edit:")
        st.stop()
    return Persona(trait, neutral or "")


def _node_pickers(of: Corpus, asked: Question, indexes: dict[str, Index], columns: list) -> Picked:
    assert asked.node is not None
    layer, token, _ = asked.node
    with columns[1]:
        half = linked_select("Compare its", "half", HALVES, "state", help=HALF, then=_first_page)
    with columns[2]:
        index = _stage(of, indexes, False)
    near = nearest_layer(index, layer) if index else layer
    with columns[3]:
        linked_select("Layer", "layer", {"": str(near)}, "", disabled=True, help=LAYER)
    if index:
        there = "" if near == layer else f" The vectors have no layer {layer}; {near} is the nearest."
        text = plain(_token_text(asked.failure or current_case(), token))
        st.caption(
            f"**{HALVES[half]}** at this place ({text}, position {token}) in {plain(index.manifest.checkpoint)}, where "
            f"the vectors were made, against the same half of every datapoint, both centred.{there}"
        )
    return Picked(asked, index, Choice())


HALF = (
    "**State**: which training examples end in this state. **Gradient**: which examples push the state here the way "
    "that the wrong answer needs."
)


def _methods_help() -> str:
    return "\n\n".join(f"**{m.name}**: {m.about}" for m in METHODS.values())


def _first_page() -> None:
    put_query(p=None)
