"""Long measurements as lines of a file, one a case, so that a run that was stopped goes on after the last one."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from explorer.files import write_json

Line = dict[str, Any]
"""One case, as JSON; ``id`` and ``seconds`` stand in each."""
Work = tuple[tuple[str, ...], Callable[[], Line]]
"""What tells a case apart, and how its line is made."""


def measure_lines(
    about: str,
    names: tuple[str, ...],
    works: Callable[[Path | None], Iterator[Work]],
    summary: Callable[[list[Line]], Any],
) -> None:
    """Make the lines that are missing, and write what all of them come to; the paths stand on the command line.

    Args:
        about: the help of the command.
        names: of the entries of a line that tell its case apart, in the order of ``works``.
        works: given ``--study``, the folder of a study or None.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=Path, required=True, help="one line a case; what stands there is done")
    parser.add_argument("--json", type=Path, required=True, help="where the summary is written")
    parser.add_argument("--study", type=Path, help="by default the demo")
    options = parser.parse_args()
    options.lines.touch()
    lines: list[Line] = list(map(json.loads, options.lines.read_text().splitlines()))
    done = {tuple(line[name] for name in names) for line in lines}
    for case, make in works(options.study):
        if case in done:
            continue
        lines.append(line := make())
        with options.lines.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(*case, *filter(None, [line.get("verdict")]), line["seconds"], file=sys.stderr, flush=True)
    write_json(options.json, summary(lines))
