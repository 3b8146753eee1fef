"""Ablation against runs of the plain model with hooks of the test's own."""

import re

import numpy as np
import pytest
import torch

from explorer.errors import ExplorerError
from explorer.graph.ablate import ablate, gaps_without
from tests.graph.tiny import FOIL, TARGET, tiny
from tests.model.families import FAMILIES, random_ids, tiny_model

CONTRAST = (TARGET, FOIL)
HOW = ("mean", "zero")


def blocks_of(model) -> torch.nn.ModuleList:
    (blocks,) = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == 3]
    return blocks


def by_hand(family: str, nodes: list[tuple[int, int]], how: str) -> float:
    """The gap of the plain model: every block's input, and what enters the final norm, edited before it is read."""
    model = tiny_model(family)
    blocks = list(blocks_of(model))
    base = model.base_model
    norm = next(getattr(base, name) for name in ("norm", "ln_f", "final_layer_norm") if hasattr(base, name))
    layers = dict(zip([*blocks, norm], range(4), strict=True))

    def edit(module, args, named):
        x = (args[0] if args else named["hidden_states"]).clone()
        instead = torch.zeros_like(x[:, 0]) if how == "zero" else x.mean(1)
        for layer, token in nodes:
            if layer == layers[module]:
                x[:, token] = instead
        return ((x, *args[1:]), named) if args else (args, {**named, "hidden_states": x})

    for module in layers:
        module.register_forward_pre_hook(edit, with_kwargs=True)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([random_ids(12, seed=0)]), use_cache=False).logits[0, -1]
    return float(logits[TARGET] - logits[FOIL])


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("family", FAMILIES)
def test_against_hooks_on_the_plain_model(family, how):
    graph = tiny(family)
    for nodes in ([(0, 0)], [(1, 4), (1, 5)], [(2, 11)], [(0, 3), (1, 3), (2, 8), (3, 11)]):
        result = ablate(graph.view, graph.trace, CONTRAST, nodes, how)
        assert result.after == pytest.approx(by_hand(family, nodes, how), rel=1e-5, abs=1e-5)
        assert result.before == graph.trace.gap


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_is_left_as_it_was(family):
    graph = tiny(family)
    ablate(graph.view, graph.trace, CONTRAST, [(0, 1), (3, 2)])
    hooks = [m for m in graph.view.modules() if m._forward_hooks or m._forward_pre_hooks]
    fresh = tiny_model(family)
    assert len(hooks) <= len([m for m in fresh.modules() if m._forward_hooks or m._forward_pre_hooks])
    assert by_hand(family, [], "zero") == pytest.approx(graph.trace.gap, rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_of_zeros_leaves_what_the_head_says_of_zeros(family):
    graph = tiny(family)
    result = ablate(graph.view, graph.trace, CONTRAST, [(3, token) for token in range(12)], "zero")
    model = tiny_model(family)
    base = model.base_model
    norm = next(getattr(base, name) for name in ("norm", "ln_f", "final_layer_norm") if hasattr(base, name))
    head = model.get_output_embeddings()
    assert head
    with torch.no_grad():
        logits = head(norm(torch.zeros(1, 1, 32, dtype=torch.float64)))[0, 0]
    assert result.after == pytest.approx(float(logits[TARGET] - logits[FOIL]), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("how", HOW)
def test_a_node_that_nothing_reads_changes_nothing(how):
    graph = tiny()
    result = ablate(graph.view, graph.trace, CONTRAST, [(3, 0)], how)
    assert result.after == pytest.approx(result.before, rel=1e-6)
    assert result.predicted == pytest.approx(result.before, rel=1e-9)


def test_the_prediction_takes_each_nodes_relevance_away_once():
    graph = tiny()
    nodes = [(1, 4), (2, 7), (1, 4)]
    wanted = graph.trace.gap - graph.trace.relevance[1, 4] - graph.trace.relevance[2, 7]
    result = ablate(graph.view, graph.trace, CONTRAST, nodes, "zero")
    assert result.predicted == pytest.approx(float(wanted), rel=1e-9)


def test_the_prediction_for_the_mean_is_first_order():
    graph = tiny()
    passes = graph.trace.passes
    assert passes
    x, g = passes.states[2], passes.gradients[2]
    wanted = graph.trace.gap + (g[7] * (x.mean(0) - x[7])).sum().item()
    result = ablate(graph.view, graph.trace, CONTRAST, [(2, 7)], "mean")
    assert result.predicted == pytest.approx(wanted, rel=1e-9)


def test_zero_of_the_last_state_is_predicted_exactly_by_cplrp_without_biases():
    graph = tiny(rule="cplrp", bias_free=True)
    result = ablate(graph.view, graph.trace, CONTRAST, [graph.contrast], "zero")
    assert result.predicted == pytest.approx(result.after, abs=1e-6)
    assert np.isclose(result.after, 0)


@pytest.mark.parametrize("nodes", ([], [(4, 0)], [(-1, 0)], [(0, 12)], [(0, -1)], [(1, 1), (0, 99)]))
def test_no_node_and_nodes_that_do_not_exist_are_refused(nodes):
    graph = tiny()
    with pytest.raises(ExplorerError, match="There is no node" if nodes else "select at least one node"):
        ablate(graph.view, graph.trace, CONTRAST, nodes)


@pytest.mark.parametrize("how", HOW)
def test_the_sentence_leads_from_relevance_to_measurement(how):
    graph = tiny()
    for nodes in ([(1, 4)], [(1, 4), (2, 7), (1, 4)]):
        result = ablate(graph.view, graph.trace, CONTRAST, nodes, how)
        relevance = sum(float(graph.trace.relevance[node]) for node in set(nodes))
        assert result.relevance == pytest.approx(relevance, rel=1e-6)
        assert result.predicted_change == pytest.approx(result.replacement - relevance, rel=1e-6)
        assert result.difference == pytest.approx((result.after - graph.trace.gap) - result.predicted_change, abs=1e-9)
        assert result.replacement == 0 or how == "mean"
        shown = [float(text.rstrip(".")) for text in re.findall(r"(?<![\w.])[+-]\d+\.\d\d", str(result))]
        put_in = [result.replacement] if how == "mean" else []
        figures = [relevance, *put_in, result.predicted_change, result.measured_change, result.before, result.after]
        assert shown == pytest.approx([*figures, result.difference], abs=0.0051)
        assert ("counted in both" in str(result)) == (result.nodes == 2)


def test_unknown_replacements_are_refused():
    with pytest.raises(ExplorerError, match="expected mean or zero"):
        ablate(tiny().view, tiny().trace, CONTRAST, [(1, 1)], "median")  # type: ignore


@pytest.mark.parametrize("how", HOW)
def test_many_sets_in_one_pass_are_each_as_alone(how):
    graph = tiny("llama")
    sets = [[(0, 0)], [(1, 4), (1, 5)], [(0, 3), (1, 3), (2, 8), (3, 11)], [(2, 11)]]
    alone = [ablate(graph.view, graph.trace, CONTRAST, nodes, how).after for nodes in sets]
    assert gaps_without(graph.view, graph.trace, CONTRAST, sets, how) == pytest.approx(alone, rel=1e-5, abs=1e-5)
