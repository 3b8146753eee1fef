"""Persona vectors as a query: how a trait's system prompt moves the states over the model's own answers.

Persona vectors (Chen et al. 2025) contrast system prompts that bring a trait out with others that do not, and compare
the mean residual stream over the answers under each. Here the prompts are a behavior's own, and the answers greedy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from explorer.errors import ExplorerError
from explorer.model.generate import MAX_TOKENS, answers
from explorer.model.load import LoadedModel
from explorer.progress import Progress, silent
from explorer.ranking.scores import Target
from explorer.vectors.index import PAIR, UNRANKED
from explorer.vectors.items import Item, item_vectors

PERSONA, METHOD = "persona", "activation-difference"
"""The name of this query, and the method that it is a query of."""
NEUTRAL = "You are a helpful assistant."


@dataclass(frozen=True)
class Persona:
    """A system prompt that brings a trait out, and one that does not; they replace the prompts' own."""

    trait: str
    neutral: str = NEUTRAL


def persona_items(
    loaded: LoadedModel,
    items: Sequence[Item],
    persona: Persona,
    progress: Progress = silent,
    *,
    max_tokens: int = MAX_TOKENS,
) -> list[Item]:
    """Return the prompts of n items with the model's answers: n under the trait, n under neutral.

    Raises ExplorerError for an empty trait and for raw prompts, which have no system prompt.
    """
    if not persona.trait.strip() or any(item.prompt.raw for item in items):
        raise ExplorerError("A persona needs a system prompt with the trait, and a study with a chat template.")
    systems = (persona.trait, persona.neutral)
    prompts = [replace(item.prompt, system=system or None) for system in systems for item in items]
    texts = answers(loaded, prompts, max_tokens, progress=progress)
    return [Item(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]


def persona_target(loaded: LoadedModel, answered: Sequence[Item], layer: int) -> Target:
    """Return ā under the trait minus ā under the neutral prompt, (m, width), for the m ≤ n prompts answered under both.

    ``answered``: 2n items, from ``persona_items``. ā: mean residual stream after block ``layer`` over the answer's
    tokens. Raises ExplorerError where no prompt is answered under both.
    """
    vectors, kinds = item_vectors(loaded, answered, [layer], ["activation"])
    n = len(answered) // 2
    both = (kinds[:n] != UNRANKED) & (kinds[n:] != UNRANKED)
    if not both.any():
        raise ExplorerError("Nothing to look for: the model answers no prompt under both system prompts.")
    name = f"activation.{layer}"
    differences = (vectors[name][:n] - vectors[name][n:])[both]
    return Target({name: differences}, torch.full((len(differences),), PAIR, dtype=torch.uint8))
