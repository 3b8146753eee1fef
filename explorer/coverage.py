"""Does the LRP view cover every part of a model? Measured on a short forward and backward pass, not read off names."""

import torch
from torch import Tensor
from torch.func import functional_call
from transformers import PreTrainedModel

from explorer.residual import recorded_residual

TOLERANCE = {torch.float64: 1e-4, torch.float32: 1e-3}
"""Largest accepted share of the relevance that may go missing; other (16-bit) types: 0.05."""


def missing_share(view: PreTrainedModel) -> float:
    """Share of the logit gap that the CP-LRP relevance of embeddings and biases leaves out.

    With norms, gates and attention patterns held constant the model is linear in its embeddings and its biases
    together, so gap = Σ x·∂gap/∂x + Σ b·∂gap/∂b holds exactly (float64: ~1e-7 through transformers' own float32
    parts). A part without a rule breaks the equation.

    Args:
        view: a view with the rule ``cplrp``.

    Returns:
        |gap − Σ| / max(|gap|, Σ|relevance of a token|), unitless.
    """
    vocabulary = view.config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (1, 12), generator=generator).to(view.device)
    biases = {
        name: p.detach().clone().requires_grad_()
        for name, p in view.named_parameters()
        if name.rpartition(".")[2] == "bias"
    }
    with torch.enable_grad(), recorded_residual(view) as states:
        inputs = {"input_ids": ids, "use_cache": False}
        logits = functional_call(view, biases, kwargs=inputs).logits[0, -1]
        gap: Tensor = logits.max() - logits.min()
        sources = [states[0], *biases.values()]
        gradients = torch.autograd.grad(gap, sources, allow_unused=True)
    terms = [(x.double() * g.double()).detach() for x, g in zip(sources, gradients, strict=True) if g is not None]
    tokens = terms[0].sum(-1)
    total = tokens.sum() + sum(term.sum() for term in terms[1:])
    return ((gap.double() - total).abs() / torch.maximum(gap.double().abs(), tokens.abs().sum())).item()
