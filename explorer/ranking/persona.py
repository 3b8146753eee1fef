"""Persona vectors as a query: how a trait's system prompt moves the states over the model's own answers.

Persona vectors (Chen et al. 2025) contrast system prompts that bring a trait out with others that do not, and compare
the mean residual stream over the answers under each. Here the prompts are a behavior's own, and the answers greedy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.generate import answers
from explorer.model.load import LoadedModel, load_model
from explorer.progress import Progress, silent
from explorer.ranking.rank import Choice, Ranking, index_model, rank, settle
from explorer.ranking.scores import Target
from explorer.vectors.build import Item, check_index, item_vectors
from explorer.vectors.index import PAIR, UNRANKED, Index

PERSONA, METHOD = "persona", "activation-difference"
"""The name of this query, and the method that it is a query of."""
NEUTRAL = "You are a helpful assistant."


@dataclass(frozen=True)
class Persona:
    """A system prompt that brings a trait out, and one that does not; they replace the prompts' own."""

    trait: str
    neutral: str = NEUTRAL


def persona_items(
    loaded: LoadedModel, items: Sequence[Item], persona: Persona, progress: Progress = silent
) -> list[Item]:
    """The prompts of n items with the model's answers (at most 28 tokens): n under the trait, then n under neutral.

    Raises ExplorerError for an empty trait and for raw prompts, which have no system prompt.
    """
    if not persona.trait.strip() or any(item.prompt.raw for item in items):
        raise ExplorerError("A persona needs a system prompt with the trait, and a study with a chat template.")
    both = (persona.trait, persona.neutral)
    prompts = [replace(item.prompt, system=system or None) for system in both for item in items]
    made = answers(loaded, prompts, progress=progress)
    return [Item(prompt, answer) for prompt, answer in zip(prompts, made, strict=True)]


def persona_target(loaded: LoadedModel, answered: Sequence[Item], layer: int) -> Target:
    """ā under the trait minus ā under the neutral prompt, (m, width), of the prompts answered under both; m ≤ n.

    ``answered``: what ``persona_items`` made. ā: mean residual stream after block ``layer`` over the answer's tokens.
    """
    vectors, kinds = item_vectors(loaded, answered, [layer], ["activation"])
    n = len(answered) // 2
    both = (kinds[:n] != UNRANKED) & (kinds[n:] != UNRANKED)
    if not both.any():
        raise ExplorerError("Nothing to look for: the model answers no prompt under both system prompts.")
    name = f"activation.{layer}"
    moved = (vectors[name][:n] - vectors[name][n:])[both]
    return Target({name: moved}, kinds[:n][both].fill_(PAIR))


def rank_by_persona(
    study: Study, index: Index, answered: Sequence[Item], layer: int | None = None, centre: bool | None = None
) -> Ranking:
    """Score every datapoint by the mean of ``persona_target``, as activation-difference does by given answers.

    ``answered``: what ``persona_items`` made in the index's model.
    """
    choice = settle(Choice(METHOD, layer, centre, "contrast"), index, answered)[1]
    loaded = load_model(index_model(study, index))
    check_index(index, loaded)
    target = persona_target(loaded, answered, choice.layer or 0)
    return replace(rank(study, index, answered, choice, target), choice=replace(choice, query=PERSONA))
