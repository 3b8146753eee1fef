"""What a report was made with: the study, the models and the versions, so that somebody else can make it again."""

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from explorer import __version__
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.model.spec import ModelSpec
from explorer.reports.blocks import Facts, facts
from explorer.reports.commands import PROGRAM, place
from explorer.vectors.fingerprint import model_digest, study_digest

_PACKAGES = ("torch", "transformers", "peft")
_DIGITS = 16
"""Digits of a SHA-256 that are shown."""


def about(study: Study, models: Iterable[ModelSpec], app: str = "") -> Facts:
    """Return study, models with their fingerprints, and versions; ``app``: how to open the study on screen."""
    data = f"{study.datapoints().num_rows:,} training examples, sha256 {study_digest(study)[:_DIGITS]}"
    where = f"Run commands in the folder that holds {study.folder.name}; {PROGRAM} app {study.folder.name} opens it."
    weights = {spec.weights: spec for spec in models}
    return facts(
        ("Study", f"{study.name} (folder {study.folder.name}): {data}"),
        *(("Model" if n == 0 else f"Model {n + 1}", _model(spec, study)) for n, spec in enumerate(weights.values())),
        (
            "Versions",
            ", ".join([f"LLM Failure Explorer {__version__}", f"Python {platform.python_version()}", *_versions()]),
        ),
        ("Commands", where),
        ("In the app", app),
    )


def _versions() -> list[str]:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def _model(spec: ModelSpec, study: Study) -> str:
    """A model's name, where its files are, and the digest of what was loaded."""
    named = place(spec.name, study) + (f" + {place(spec.adapter, study)}" if spec.adapter else "")
    try:
        digest = model_digest(load_model(spec))
    except ExplorerError as error:
        return f"{named} ({error})"
    marks = [_short(digest[part], part) for part in ("model", "adapter") if digest.get(part)]
    return f"{spec.title}: {named}, {digest['dtype']}; {', '.join(marks)}"


def _short(text: str, part: str) -> str:
    kind, _, rest = text.rpartition(":")
    return f"{part} {kind}:{rest[:_DIGITS]}" if len(rest) == 64 else f"{part} {text}"
