"""Questions that are a direction in the residual stream, which every method's vectors can be compared with.

A direction d at layer l says how the model's states should move. ``SIGNS`` is the one table of what it is compared
with: a datapoint's states and its residual-change move along d themselves; its loss gradient g moves the states along
−g in training. A LoRA gradient lives in another space and has no direction.

Persona vectors (Chen et al. 2025, arXiv 2507.21509) contrast system prompts that bring a trait out with others that do
not, and compare the mean residual stream over the model's own answers under each. A control message does the same with
the behavior's own bad answers, under a system prompt that asks for the behavior and one that forbids it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from explorer.data.behaviors import BehaviorPrompt
from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.model.generate import answers
from explorer.model.load import LoadedModel
from explorer.model.prompts import encode_prompt
from explorer.progress import Progress, silent
from explorer.ranking.scores import Target, query_means
from explorer.trace.contrast import make_contrast
from explorer.trace.trace import trace_ids
from explorer.vectors.index import SINGLE, UNRANKED, Index
from explorer.vectors.items import Item, item_vectors
from explorer.vectors.methods import Method

SIGNS = {"state": 1.0, "gradient": -1.0, "change": 1.0, "outer": 1.0, "activation": 1.0}
"""Part of the stored vectors → the sign with which a direction is compared with it."""
NEUTRAL = "You are a helpful assistant."


@dataclass(frozen=True)
class Persona:
    """A system prompt that brings a trait out, and one that does not; the model answers the prompts under both."""

    trait: str
    neutral: str = NEUTRAL
    name = "persona"

    @property
    def systems(self) -> tuple[str, str]:
        """The system prompt towards the behavior, and the one away from it."""
        return self.trait, self.neutral


@dataclass(frozen=True)
class Control:
    """A system prompt that asks for the behavior, and one that forbids it; the bad answers are read under both."""

    asks: str
    forbids: str
    name = "control"

    @property
    def systems(self) -> tuple[str, str]:
        """The system prompt towards the behavior, and the one away from it."""
        return self.asks, self.forbids


def about_systems(
    query: str | None,
    behavior: Sequence[BehaviorPrompt] = (),
    *,
    trait: str | None = None,
    neutral: str | None = None,
    asks: str | None = None,
    forbids: str | None = None,
) -> Persona | Control | None:
    """Return the system prompts of a query ``persona`` or ``control``; None for another query.

    What is not given is taken from the behavior's own ``asks`` and ``forbids``. Raises ExplorerError where none is
    given, or given for another query.
    """
    told = {"persona": {"trait": trait, "neutral": neutral}, "control": {"asks": asks, "forbids": forbids}}
    for name, systems in told.items():
        if query != name and (given := [field for field, text in systems.items() if text is not None]):
            raise ExplorerError(f"{' and '.join(given)}: a system prompt of the query {name}, not of {query}.")
    own_asks, own_forbids = (next((getattr(b, f) for b in behavior if getattr(b, f)), "") for f in ("asks", "forbids"))
    if query == "persona":
        if not (trait := trait or own_asks):
            raise ExplorerError("A persona needs a system prompt that brings the trait out; expected a trait.")
        return Persona(trait, NEUTRAL if neutral is None else neutral)
    if query == "control":
        asks, forbids = asks or own_asks, forbids if forbids is not None else own_forbids
        if not asks or not forbids:
            raise ExplorerError("A control needs a system prompt that asks for the behavior, and one that forbids it.")
        return Control(asks, forbids)
    return None


def takes_direction(method: Method) -> bool:
    """Whether a direction can be compared with the method's vectors."""
    return bool(method.parts) and set(method.parts) <= set(SIGNS)


def check_direction(method: Method) -> None:
    """Raise ExplorerError for a method whose vectors no direction can be compared with."""
    if not takes_direction(method):
        raise ExplorerError(
            f"Method '{method.name}' does not fit this question, which is a direction in the residual stream; "
            "expected a method whose vectors lie there."
        )


def direction_target(direction: Tensor, method: Method, layer: int) -> Target:
    """Return the query for m directions (m, width) at a layer. Directions have no corpus mean to be subtracted."""
    check_direction(method)
    vectors = {f"{part}.{layer}": SIGNS[part] * direction for part in method.parts}
    return Target(vectors, torch.full((len(direction),), UNRANKED, dtype=torch.uint8))


def system_items(
    loaded: LoadedModel,
    items: Sequence[Item],
    about: Persona | Control,
    max_tokens: int,
    progress: Progress = silent,
) -> list[Item]:
    """Return n items under both system prompts of ``about``, which replace their own: n towards, then n away.

    Of a persona the answers are the model's own, at most ``max_tokens`` long. Raises ExplorerError for an empty system
    prompt towards the behavior and for raw prompts, which have none.
    """
    if not about.systems[0].strip() or any(item.prompt.raw for item in items):
        raise ExplorerError(f"A {about.name} needs a system prompt, and a study with a chat template.")
    prompts = [replace(item.prompt, system=system or None) for system in about.systems for item in items]
    if isinstance(about, Persona):
        texts = answers(loaded, prompts, max_tokens, progress=progress)
    else:
        texts = [item.answer for item in items] * 2
    return [Item(prompt, text, ended=False) for prompt, text in zip(prompts, texts, strict=True)]


def system_directions(loaded: LoadedModel, answered: Sequence[Item], layers: Sequence[int]) -> dict[int, Tensor]:
    """Return ā towards the behavior minus ā away from it, (m, width) a layer, of the m ≤ n prompts answered under both.

    ``answered``: 2n items, from ``system_items``. ā: mean residual stream after the layer's block over the answer's
    tokens. Raises ExplorerError where no prompt is answered under both.
    """
    vectors, kinds = item_vectors(loaded, answered, layers, ["activation"])
    n = len(answered) // 2
    both = (kinds[:n] != UNRANKED) & (kinds[n:] != UNRANKED)
    if not both.any():
        raise ExplorerError("Nothing to look for: the model answers no prompt under both system prompts.")
    states = {layer: vectors[f"activation.{layer}"] for layer in layers}
    return {layer: (x[:n] - x[n:])[both] for layer, x in states.items()}


def node_direction(loaded: LoadedModel, index: Index, failure: Failure, layer: int, token: int, part: str) -> Tensor:
    """Return (1, width) a graph node's ``state`` less the corpus mean of states, or ``gradient``, ∂Δℓ/∂H there.

    Raises ExplorerError where the prompt has no such token or the model no such layer.
    """
    encoded = encode_prompt(loaded, failure.as_prompt())
    contrast = make_contrast(loaded, encoded, failure.wrong, failure.right, failure.place)
    if not (0 <= layer <= loaded.n_layers and 0 <= token < len(contrast.ids)):
        raise ExplorerError(f"No node at layer {layer}, token {token}; the prompt has {len(contrast.ids)} tokens.")
    trace = trace_ids(loaded.view("gradient"), contrast.ids, contrast.target, contrast.foil, record=True)
    assert trace.passes is not None
    if part == "gradient":
        return trace.passes.gradients[layer][token][None].float().cpu()
    state = trace.passes.states[layer][token].float().cpu()
    means = query_means(index, "state", layer, torch.tensor([SINGLE])) if "state" in index.manifest.parts else 0
    return state[None] - means
