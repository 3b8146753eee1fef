"""What attention keeps of a text that was read, so that what begins alike need not be read again."""

from typing import Any

from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer


def plain(kept: Any, windows: bool = False) -> DynamicCache | None:
    """What a model kept of a text, if a part of it is what it keeps of a beginning; None where states are summed up.

    Args:
        windows: also take that of sliding windows, which can only be gone on with as it is.
    """
    known = (DynamicLayer, DynamicSlidingWindowLayer) if windows else (DynamicLayer,)
    fits = isinstance(kept, DynamicCache) and all(type(layer) in known for layer in kept.layers)
    return kept if fits else None
