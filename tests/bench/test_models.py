"""The table of model families says what a fresh try says, and its page is made of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.models import COLUMNS, WORKS, table, tried

ROOT = Path(__file__).parents[2]
ROWS: dict[str, dict[str, str]] = json.loads((ROOT / "docs/models.json").read_text())
SPOTS = ("llama", "qwen3_moe", "deepseek_v3", "gemma2", "bloom", "mamba", "qwen2_5_vl", "cpmant")
"""Works whole; experts; experts with normed weights; soft caps; no graph; gradient maps alone; a text half; nothing but
loading."""


@pytest.mark.parametrize("family", SPOTS)
def test_a_fresh_try_says_what_the_table_says(family: str, tmp_path: Path) -> None:
    assert tried(family, tmp_path) == ROWS[family]


def test_the_page_is_made_of_the_table() -> None:
    assert (ROOT / "docs/models.md").read_text(encoding="utf-8") == table(ROWS)


def test_no_family_ends_in_a_crash() -> None:
    """What does not work is refused in one sentence."""
    for family, row in ROWS.items():
        if "made" not in row:
            assert "load" in row, family
            for column in COLUMNS:
                said = row.get(column, WORKS)
                assert not said.startswith("CRASH"), (family, column, said)
                assert said == WORKS or "\n" not in said, (family, column, said)


@pytest.mark.slow
def test_it_is_a_command() -> None:
    shown = subprocess.run([sys.executable, "-m", "bench.models", "--help"], capture_output=True, text=True, check=True)
    assert "--table" in shown.stdout
