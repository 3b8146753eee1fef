"""What OMP_WAIT_POLICY=PASSIVE does: seconds of a trace with waiting threads that spin (torch's default) or sleep.

    python -m bench.threads

Each setting runs in a process of its own, the two taking turns; "busy" has one spinning process beside every core.
"""

import json
import statistics
import subprocess
import sys
from contextlib import nullcontext

from bench.load import busy_cores

_TRACE = """
import json, os, sys, time
import explorer
if sys.argv[1] == "default":
    os.environ.pop("OMP_WAIT_POLICY")
from explorer import Failure, explain
from explorer.model.load import load_model
model, seconds = load_model(), {}
for tokens in (40, 400):
    failure = Failure("word " * tokens + "Yes or no?", "Yes", "No")
    explain(failure, model)
    for _ in range(5):
        began = time.perf_counter()
        explain(failure, model)
        seconds.setdefault(str(tokens), []).append(time.perf_counter() - began)
print(json.dumps(seconds))
"""


def measure(policy: str) -> dict[str, list[float]]:
    """Seconds of five traces of 40 and of 400 tokens in a new process."""
    done = subprocess.run([sys.executable, "-c", _TRACE, policy], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(rounds: int = 3) -> None:
    """Print a Markdown table: median and slowest trace of each setting."""
    print("| machine | tokens | default: median (slowest) | PASSIVE: median (slowest) |\n| --- | ---: | ---: | ---: |")
    for machine in ("idle", "busy"):
        with busy_cores() if machine == "busy" else nullcontext():
            runs = [(policy, measure(policy)) for _ in range(rounds) for policy in ("default", "PASSIVE")]
        for tokens in ("40", "400"):
            cells = []
            for policy in ("default", "PASSIVE"):
                seconds = [value for name, times in runs if name == policy for value in times[tokens]]
                cells.append(f"{statistics.median(seconds):.2f} s ({max(seconds):.2f} s)")
            print(f"| {machine} | {tokens} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
