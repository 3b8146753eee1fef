"""The top of the Training data page: what is asked, and how it is answered. All of it stands in the link."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.model.prompts import encode_prompt
from explorer.ranking.directions import NEUTRAL, Control, Persona, about_systems, takes_direction
from explorer.ranking.evaluate import best_layer
from explorer.ranking.questions import (
    AboutBehavior,
    AboutFailure,
    AboutNode,
    AboutPersona,
    LikeDatapoint,
    Question,
    question_items,
)
from explorer.ranking.rank import DIRECTION_METHODS, Choice, nearest_layer
from explorer.ranking.table import row_number
from explorer.ui import link
from explorer.ui.charts import visible
from explorer.ui.components import case_bar
from explorer.ui.corpus import Corpus
from explorer.ui.session import current_case, model_spec
from explorer.ui.study import current_study, distinct
from explorer.ui.text import plain
from explorer.ui.trace.answers import answers_row
from explorer.ui.training_data.evaluation import saved_evaluation
from explorer.ui.training_data.filters import first_page
from explorer.ui.training_data.pickers import LAYER_HELP, pick_index, pick_layer, pick_method
from explorer.vectors.index import Index
from explorer.vectors.methods import DIRECTIONS, MEASURES, METHODS, QUERIES, Method

CASE, SPECIAL = "this-case", "special"
"""Values of the picker for the failure on screen, and for a node or a datapoint that the link names."""
HALVES = {"state": "State", "gradient": "Gradient"}
KINDS = {
    "bad": "Bad answers",
    "contrast": "Bad − good answers",
    "bank": "Nearest bad answer",
    "persona": "A trait (persona)",
    "control": "Asked − forbidden",
}
WIDTHS = [1.9, 1.75, 1.3, 1.1, 1.6, 1.9]
RULES_HELP = (
    f"{LAYER_HELP} RepT's rule takes the layer where states turn most; best on labels, the one with the highest mean "
    "average precision where the study has been evaluated."
)
CENTRE_HELP = "Centre: subtract the mean of the corpus before the cosine: what all datapoints share no longer counts."
MEASURE_HELP = "The dot product instead of the cosine.\n\n" + "  \n".join(
    f"**{name}**: {about}" for name, about in MEASURES.items()
)
HALF_HELP = (
    "**State**: which training examples end in this state. **Gradient**: which examples push the state here the way "
    "that the wrong answer needs."
)
QUESTION_HELP = "The failure on screen, or a behavior of the study, whose training data are looked for."
LIKE_HELP = "The training examples most like the one chosen with *More like this*."
SYSTEMS_HELP = {
    "persona": "The model answers the prompts under two system prompts, one that brings a trait out and a neutral one; "
    "looked for is the difference of the mean states over its answers (persona vectors, Chen et al. 2025).",
    "control": "The bad answers are read under a system prompt that asks for the behavior and under one that forbids "
    "it; looked for is the difference of the mean states over them.",
}


@dataclass(frozen=True)
class Picked:
    """What the bar says: the question, the index that answers it (None: nothing is built), and how."""

    question: Question
    index: Index | None
    choice: Choice

    @property
    def failure(self) -> Failure | None:
        """The failure that the question is about, if any."""
        about = self.question.question if isinstance(self.question, AboutPersona) else self.question
        return about.failure if isinstance(about, AboutFailure | AboutNode) else None

    @property
    def text_question(self) -> Question:
        """The question that any method can answer: of a node, its failure; of a persona, its prompts."""
        match self.question:
            case AboutNode(failure):
                return AboutFailure(failure)
            case AboutPersona(question):
                return question
        return self.question


def pick(corpus: Corpus, indexes: dict[str, Index]) -> Picked:
    """Draw the bar."""
    heading = st.container()
    with st.container(key="data-bar"):
        columns = st.columns(WIDTHS, gap="small", vertical_alignment="bottom")
    with columns[0]:
        question = _pick_question(corpus)
    with heading:
        _show_question(corpus, question)
    return _pick_how(corpus, question, indexes, columns)


def linked_choice(corpus: Corpus, indexes: dict[str, Index]) -> Picked:
    """Return what the bar says of a link that is only read. Raises ExplorerError."""
    return _pick_how(corpus, _pick_question(corpus), indexes, [st.container() for _ in WIDTHS])


def _pick_how(corpus: Corpus, question: Question, indexes: dict[str, Index], columns: list[Any]) -> Picked:
    """Draw how the question is answered."""
    if isinstance(question, AboutNode):
        return _pick_for_node(corpus, question, indexes, columns)
    with columns[1]:
        name = pick_method((n for n, method in METHODS.items() if indexes or not method.parts), then=first_page)
    method = METHODS[name]
    text_only = not method.parts
    with columns[2]:
        index = pick_index(corpus.study, indexes, disabled=text_only, then=first_page)
    with columns[3]:
        names = _layer_names(corpus, index, method) if index else {}
        layer = pick_layer(None if text_only else index, names, help=RULES_HELP, then=first_page)
    with columns[4]:
        query = _pick_query(corpus, question, method)
    with columns[5]:
        centre, measure = _pick_comparison(method.centre, text_only)
    if query in DIRECTIONS and isinstance(question, AboutBehavior | AboutFailure):
        choice = Choice(name, layer, centre, measure=measure)
        return Picked(AboutPersona(question, _pick_systems(corpus, question, query)), index, choice)
    return Picked(question, index, Choice(name, layer, centre, query, measure))


def _pick_comparison(centred: bool, disabled: bool) -> tuple[bool, str]:
    """Draw whether to centre, and the cosine or the dot product."""
    with st.container(gap=None):
        centre = link.toggle(
            "Subtract the mean", "centre", centred, help=CENTRE_HELP, disabled=disabled, then=first_page
        )
        dot = link.toggle("Weigh by length", "dot", help=MEASURE_HELP, disabled=disabled, then=first_page)
    return centre, "dot" if dot else "cosine"


def _pick_question(corpus: Corpus) -> Question:
    """Draw the picker: this case, a behavior, or what the link names besides."""
    case = current_case().question
    special = _linked_question(corpus, case)
    case_first = link.has("case", "q") or bool(current_study().failures) or not corpus.behaviors
    options = distinct({CASE: "This case", **{name: name for name in corpus.behaviors if name != CASE}})
    default = CASE if case_first else next(iter(corpus.behaviors))
    if special:
        options[SPECIAL], default = _title(special), SPECIAL
    forget = partial(link.put, dict.fromkeys(("node", "half", "like", "row", "p")))
    name = link.select("Training data behind", "behavior", options, default, help=QUESTION_HELP, then=forget)
    if special and name == SPECIAL:
        return special
    return AboutFailure(case) if name == CASE else AboutBehavior(name)


def _linked_question(corpus: Corpus, case: Failure) -> LikeDatapoint | AboutNode | None:
    """Return the datapoint or graph node that the link asks about."""
    if name := link.get("like"):
        if row_number(corpus.table, name) is not None:
            return LikeDatapoint(name)
        link.tell_absent("like")
    if node := link.get("node"):
        numbers = [link.whole(part) for part in node.split(":")]
        if len(numbers) == 2 and numbers[0] is not None and numbers[1] is not None:
            half: Any = link.choice("half", HALVES, "state")
            return AboutNode(case, numbers[0], numbers[1], half)
        link.tell("node", f"This link names the node “{node[:80]}”; expected a layer and a token, e.g. 15:40.")
    return None


def _title(question: LikeDatapoint | AboutNode) -> str:
    if isinstance(question, LikeDatapoint):
        return f"Like {question.id}"
    return f"Node {_token_text(question.failure, question.token)}, layer {question.layer}"


def _token_text(case: Failure, token: int) -> str:
    try:
        tokens = encode_prompt(load_model(model_spec()), case.as_prompt()).tokens
    except ExplorerError:
        return str(token)
    return f"‘{visible(tokens[token].text)}’" if token < len(tokens) else str(token)


def _show_question(corpus: Corpus, question: Question) -> None:
    """Draw one line: the prompt and both answers, or what else is asked."""
    bar = {"prompt": "", "wrong": "", "right": "", "gap": "", "note": ""}
    match question:
        case AboutBehavior(name):
            items = corpus.behaviors[name]
            bar |= {"prompt": name, "wrong": items[0].answer, "right": items[0].other or ""}
            bar["note"] = f"and so on: {len(items)} prompts"
        case LikeDatapoint(name):
            row = corpus.row(row_number(corpus.table, name) or 0)
            bar["prompt"] = _title(question)
            bar["note"] = f"{row['prompt']} ⏎ {row.get('response') or row.get('chosen') or ''}"[:160]
        case AboutFailure(failure) | AboutNode(failure):
            bar |= {"prompt": failure.prompt[:160], "wrong": failure.wrong, "right": failure.right}
            if isinstance(question, AboutNode):
                bar["note"] = _title(question)
    answers = question.failure if isinstance(question, AboutFailure | AboutNode) else None
    texts = {name: " ".join(text.split()) for name, text in bar.items()}
    case_bar(key="question-bar", data=texts | {"answers_below": answers is not None})
    if answers:
        answers_row(answers)


def _layer_names(corpus: Corpus, index: Index, method: Method) -> dict[int, str]:
    """Layer → its number, and which rules would choose it."""
    manifest = index.manifest
    best = best_layer(saved_evaluation(corpus.study), method, manifest.checkpoint, manifest.layers)
    rules = [("RepT's rule", manifest.notes.get("rept_layer")), ("best on labels", best)]
    return {x: " · ".join([str(x), *(rule for rule, layer in rules if layer == x)]) for x in manifest.layers}


def _pick_query(corpus: Corpus, question: Question, method: Method) -> str:
    if isinstance(question, LikeDatapoint):
        return link.select("Look for", "query", {"bad": "This datapoint"}, "bad", disabled=True, help=LIKE_HELP)
    named = isinstance(question, AboutBehavior)
    items = corpus.behaviors[question.name] if named else question_items(corpus.study, question)
    contrasting = all(item.other is not None for item in items)
    options = {name: KINDS[name] for name in QUERIES if contrasting or name != "contrast"}
    help = "\n\n".join(
        ["The query: what every datapoint is compared with.", *(f"**{KINDS[n]}**: {QUERIES[n]}" for n in options)]
    )
    if takes_direction(method) and not any(item.prompt.raw for item in items):
        options |= {name: KINDS[name] for name in DIRECTIONS}
        help += "".join(f"\n\n**{KINDS[name]}**: {about}" for name, about in SYSTEMS_HELP.items())
    default = method.query if method.query in options else "bad"
    return link.select("Look for", "query", options, default, disabled=not method.parts, help=help, then=first_page)


def _pick_systems(corpus: Corpus, question: AboutBehavior | AboutFailure, query: str) -> Persona | Control:
    """Draw fields for both system prompts; the page stops here until they are there."""
    behavior = corpus.study.behavior(question.name) if isinstance(question, AboutBehavior) else []
    try:
        own = about_systems(query, behavior)
    except ExplorerError:
        own = None
    towards, away = own.systems if own else ("", NEUTRAL if query == "persona" else "")
    labels = {
        "persona": (("System prompt with the trait", "trait"), ("Neutral system prompt", "neutral")),
        "control": (("System prompt that asks for it", "asks"), ("System prompt that forbids it", "forbids")),
    }[query]
    left, right = st.columns(2)
    with left:
        example = "e.g. You flatter the user before you answer"
        towards = link.text(*labels[0], towards, help=SYSTEMS_HELP[query], placeholder=example)
    with right:
        away = link.text(*labels[1], away, help=SYSTEMS_HELP[query])
    if not towards.strip() or (query == "control" and not away.strip()):
        if link.is_read():
            raise ExplorerError("The link holds no system prompt that brings the behavior out.")
        st.info("Write a system prompt that brings the behavior out.", icon=":material/edit:")
        st.stop()
    return Persona(towards, away) if query == "persona" else Control(towards, away)


def _pick_for_node(corpus: Corpus, question: AboutNode, indexes: dict[str, Index], columns: list[Any]) -> Picked:
    """Draw what can be chosen for a graph node: which half of it, against which vectors, in which model."""
    with columns[1]:
        link.select("Compare its", "half", HALVES, "state", help=HALF_HELP, then=first_page)
    with columns[2]:
        index = pick_index(corpus.study, indexes, then=first_page)
    near = nearest_layer(index, question.layer) if index else question.layer
    with columns[3]:
        link.fixed("Layer", str(near), help=RULES_HELP)
    own = DIRECTION_METHODS[question.part]
    fitting = [name for name, method in METHODS.items() if takes_direction(method)]
    with columns[4]:
        method = pick_method([own, *(name for name in fitting if name != own)], then=first_page)
    with columns[5]:
        centre, measure = _pick_comparison(True, False)
    if index:
        other = f" The vectors have no layer {question.layer}; {near} is the nearest." if near != question.layer else ""
        text = plain(_token_text(question.failure, question.token))
        st.caption(
            f"**{HALVES[question.part]}** at this place ({text}, position {question.token}) in "
            f"{plain(index.manifest.checkpoint)}, where the vectors were made, as a direction, against every "
            f"datapoint's vectors of {plain(method)}.{other}"
        )
    return Picked(question, index, Choice(method, None, centre, measure=measure))
