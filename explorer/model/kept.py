"""What attention keeps of a text that was read, so that what begins alike need not be read again."""

from typing import Any

from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


def plain(kept: Any) -> DynamicCache | None:
    """What a model kept, if a part of it is what it keeps of a beginning; else None.

    It is not for sliding windows, and where states are summed up.
    """
    is_plain = isinstance(kept, DynamicCache) and all(type(layer) is DynamicLayer for layer in kept.layers)
    return kept if is_plain else None
