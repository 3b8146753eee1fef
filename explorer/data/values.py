"""Cells of anybody's table: empty ones, and numbers as text."""

import json
import math
from typing import Any


def blank(value: Any) -> bool:
    """Whether a cell holds nothing: null, NaN, white space, no message."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value == [] or (isinstance(value, float) and math.isnan(value))


def as_text(value: Any) -> str | None:
    """Text as it is, a number or true/false as JSON writes it; None for anything else."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, int | float) else None
