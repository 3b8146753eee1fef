"""Which model a model is, told without loading it, so that what was kept of it is found at once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from explorer.demo import embedded
from explorer.models import LoadedModel, ModelSpec, dtype_of, load_model


def unloaded(spec: ModelSpec) -> LoadedModel:
    """A stand-in that ``fingerprint.model_digest`` reads as it reads the model; for nothing else.

    A model of the hub is loaded all the same: only then is its commit known.
    """
    if spec.source != embedded.NAME and not Path(spec.source).expanduser().exists():
        return load_model(spec)
    found: Any = SimpleNamespace(spec=spec, model=SimpleNamespace(dtype=dtype_of(spec)))
    return found
