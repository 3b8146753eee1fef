"""Arguments that several commands share: what is explained, with which model."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.data.failures import Failure
    from explorer.model.load import ModelSpec


def add_failure(command: argparse.ArgumentParser) -> None:
    """Add the arguments of a failure, a model and a rule."""
    command.add_argument("--prompt", required=True, metavar="P", help="what the user asks")
    command.add_argument("--system", metavar="S", help="a system prompt")
    command.add_argument("--raw", action="store_true", help="give the prompt as it is, without the chat template")
    command.add_argument("--evidence", metavar="E", help="the words of the prompt that should have decided")
    command.add_argument("--wrong", required=True, metavar="W", help="the wrong answer")
    command.add_argument("--right", required=True, metavar="R", help="the right answer")
    command.add_argument("--model", default="smollm2", metavar="M", help="smollm2, a hub id, a folder or a .gguf file")
    command.add_argument("--adapter", metavar="A", help="a PEFT adapter folder or hub id")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    command.add_argument("--dtype", default="auto", help="auto, float32, bfloat16 or float16")
    rules = ["attnlrp", "cplrp", "gradient", "representation-gradient"]
    command.add_argument("--rule", default="attnlrp", choices=rules, help="how relevance is passed back")


def add_heatmap(command: argparse.ArgumentParser) -> None:
    """Add what a heatmap is read at, beside the rule."""
    command.add_argument("--layer", type=int, metavar="N", help="0 (embeddings, default) to L (last block)")
    command.add_argument("--whole", action="store_true", help="the whole answers instead of the first differing token")


def failure(arguments: argparse.Namespace) -> "Failure":
    """Return the failure that the arguments spell out."""
    from explorer.data.failures import Failure

    a = arguments
    return Failure(a.prompt, a.wrong, a.right, a.system, a.evidence, a.raw)


def model_spec(arguments: argparse.Namespace) -> "ModelSpec":
    """Return the model that the arguments name."""
    from explorer.model.load import ModelSpec

    return ModelSpec(arguments.model, arguments.adapter, arguments.device, arguments.dtype)


def file_kind(path: str) -> str:
    """Return the kind of file that a name asks for: its ending."""
    return Path(path).suffix.removeprefix(".").lower()
