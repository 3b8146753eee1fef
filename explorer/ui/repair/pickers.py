"""The pickers of a new repair: behavior, what to edit and how, how many, how much training. All of it in the link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import streamlit as st

from explorer.errors import ExplorerError
from explorer.ranking.rank import Choice
from explorer.repair.checks import held_out, measurable
from explorer.repair.plan import DROP, EDITS, PRESETS, REPLACE, SWAP
from explorer.repair.stages import Stage
from explorer.ui import link
from explorer.ui.basket import basket
from explorer.ui.corpus import Corpus
from explorer.ui.session import current_case
from explorer.ui.text import count
from explorer.ui.training_data.pickers import pick_index, pick_layer, pick_method
from explorer.vectors.index import Index
from explorer.vectors.methods import METHODS, QUERIES

EDIT_LABELS = {DROP: "Drop", SWAP: "Swap", REPLACE: "Replace"}
FIRST_K = "50"
K_HELP = "How many datapoints of the top are edited. Several numbers with commas between give a dose curve."
PRESET_HELP = (
    f"**Small**: {PRESETS['small'].summary()}; sooner done and less sure. **Full**: {PRESETS['full'].summary()}."
)
TRAIN_HELP = "The stage of training whose rows are edited and which is repeated. Auto: where most of the top is."


@dataclass(frozen=True)
class Source:
    """The datapoints to edit: the top of a ranking for the behavior, or the ``chosen`` ones of the basket."""

    behavior: str
    index: Index | None = None
    choice: Choice = field(default_factory=Choice)
    chosen: tuple[str, ...] = ()


def pick_source(corpus: Corpus, indexes: Mapping[str, Index], *, measured: bool) -> Source:
    """Draw the first row: the behavior, and what is edited. ``measured``: offer only behaviors with held-out prompts.

    Raises ExplorerError where there is no such behavior, or nothing in the basket that is asked for.
    """
    columns = st.columns([1.6, 1.7, 1.3, 1.2, 1.1], gap="small", vertical_alignment="bottom")
    ticked = tuple(basket(corpus.study.folder))
    with columns[0]:
        behavior = _pick_behavior(corpus, measured)
    with columns[1]:
        options = {"ranking": "Top of a ranking", "basket": f"Basket: {count(len(ticked), 'datapoint')}"}
        by = link.select("Edit the", "by", options, "ranking")
    if by == "basket":
        if not ticked:
            raise ExplorerError(
                "The basket is empty; tick datapoints on the Training data page, or edit the top of a ranking."
            )
        return Source(behavior, chosen=ticked)
    with columns[2]:
        offered = (name for name, method in METHODS.items() if indexes or not method.parts)
        method = pick_method(offered, then=lambda: link.put(centre=None, query=None))
    text_only = not METHODS[method].parts
    with columns[3]:
        index = pick_index(corpus.study, indexes, disabled=text_only)
    index = None if text_only else index
    with columns[4]:
        layer = pick_layer(index)
    centre = link.flag("centre") if link.has("centre") else None
    query = link.get("query")
    return Source(behavior, index, Choice(method, layer, centre, query if query in QUERIES else None))


def _pick_behavior(corpus: Corpus, measured: bool) -> str:
    """Draw the behaviors. The linked one is offered even where it can't be measured, so that this is said."""
    names, linked = list(corpus.behaviors), link.get("behavior")
    fitting = measurable(corpus.study) if measured else names
    if not fitting and measured:
        held_out(corpus.study, names[0] if names else "")  # says what is missing
    if not fitting:
        raise ExplorerError(f"{corpus.study.folder}: no behavior to rank for; expected some in behaviors.jsonl.")
    options = [*fitting, linked] if linked in names and linked not in fitting else fitting
    prompt = current_case().prompt
    of_case = (b.name for b in corpus.study.behaviors() if b.prompt == prompt and b.name in options)
    return link.select("Behavior", "behavior", {name: name for name in options}, next(of_case, options[0]))


def pick_ks() -> tuple[int, ...]:
    """Draw the field for the sizes of the edit. Raises ExplorerError for what is no number."""
    text = link.text("How many (k)", "top", FIRST_K, help=K_HELP, then=_default_if_empty)
    try:
        return tuple(sorted({int(part) for part in text.split(",") if part.strip()}))
    except ValueError:
        raise ExplorerError(f"k is '{text[:40]}'; expected whole numbers, such as 50 or 25,50,100.") from None


def _default_if_empty() -> None:
    if not link.get("top").strip():
        link.put(top=None)


def pick_edit(edits: Sequence[str]) -> str:
    """Draw the edits that apply; the first is the default."""
    help = "\n\n".join(f"**{EDIT_LABELS[edit]}**: {EDITS[edit]}" for edit in edits)
    return link.select("Edit", "edit", {edit: EDIT_LABELS[edit] for edit in edits}, edits[0], help=help)


def pick_train(stages: Mapping[str, Stage]) -> str | None:
    """Draw the stages to repeat; None: where most of the top is."""
    options = {"": "Auto", **{name: f"{name} ({stage.kind.upper()})" for name, stage in stages.items()}}
    return link.select("Stage to repeat", "train", options, "", help=TRAIN_HELP) or None


def pick_preset() -> str:
    """Draw the presets."""
    options = {name: f"{name.capitalize()}: {preset.short}" for name, preset in PRESETS.items()}
    return link.select("Training", "size", options, "small", help=PRESET_HELP)
