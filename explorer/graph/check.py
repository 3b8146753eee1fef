"""Can a model's graph be drawn? Its edges, read off the attention, against what back-propagation through a block gives.

A map needs rules for everything that a block computes; the edges need more: that a block moves relevance between tokens
by one attention alone, whose keys and values come from its own input. What mixes tokens beside it (a convolution, a
state space, keys of another block) shows here, whatever its code looks like.
"""

import torch
from transformers import PreTrainedModel

from explorer.errors import UncoveredModel, first_line
from explorer.graph.edges import edge_matrix
from explorer.graph.replay import skip_edges
from explorer.model.coverage_memory import once_per_architecture
from explorer.model.load import LoadedModel
from explorer.model.lrp import view_state
from explorer.model.residual import decoder_blocks
from explorer.trace.trace import Trace, trace_ids

TOLERANCE, COARSE_TOLERANCE = 1e-3, 0.1
"""Largest accepted relative difference of a token's edges; the coarse one for 16-bit weights."""
_TOKENS = 12


def check_graph(loaded: LoadedModel, rule: str) -> None:
    """Raise UncoveredModel where a model's maps work, but its edges can't be computed.

    Looked at once a view, and only for ``attnlrp`` and ``cplrp``: other rules have no edges.
    """
    if rule not in ("attnlrp", "cplrp"):
        return
    view = loaded.view(rule)
    state = view_state(view)
    if state.has_edges:
        return
    try:
        once_per_architecture(loaded.model, lambda: _check(view), f"edges {rule}")
    except UncoveredModel as error:
        raise UncoveredModel(f"{type(loaded.model).__name__} has no graph, only maps work: {error}") from error
    state.has_edges = True


def _check(view: PreTrainedModel) -> None:
    vocabulary = view.config.get_text_config().vocab_size
    ids = torch.randint(vocabulary, (_TOKENS,), generator=torch.Generator().manual_seed(0)).tolist()
    trace, seen = trace_ids(view, ids, 0, 1, record=True), set()
    for layer, block in enumerate(decoder_blocks(view)):
        kind = (type(block), tuple((name, p.shape) for name, p in block.named_parameters()))
        if kind in seen:
            continue
        seen.add(kind)
        try:
            difference = _difference(view, trace, layer)
        except UncoveredModel:
            raise
        except Exception as error:  # an exotic family can fail in any way
            raise UncoveredModel(f"reading its edges failed ({first_line(error, 120)}).") from error
        if not difference <= (TOLERANCE if view.dtype.itemsize >= 4 else COARSE_TOLERANCE):
            raise UncoveredModel(
                f"its {type(block).__name__} moves relevance between tokens by more than one attention "
                f"(its edges differ by {difference:.1%} from those of back-propagation)."
            )


def _difference(view: PreTrainedModel, trace: Trace, layer: int) -> float:
    """|edges − back-propagated ones| / |the latter| of the last token, 0 where neither has any."""
    last = len(trace.ids) - 1
    edges = edge_matrix(view, trace, layer)[last].double().cpu()
    truth = torch.as_tensor(skip_edges(view, trace, layer, layer + 1, [last])[0]).double()
    edges, truth = edges[:last], truth[:last]  # its edge to itself is what is left over
    return ((edges - truth).norm() / truth.norm().clamp_min(1e-30)).item() if edges.norm() or truth.norm() else 0.0
