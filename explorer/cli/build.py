"""The command ``build``: the vectors of a study's training examples."""

import argparse
from pathlib import Path
from typing import Any

from explorer.cli.output import progress_lines, say


def add_build(commands: Any) -> None:
    """Add the sub-command to the command line's own."""
    build = commands.add_parser("build", help="compute and store the vectors of a study's training examples")
    build.add_argument("study", type=Path, metavar="STUDY")
    methods = "only what these methods need; default every method but lora-gradient, all for that too"
    build.add_argument("--methods", default="", metavar="A,B", help=methods)
    build.add_argument("--layers", default="auto", metavar="WHICH", help="auto, rept, or e.g. 15,22,28")
    stages = "before (default) or after the training in question, or a checkpoint's name"
    build.add_argument("--stage", default="before", help=stages)
    precision = "auto (default: bfloat16 where this machine is faster with it), float32, bfloat16 or float16"
    build.add_argument("--dtype", default="auto", help=precision)
    build.set_defaults(run=_build)


def _build(given: argparse.Namespace) -> None:
    from explorer.data.study import check_study
    from explorer.vectors.build import build_index, cut_sentence
    from explorer.vectors.layers import parse_layers
    from explorer.vectors.methods import parts_of

    study = check_study(given.study)
    parts = parts_of([name.strip() for name in given.methods.split(",") if name.strip()])
    layers = parse_layers(given.layers)
    index = build_index(study, given.stage, parts=parts, layers=layers, dtype=given.dtype, progress=progress_lines())
    manifest, notes = index.manifest, index.manifest.notes
    say(
        f"{manifest.n} datapoints ({notes['pairs']} pairs, {notes['unranked']} without an answer, never ranked) "
        f"in {manifest.checkpoint} at layers {', '.join(map(str, manifest.layers))}",
        to_stderr=True,
    )
    if cut := cut_sentence(manifest):
        say(cut, to_stderr=True)
    say(str(index.folder))
