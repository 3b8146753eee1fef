"""The preset table and what is said of it."""

import re
from pathlib import Path

from explorer.repair.plan import PRESETS


def test_the_docs_have_the_preset_table():
    text = (Path(__file__).parents[2] / "docs/repair.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(small|full)` \(.*?\) \| (.*?) \| (\d+).*?\| (.*?) \|$", text, re.MULTILINE)
    assert [name for name, *_ in rows] == list(PRESETS)
    for name, share, seeds, arms in rows:
        preset = PRESETS[name]
        assert share.startswith("all" if preset.share == 1 else f"{100 * preset.share:.0f} %")
        assert (int(seeds), arms.split(", ")) == (preset.seeds, list(preset.arms))
