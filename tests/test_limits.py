"""Every limit stands in one file and in one documented table."""

import re
from pathlib import Path

from explorer import limits

TABLE = (Path(__file__).parents[1] / "docs" / "limits.md").read_text(encoding="utf-8")


def test_the_table_lists_every_limit_with_its_value_and_no_other():
    shown = dict(re.findall(r"^\| `(\w+)` \| ([\d,.]+)", TABLE, re.MULTILINE))
    values = {name: f"{value:,}" for name, value in vars(limits).items() if name.isupper()}
    assert shown == values
