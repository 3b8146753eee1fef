"""How long a survey takes: made-up stories that the embedded model mostly gets wrong.

python -m bench.survey [--failures 200] [--quick] [--folder FOLDER] [--json docs/survey-time.json]

The prompts have about 100 tokens, the chat format included. With ``--folder`` a run that was stopped goes on.
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from explorer.files import write_json, write_json_lines
from explorer.surveys.survey import survey

NAMES = ["Ada", "Ben", "Carla", "Dan", "Emma", "Finn", "Greta", "Hugo", "Ines", "Jon", "Kira", "Leo", "Mona"]
COLORS = ["red", "blue", "green", "yellow", "black", "white", "brown", "pink", "grey", "purple"]
THINGS = ["bag", "coat", "bike", "boat", "door", "hat", "cup", "lamp"]


ASKED = 1.43
"""Stories that are asked for every failure: the model tells 30 % of the first 60 rightly."""


def story(number: int) -> dict[str, Any]:
    """Five people's things, two of which are swapped; the same number, the same story."""
    draw = random.Random(number)
    people, colors, thing = draw.sample(NAMES, 5), draw.sample(COLORS, 5), draw.choice(THINGS)
    one, other = draw.choice(people[:4]), people[4]
    facts = " ".join(f"{who}'s {thing} is {color}." for who, color in zip(people, colors, strict=True))
    text = (
        f"{facts} {one} and {other} swap: now {one} has what {other} had, and the other way round. What color is "
        f"{one}'s {thing} now? Answer in a short sentence."
    )
    return {"id": f"{number}", "prompt": text, "expected": colors[4]}


class Memory:
    """Resident bytes of this process after every case, read where the survey tells how far it is."""

    def __init__(self) -> None:
        self.by_case: dict[int, int] = {}
        self.started, self.measuring = time.perf_counter(), 0.0

    def tell(self, what: str, done: float = 0, total: float = 0, /) -> None:
        """See ``Progress``."""
        if what == "Measuring":
            self.measuring = self.measuring or time.perf_counter()
            self.by_case[int(done)] = psutil.Process().memory_info().rss


def measure(folder: Path, failures: int, judged: bool) -> dict[str, Any]:
    """Survey so many failures and return the figures."""
    log, asked = folder / "stories.jsonl", round(failures * ASKED)
    write_json_lines(log, [story(number) for number in range(asked)])
    memory, before = Memory(), psutil.Process().cpu_times()
    done = survey(log, home=folder, judged=judged, progress=memory.tell)
    wall, after = time.perf_counter() - memory.started, psutil.Process().cpu_times()
    rows = [row for row in done.rows.values() if row.gap is not None]
    some = [memory.by_case[case] for case in sorted(memory.by_case)]
    return {
        "failures": len(done.rows),
        "read": len(rows),
        "judged": sum(row.verdict is not None for row in rows),
        "tokens_median": median(row.tokens for row in rows),
        "seconds": round(wall),
        "seconds_finding_contrasts": round(memory.measuring - memory.started),
        "processor_seconds": round(after.user + after.system - before.user - before.system),
        "seconds_a_failure_median": median(row.seconds for row in rows),
        "memory_mb_after_10_cases": round(some[min(10, len(some) - 1)] / 1e6),
        "memory_mb_most": round(max(some) / 1e6),
        "memory_mb_at_the_end": round(some[-1] / 1e6),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--failures", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="without outcomes, patterns and verdicts")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        figures = measure(folder, given.failures, not given.quick)
    print(json.dumps(figures, indent=1))
    if given.json:
        write_json(given.json, figures)


if __name__ == "__main__":
    main()
