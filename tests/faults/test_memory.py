"""Out of memory for real, under a limit of the operating system: told in a sentence, and the model stays usable."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json, resource
import explorer
import psutil, torch
from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.model import memory
from explorer.model.load import load_model
from explorer.trace.explain import explain

torch.set_num_threads(1)
loaded, short = load_model(), Failure("The capital of Australia is", wrong="Sydney", right="Canberra")
before = explain(short, loaded)
most = psutil.Process().memory_info().vms + {room}
resource.setrlimit(resource.RLIMIT_AS, (most, most))
if {blind}:
    memory.free_bytes = lambda device: 2**50  # the estimate is wrong
told = ""
try:
    explain(Failure("river " * 1200, wrong="Sydney", right="Canberra"), loaded, record=True)
except ExplorerError as error:
    told = str(error)
after = explain(short, loaded)
print(json.dumps([told, bool((after.relevance == before.relevance).all())]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("blind", "sentence"),
    [
        (False, "Tracing 1,2"),  # refused beforehand, with the number of tokens that would fit
        (True, "ran out of memory; shorten the prompt, or use a smaller model."),
    ],
    ids=["estimated", "met"],
)
def test_a_limit_on_the_process(smollm, blind: bool, sentence: str):
    pytest.importorskip("resource")
    script = SCRIPT.replace("{blind}", str(blind)).replace("{room}", str(150_000_000))
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, cwd=ROOT, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    told, same = json.loads(run.stdout.splitlines()[-1])
    assert sentence in told and "\n" not in told
    assert same
