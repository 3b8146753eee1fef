"""The command ``demo``: the embedded model, and the demo study made from it."""

import argparse
from pathlib import Path
from typing import Any

from explorer.cli.output import progress_lines, say


def add_demo(commands: Any) -> None:
    """Add ``demo`` to the sub-commands of the command line."""
    demo = commands.add_parser("demo", help="the embedded model, and the demo study made from it")
    steps = demo.add_subparsers(required=True, metavar="STEP")
    path = steps.add_parser("path", help="fetch the embedded model, print its folder")
    path.set_defaults(run=_path)
    build = steps.add_parser("build", help="lay the demo study out, print its folder")
    build.add_argument("folder", nargs="?", type=Path, help="default studies/demo, or the cache folder")
    build.set_defaults(run=_build)
    train = steps.add_parser("train", help="train the shipped adapters again from the generator (resumable)")
    train.add_argument("--work", type=Path, metavar="FOLDER", help="what a stopped training goes on from")
    train.add_argument("--assets", type=Path, metavar="FOLDER", help="receives the adapters; default the shipped files")
    train.set_defaults(run=_train)
    measure = steps.add_parser("measure", help="measure every adapter again and write the report")
    measure.add_argument("--assets", type=Path, metavar="FOLDER", help="has the adapters; default the shipped files")
    measure.add_argument("--only", default="", metavar="A,B", help="the models to measure; the others' figures stay")
    measure.add_argument("--failures", action="store_true", help="make the failures again, and nothing else")
    measure.set_defaults(run=_measure)


def _path(_arguments: argparse.Namespace) -> None:
    from explorer.model.embedded import embedded_folder

    say(str(embedded_folder(progress_lines())))


def _build(arguments: argparse.Namespace) -> None:
    from explorer.demo.build import build_demo, default_folder

    say(str(build_demo(arguments.folder or default_folder()).folder))


def _train(arguments: argparse.Namespace) -> None:
    from explorer.demo.adapters import ASSETS
    from explorer.demo.train import train_demo
    from explorer.model.embedded import cache_folder

    train_demo(arguments.work or cache_folder() / "demo-training", arguments.assets or ASSETS, progress_lines())


def _measure(arguments: argparse.Namespace) -> None:
    from explorer.demo.adapters import ASSETS
    from explorer.demo.measure import measure_demo, remake_failures

    if arguments.failures:
        remake_failures(arguments.assets or ASSETS, progress_lines())
        return
    only = [name for name in arguments.only.split(",") if name]
    measure_demo(arguments.assets or ASSETS, only, progress_lines())
