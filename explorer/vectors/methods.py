"""The methods of training-data attribution: which parts of an index they compare, and how."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from explorer.errors import ExplorerError
from explorer.vectors.one_pass import PARTS

Blend = Literal["joined", "averaged"]
"""How several parts make one score: the cosine of the plain concatenation, or the mean of each part's own cosine."""
Query = Literal["bad", "contrast", "bank"]
QUERIES: dict[str, str] = {
    "bad": "Mean of the normalised vectors of the bad answers.",
    "contrast": "Mean of the bad answers' vectors minus the good answers'; the state before the answer stays.",
    "bank": "Largest similarity to any single bad answer.",
}
"""Queries that are made of answers, and so of vectors of the same kind as the datapoints'."""
DIRECTIONS: dict[str, str] = {
    "persona": "How a trait's system prompt moves the states over the model's own answers.",
    "control": "How a system prompt that asks for the behavior moves the states over the bad answers, against one that "
    "forbids it.",
}
"""Queries that are a direction in the residual stream (``ranking/directions.py``)."""
MEASURES = {
    "cosine": "Cosine of query and datapoint.",
    "dot": "Their dot product: long vectors count for more.",
}


@dataclass(frozen=True)
class Method:
    """A way to score datapoints.

    Attributes:
        title: what it compares, in plain words; ``name`` is what links, commands and files say.
        parts: of an index; empty where it reads the texts alone.
        centre: its default, as ``query`` is.
    """

    name: str
    title: str
    about: str
    paper: str
    parts: tuple[str, ...] = ()
    blend: Blend = "joined"
    centre: bool = False
    query: Query = "bad"


REPT = "RepT, arXiv 2510.02334"
CHANGE = "Scalable Gradient-Based Attribution of LLM Behaviors"
PROBE = "Probe-Based Data Attribution, arXiv 2602.11079"
_ALL = (
    Method(
        "explorer",
        "Topic and lesson",
        "Mean of two centred cosines: the state before the answer (which topic) and residual-change (which lesson).",
        "ours; docs/training-data.md says how it was chosen",
        ("state", "change"),
        "averaged",
        centre=True,
        query="contrast",
    ),
    Method(
        "rept",
        "State and gradient (RepT)",
        "State and loss gradient before the answer, joined as published.",
        REPT,
        ("state", "gradient"),
    ),
    Method(
        "rept-halves",
        "State and gradient, equal",
        "The same with each half normalised, so that the short gradient counts as much as the long state.",
        REPT,
        ("state", "gradient"),
        "averaged",
    ),
    Method(
        "representation", "State alone (topic)", "State before the answer alone: finds the topic.", REPT, ("state",)
    ),
    Method(
        "gradient",
        "Gradient alone (lesson)",
        "Loss gradient before the answer alone: finds the lesson.",
        REPT,
        ("gradient",),
    ),
    Method(
        "residual-change",
        "Change by training on it",
        "First-order change of the layer's output that training on the example makes.",
        CHANGE,
        ("change",),
        query="contrast",
    ),
    Method(
        "residual-change-outer",
        "Change, as printed",
        "The same with token means, as printed in the paper.",
        CHANGE,
        ("outer",),
        query="contrast",
    ),
    Method(
        "activation-difference",
        "Chosen − rejected state",
        "Mean state over the chosen answer minus the rejected one; a single answer stands for itself.",
        PROBE,
        ("activation",),
        centre=True,
        query="contrast",
    ),
    Method(
        "lora-gradient",
        "LoRA gradient (like LESS)",
        "Baseline: cosine of the loss gradients of a fresh LoRA in this one layer, randomly projected.",
        "like LESS, arXiv 2402.04333, at one checkpoint and without Adam's preconditioning; TracIn, arXiv 2002.08484, "
        "would take the unnormalised dot product, summed over checkpoints",
        ("lora",),
    ),
    Method("bm25", "Words in common (BM25)", "Baseline: words in common, no model.", "Robertson and Zaragoza, 2009"),
    Method(
        "length",
        "Length of the answer",
        "Baseline: answers as long as the bad ones, no model and no words.",
        "none; squared log ratio of lengths",
    ),
    Method("random", "Random order", "Baseline: a seeded shuffle.", "none"),
)
METHODS: dict[str, Method] = {method.name: method for method in _ALL}


def method_named(name: str) -> Method:
    """Return a method; raises ExplorerError for an unknown name."""
    if name not in METHODS:
        raise ExplorerError(f"Method '{name}' is unknown; expected one of {', '.join(METHODS)}.")
    return METHODS[name]


DEFAULT_PARTS = tuple(part for part in PARTS if part != "lora")
"""Parts that a build makes unless told otherwise: those that fall out of the default method's own pass."""


def parts_of(names: Sequence[str]) -> tuple[str, ...]:
    """Return the stored parts that some methods need; raises ExplorerError.

    No name: ``DEFAULT_PARTS``. ``all``: those of every method, the baseline ``lora-gradient`` too, which takes longer.
    """
    if not names:
        return DEFAULT_PARTS
    needed = {part for name in (METHODS if "all" in names else names) for part in method_named(name).parts}
    return tuple(part for part in PARTS if part in needed)
