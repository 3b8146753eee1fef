"""What is stored in bfloat16 ranks as what is not; whole numbers would not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.storage import PARTS, USED, compare
from explorer.model.prompts import Prompt
from explorer.vectors.items import Item, row_items
from tests.pages.data_study import data_rows
from tests.vectors.tiny import tiny_loaded


@pytest.mark.slow
def test_bfloat16_changes_no_average_precision_by_a_hundredth() -> None:
    """Neither of the default method nor of a single part; rounding to whole numbers does."""
    loaded = tiny_loaded(dtype=torch.float32)
    rows = [row for row in data_rows() if row["label"] in ("swapped", "clean")]
    items, labels = row_items(rows, raw=False), np.array([row["label"] for row in rows], dtype=object)
    asked = {"swapped": [Item(Prompt(f"the {x} of Canada is?"), "Seoul", "Ottawa") for x in ("city", "capital")]}
    found = compare(loaded, items, labels, asked, 2)
    assert [row.method for row in found] == [method.name for method in USED]
    assert {part for method in USED for part in method.parts} == set(PARTS)
    assert max(row.change for row in found) <= 0.01
    assert min(row.exact for row in found) < 0.5 < max(row.exact for row in found)  # there is something to lose
    coarse = compare(loaded, items, labels, asked, 2, torch.int8)
    assert [row.exact for row in coarse] == [row.exact for row in found]
    assert max(row.change for row in coarse) > 0.01
