"""What attention keeps of a text that was read, so that what begins alike need not be read again."""

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer


def kept_of(view: PreTrainedModel, windows: bool = False, **beginning: torch.Tensor) -> DynamicCache | None:
    """Read a beginning and return what is kept, if a part of it is what is kept of a shorter one.

    Returns None where it is not: where states are summed up, as in Mamba.

    Args:
        windows: also return that of sliding windows, which can only be gone on with as it is.
        beginning: one row, as ``input_ids`` or ``inputs_embeds``.
    """
    known = (DynamicLayer, DynamicSlidingWindowLayer) if windows else (DynamicLayer,)
    kept = getattr(view(**beginning, use_cache=True, logits_to_keep=1), "past_key_values", None)
    fits = isinstance(kept, DynamicCache) and all(type(layer) in known for layer in kept.layers)
    return kept if fits else None
