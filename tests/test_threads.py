"""However the program starts, torch's threads are told to sleep while they wait, before torch is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENTRANCES = {
    "a notebook": "from explorer import explain",
    "the command line": "import runpy; sys.argv[1:] = 'trace --prompt a --wrong b --right c'.split(); "
    "runpy.run_module('explorer')",
    "the app": "import app, explorer.ui.explained",
    "a page's script": "from streamlit.testing.v1 import AppTest; AppTest.from_file('explorer/ui/main.py').run()",
    "the benchmarks": "import bench.graph",
    "pytest": "import pytest; pytest.main(['-s', '--collect-only', 'tests/model/test_coverage.py'])",
}
NOTE = """
import os, sys
class Note:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            os.write(2, f"<{os.environ.get('OMP_WAIT_POLICY')}>".encode())
            os._exit(0)
sys.meta_path.insert(0, Note())
"""
"""Ends the process where torch is about to be imported, and says what the variable is then."""


def policy_at_import(entrance: str, **chosen: str) -> str:
    """What ``OMP_WAIT_POLICY`` is when torch is imported, in a new process with only ``chosen`` set of it."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | chosen
    command = [sys.executable, "-c", NOTE + entrance]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.stderr.rpartition("<")[2]


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_threads_that_wait_sleep_however_the_program_starts(entrance: str):
    assert policy_at_import(ENTRANCES[entrance]) == "PASSIVE>"


def test_what_the_user_chose_stays():
    assert policy_at_import("from explorer import explain", OMP_WAIT_POLICY="ACTIVE") == "ACTIVE>"
