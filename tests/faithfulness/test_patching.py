"""Patching against runs of the plain model, one at a time in float64, with hooks of the test's own."""

from collections.abc import Collection
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from explorer.errors import ExplorerError
from explorer.faithfulness import patching
from explorer.faithfulness.operators import MaskedPrompt
from explorer.faithfulness.patching import CULPRITS, estimated_effects, patch_effects, reference_run
from explorer.model.load import LoadedModel
from explorer.model.lrp import lrp_view
from tests.graph.tiny import FOIL, TARGET, Tiny, explanation, tiny
from tests.model.families import FAMILIES, tiny_model

CONTRAST = (TARGET, FOIL)
BANNED = (7, 11)
MUTABLE = range(2, 11)


class Loaded:
    """What ``MaskedPrompt`` needs of a loaded model, of a tiny one."""

    max_tokens, spec = None, SimpleNamespace(title="tiny")

    def __init__(self, family: str) -> None:
        self.model = tiny_model(family)
        self.tokenizer = SimpleNamespace(all_special_ids=list(BANNED), bos_token_id=1, eos_token_id=2)

    def view(self, rule: str, _tokens: int) -> PreTrainedModel:
        return lrp_view(self.model, rule)


def prompt_of(graph: Tiny, mutable: Collection[int] = MUTABLE, family: str = "llama") -> MaskedPrompt:
    """The tiny trace's prompt, of which some tokens may be replaced."""
    about = explanation(graph)
    segments = ["user" if token.index in mutable else "template" for token in about.contrast.tokens]
    tokens = tuple(replace(t, segment=s) for t, s in zip(about.contrast.tokens, segments, strict=True))
    return MaskedPrompt(
        cast(LoadedModel, Loaded(family)), replace(about, contrast=replace(about.contrast, tokens=tokens))
    )


def modules(model: PreTrainedModel) -> list[torch.nn.Module]:
    """The three blocks and the final norm: what reads the states of layers 0 to 3."""
    (blocks,) = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == 3]
    base = model.base_model
    return [*blocks, next(getattr(base, name) for name in ("norm", "ln_f", "final_layer_norm") if hasattr(base, name))]


class Plain:
    """The plain model on the tiny trace's tokens; states may be put in, and are seen as they are read."""

    def __init__(self, family: str) -> None:
        self.model, self.put, self.seen = tiny_model(family), {}, {}
        for layer, module in enumerate(modules(self.model)):
            module.register_forward_pre_hook(self._hook(layer), with_kwargs=True)
        table = self.model.get_input_embeddings()
        assert table
        self.table, self.instead = table, {}
        table.register_forward_hook(self._embed)

    def _hook(self, layer: int):
        def edit(_module, args, named):
            x = (args[0] if args else named["hidden_states"]).clone()
            for (at, token), state in self.put.items():
                if at == layer:
                    x[0, token] = state
            self.seen[layer] = x[0].clone()
            return ((x, *args[1:]), named) if args else (args, {**named, "hidden_states": x})

        return edit

    def _embed(self, _module, _args, output):
        output = output.clone()
        for token, embedding in self.instead.items():
            output[0, token] = embedding
        return output

    def run(self, ids, put=None, instead=None) -> float:
        """The gap; ``put``: states by (layer, token); ``instead``: embeddings by token."""
        self.put, self.instead = put or {}, instead or {}
        with torch.no_grad():
            logits = self.model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0]
        self.put, self.instead, self.logits = {}, {}, logits
        return float(logits[-1, TARGET] - logits[-1, FOIL])

    def replaced(self, ids, replacement: str) -> dict[int, torch.Tensor]:
        """What stands in the place of each token, looked up one token at a time."""
        with torch.no_grad():
            if replacement == "mean":
                rows = [self.table(torch.tensor([[id]]))[0, 0] for id in range(self.model.config.vocab_size)]
                return dict.fromkeys(MUTABLE, sum(rows) / len(rows))  # type: ignore
            self.run(ids)
            logits, instead = self.logits, {}
            for token in MUTABLE:
                order = logits[token - 1].argsort(descending=True).tolist()
                instead[token] = next(id for id in order if id not in (*BANNED, ids[token]))
            return {token: self.table(torch.tensor([[id]]))[0, 0] for token, id in instead.items()}


@pytest.mark.parametrize("replacement", ("mean", "likely"))
@pytest.mark.parametrize("family", FAMILIES)
def test_reference_and_effects_are_those_of_the_plain_model(family, replacement, monkeypatch):
    monkeypatch.setattr(patching, "SHORT_TOKENS", 36)  # three rows a pass
    graph, plain = tiny(family), Plain(family)
    ids = graph.trace.ids
    reference = reference_run(graph.view, graph.trace, CONTRAST, prompt_of(graph, family=family), replacement)
    instead = plain.replaced(ids, replacement)
    changes = {t: abs(plain.run(ids) - plain.run(ids, instead={t: instead[t]})) for t in MUTABLE}
    order = sorted(MUTABLE, key=lambda token: -changes[token])
    wanted = [token for token in order if changes[token] >= changes[order[0]] / 2][:CULPRITS]
    assert list(reference.culprits) == wanted
    assert reference.gap == pytest.approx(plain.run(ids, instead={t: instead[t] for t in wanted}), rel=1e-5, abs=1e-5)
    states = dict(plain.seen)
    for layer in range(4):
        torch.testing.assert_close(
            reference.states[layer], states[layer], rtol=1e-4, atol=1e-5
        )  # some norms are float32
    nodes = [(layer, token) for layer in (1, 3, 2) for token in (11, 4, 10, 7, 5)]
    effects = patch_effects(graph.view, graph.trace, CONTRAST, nodes, reference.states)
    by_hand = [plain.run(ids) - plain.run(ids, put={node: states[node[0]][node[1]]}) for node in nodes]
    np.testing.assert_allclose(effects, by_hand, rtol=1e-4, atol=1e-5)
    assert np.abs(effects).max() > 1e-3


def test_a_node_before_the_first_culprit_can_have_no_effect():
    graph = tiny()
    reference = reference_run(graph.view, graph.trace, CONTRAST, prompt_of(graph, range(6, 11)), "mean")
    nodes = [(1, 3), (2, 5), (3, 11)]
    before, inside, last = patch_effects(graph.view, graph.trace, CONTRAST, nodes, reference.states)
    assert before == pytest.approx(0, abs=1e-6)
    assert inside == pytest.approx(0, abs=1e-6)
    assert last == pytest.approx(
        graph.trace.gap - reference.gap, abs=1e-5
    )  # the whole difference, at the contrast's own node


@pytest.mark.parametrize("rule", ("attnlrp", "cplrp"))
def test_the_estimate_is_the_difference_of_states_along_the_rules_gradient(rule):
    graph = tiny(rule=rule)
    reference = reference_run(graph.view, graph.trace, CONTRAST, prompt_of(graph), "mean")
    passes = graph.trace.passes
    assert passes
    nodes = [(1, 4), (2, 9), (3, 11)]
    by_hand = [
        sum(
            float(
                passes.gradients[layer][token][d] * (passes.states[layer][token][d] - reference.states[layer][token][d])
            )
            for d in range(32)
        )
        for layer, token in nodes
    ]
    np.testing.assert_allclose(estimated_effects(graph.trace, nodes, reference.states), by_hand, rtol=1e-9)


def test_the_model_is_left_as_it_was():
    graph = tiny("gpt2")
    reference = reference_run(graph.view, graph.trace, CONTRAST, prompt_of(graph, family="gpt2"), "likely")
    patch_effects(graph.view, graph.trace, CONTRAST, [(2, 9)], reference.states)
    assert not [m for m in patching.decoder_blocks(graph.view) if m._forward_hooks or m._forward_pre_hooks]


def test_long_prompts_try_the_strongest_tokens_only(monkeypatch):
    graph = tiny()
    size = np.abs(graph.trace.relevance[0])
    monkeypatch.setattr(patching, "CANDIDATES", 2)
    reference = reference_run(graph.view, graph.trace, CONTRAST, prompt_of(graph), "mean")
    assert set(reference.culprits) <= set(sorted(MUTABLE, key=lambda token: -size[token])[:2])


def test_progress_may_end_the_work():
    graph, told = tiny(), []

    def stop(what: str, done: float = 0, total: float = 0, /) -> None:
        told.append((what, done, total))
        if len(told) == 2:
            raise KeyboardInterrupt

    states = graph.trace.passes.states  # type: ignore
    with pytest.raises(KeyboardInterrupt):
        patch_effects(graph.view, graph.trace, CONTRAST, [(1, 2), (2, 3), (3, 4)], states, stop)
    assert told == [("Patching the nodes", 0, 3), ("Patching the nodes", 1, 3)]


def test_what_can_t_be_replaced_is_told():
    graph = tiny()
    with pytest.raises(ExplorerError, match="no token of its own"):
        reference_run(graph.view, graph.trace, CONTRAST, prompt_of(graph, ()), "mean")
