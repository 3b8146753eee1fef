"""The pickers of a new repair: behavior, what to edit and how, how many, how much training. All of it in the link."""

from dataclasses import dataclass

import streamlit as st

from explorer.errors import ExplorerError
from explorer.ranking.rank import Choice
from explorer.repair.checks import held_out, measurable
from explorer.repair.plan import DROP, EDITS, REPLACE, SMALL, SWAP
from explorer.repair.stages import DPO, Stage
from explorer.ui.basket import basket
from explorer.ui.link_old import linked_select
from explorer.ui.repair.state import SIZES
from explorer.ui.session import current_case, put_query
from explorer.ui.training_data.bar import STAGE
from explorer.ui.training_data.state import Corpus, stage_words
from explorer.vectors.index import Index
from explorer.vectors.methods import METHODS, QUERIES

NAMES = {DROP: "Drop", SWAP: "Swap", REPLACE: "Replace"}
K_HELP = "How many datapoints of the top are edited. Several numbers with commas between give a dose curve."
SIZE_HELP = (
    f"**Small**: {SMALL:.0%} of the stage's rows, one seed, without the bottom arm; sooner done and less sure. "
    "**Full**: all rows, three seeds, all four arms."
)
TRAIN_HELP = "The stage of training whose rows are edited and which is repeated. Auto: where most of the top is."


@dataclass(frozen=True)
class Source:
    """Which datapoints: the top of a ranking (``chosen`` is empty) or those of the basket."""

    behavior: str
    index: Index | None
    choice: Choice
    chosen: tuple[str, ...]
    by: str


def source_pickers(of: Corpus, indexes: dict[str, Index], measured: bool) -> Source:
    """First row: the behavior, and what is edited. ``measured``: only behaviors with held-out prompts will do.

    Raises ExplorerError where there is none.
    """
    columns = st.columns([1.6, 1.7, 1.3, 1.2, 1.1], gap="small", vertical_alignment="bottom")
    ticked = tuple(basket(of.study.folder))
    with columns[0]:
        behavior = _behavior(of, measured)
    with columns[1]:
        in_basket = f"Basket: {len(ticked)} datapoint{'s' if len(ticked) != 1 else ''}"
        by = linked_select("Edit the", "by", {"ranking": "Top of a ranking", "basket": in_basket}, "ranking")
    if by == "basket":
        return Source(behavior, None, Choice(), ticked, by)
    offered = [name for name, method in METHODS.items() if indexes or not method.parts]
    with columns[2]:
        usual = "explorer" if indexes else "bm25"
        method = linked_select("Method", "method", {name: name for name in offered}, usual, then=_usual_settings)
    words = stage_words(of.study)
    names = {n: words[i.manifest.checkpoint] + n.removeprefix(i.manifest.checkpoint) for n, i in indexes.items()}
    names = names or {"": "not built"}
    by_text = not METHODS[method].parts
    with columns[3]:
        at = linked_select("Vectors in", "stage", names, next(iter(names)), disabled=by_text, help=STAGE)
    index = None if by_text else indexes[at]
    with columns[4]:
        made = index.manifest if index else None
        layers = {"auto": f"Auto ({made.default_layer})"} if made else {"auto": "None"}
        layers |= {str(layer): str(layer) for layer in made.layers} if made else {}
        layer = linked_select("Layer", "layer", layers, "auto", disabled=by_text)
    centre = {"1": True, "0": False}.get(st.query_params.get("centre", ""))
    query = st.query_params.get("query")
    choice = Choice(method, None if layer == "auto" else int(layer), centre, query if query in QUERIES else None)
    return Source(behavior, index, choice, (), by)


def _behavior(of: Corpus, measured: bool) -> str:
    """A behavior; one that the link asks for is taken even where it can't be measured, so that this is said."""
    known, asked = list(of.behaviors), st.query_params.get("behavior")
    fit = measurable(of.study) if measured else known
    if not fit and measured:
        held_out(of.study, known[0] if known else "")  # says what is missing
    if not fit:
        raise ExplorerError(f"{of.study.folder}: no behavior to rank for; expected some in behaviors.jsonl.")
    options = [*fit, asked] if asked in known and asked not in fit else fit
    case = current_case().prompt
    its = (b.name for b in of.study.behaviors() if b.prompt == case and b.name in options)
    return linked_select("Behavior", "behavior", {name: name for name in options}, next(its, options[0]))


def how_many() -> tuple[int, ...]:
    """The k of the dose curve. Raises ExplorerError for what is no number."""
    said = st.query_params.get("top", "50")
    st.session_state["repair-top"] = said
    st.text_input("How many (k)", key="repair-top", help=K_HELP, on_change=_take_top)
    try:
        return tuple(sorted({int(part) for part in said.split(",") if part.strip()}))
    except ValueError:
        raise ExplorerError(f"k is '{said[:40]}'; expected whole numbers, such as 50 or 25,50,100.") from None


def _take_top() -> None:
    said = st.session_state["repair-top"].strip()
    put_query(top=None if said in ("", "50") else said)


def edit_picker(edits: list[str]) -> str:
    """Drop, or what else applies to the stage."""
    about = "\n\n".join(f"**{NAMES[edit]}**: {EDITS[edit]}" for edit in edits)
    return linked_select("Edit", "edit", {edit: NAMES[edit] for edit in edits}, edits[0], help=about)


def edits_of(stage: Stage) -> list[str]:
    """The edits that apply to a stage's rows."""
    return [DROP, SWAP if stage.kind == DPO else REPLACE]


def stage_picker(stages: dict[str, Stage]) -> str | None:
    """The stage to repeat; None: where most of the top is."""
    options = {"": "Auto", **{name: f"{name} ({stage.kind.upper()})" for name, stage in stages.items()}}
    return linked_select("Stage to repeat", "train", options, "", help=TRAIN_HELP) or None


def size_picker() -> str:
    """Small or full."""
    return linked_select("Training", "size", SIZES, "small", help=SIZE_HELP)


def _usual_settings() -> None:
    put_query(centre=None, query=None)
