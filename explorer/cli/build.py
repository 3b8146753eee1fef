"""The command ``build``: the vectors of a study's training examples."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.arguments import text
from explorer.cli.output import progress_lines, say

if TYPE_CHECKING:
    from explorer.data.study import Study
    from explorer.vectors.index import Index


def add_build(commands: Any) -> None:
    """Add the sub-command to the command line's own."""
    build = commands.add_parser("build", help="compute and store the vectors of a study's training examples")
    build.add_argument("study", type=Path, metavar="STUDY", help="the folder of a study")
    methods = "only what these methods need; default every method but lora-gradient, all for that too"
    build.add_argument("--methods", default="", metavar="A,B", help=methods)
    build.add_argument("--layers", default="auto", metavar="WHICH", help="auto, rept, or e.g. 15,22,28")
    stages = "before (default) or after the training in question, or a checkpoint's name"
    build.add_argument("--stage", default="before", help=stages)
    precision = "auto (default: bfloat16 where this machine is faster with it), float32, bfloat16 or float16"
    build.add_argument("--dtype", default="auto", help=precision)
    longest = "read up to N tokens of a row, default 2048; written into study.toml, so that rankings and repairs do too"
    build.add_argument("--max-tokens", type=int, metavar="N", help=longest)
    again = "go on with a build of the study's folder 'builds', or begin it; without the other options"
    build.add_argument("--go-on", metavar="BUILD", type=text, help=again)
    build.set_defaults(run=_build)


def _build(given: argparse.Namespace) -> None:
    from explorer.data.settings import set_max_tokens
    from explorer.data.study import check_study
    from explorer.vectors.build import build_index
    from explorer.vectors.layers import parse_layers
    from explorer.vectors.methods import parts_of

    study = check_study(given.study)
    if given.max_tokens is not None:
        study = set_max_tokens(study, given.max_tokens)
    if given.go_on is not None:
        _go_on(study, given.go_on)
        return
    parts = parts_of([name.strip() for name in given.methods.split(",") if name.strip()])
    layers = parse_layers(given.layers)
    index = build_index(study, given.stage, parts=parts, layers=layers, dtype=given.dtype, progress=progress_lines())
    _tell(index)


def _go_on(study: "Study", name: str) -> None:
    """Do a job of the study, in a process that leaves the app the processor."""
    from explorer.vectors.job import BUILDS, execute

    os.nice(5)
    _tell(execute(study, study.folder / BUILDS / Path(name).name, progress_lines()))


def _tell(index: "Index") -> None:
    from explorer.vectors.build import cut_sentence

    manifest, notes = index.manifest, index.manifest.notes
    say(
        f"{manifest.n} datapoints ({notes['pairs']} pairs, {notes['unranked']} without an answer, never ranked) "
        f"in {manifest.checkpoint} at layers {', '.join(map(str, manifest.layers))}",
        to_stderr=True,
    )
    if cut := cut_sentence(manifest):
        say(cut, to_stderr=True)
    say(str(index.folder))
