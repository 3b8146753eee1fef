"""A graph is drawn only where its edges are those of back-propagation, whatever a block's code looks like."""

import pytest
import torch
from torch import Tensor

from explorer.data.failures import Failure
from explorer.errors import UncoveredModel
from explorer.graph.build import attribution_graph
from explorer.graph.check import check_graph
from explorer.model import coverage_memory
from explorer.model.lrp import view_state
from tests.model.families import FAMILIES
from tests.vectors.tiny import tiny_loaded


@pytest.fixture(autouse=True)
def own_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(coverage_memory, "folder", lambda: tmp_path / "coverage")


@pytest.mark.parametrize("rule", ("attnlrp", "cplrp"))
@pytest.mark.parametrize("family", FAMILIES)
def test_edges_of_covered_families_pass(family: str, rule: str) -> None:
    loaded = tiny_loaded(family, torch.float32)
    check_graph(loaded, rule)
    assert view_state(loaded.view(rule)).has_edges


def test_tokens_that_mix_beside_the_attention_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A linear mix, under which every map still adds up: only the edges miss it."""
    from transformers.models.llama.modeling_llama import LlamaMLP

    own = LlamaMLP.forward

    def mixing(self: LlamaMLP, x: Tensor) -> Tensor:
        return own(self, x) + 0.3 * torch.nn.functional.pad(x, (0, 0, 1, 0))[..., :-1, :]

    monkeypatch.setattr(LlamaMLP, "forward", mixing)
    loaded = tiny_loaded("llama", torch.float32)
    for rule in ("attnlrp", "cplrp"):
        with pytest.raises(UncoveredModel, match="moves relevance between tokens by more than one attention"):
            check_graph(loaded, rule)
    with pytest.raises(UncoveredModel, match="LlamaForCausalLM has no graph, only maps work"):
        attribution_graph(Failure("two and two", " four", " five", raw=True), loaded)


def test_rules_without_edges_are_not_looked_at() -> None:
    check_graph(tiny_loaded("bloom", torch.float32), "gradient")
