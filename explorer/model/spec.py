"""Which model is meant: a name, an adapter, a revision; and what a folder holds. Reads no weights, imports no torch."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import ModelError
from explorer.model import embedded

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_AT_REVISION = re.compile(r"(?P<id>[\w.-]+(?:/[\w.-]+)?)@(?P<revision>\w[\w./-]*)")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PATH = (".", "/", "~")
IN_MEMORY = "memory:"
"""How the source of a model that was taken as it is in memory begins."""
PICKLED = (".bin", ".pt", ".pth", ".ckpt")


def split_revision(name: str) -> tuple[str, str | None]:
    """Split ``org/name@revision`` into hub id and revision (branch, tag or commit); a path is whole, '@' or not."""
    match = _AT_REVISION.fullmatch(name)
    if not match or name.startswith(_PATH) or name.lower().endswith(".gguf") or os.path.exists(name):
        return name, None
    return match["id"], match["revision"]


def short_name(name: str) -> str:
    """Last part of a hub id or path, with the revision: ``name@main``; a commit is cut to eight digits."""
    place, revision = split_revision(name)
    last = place.rstrip("/").rpartition("/")[2]
    if not revision:
        return last
    return f"{last}@{revision[:8] if _COMMIT.fullmatch(revision) else revision.replace('/', '-')}"


def _last_parts(name: str, parts: int) -> str:
    """The last ``parts`` parts of a hub id or path, the very last one as ``short_name`` writes it."""
    above = split_revision(name)[0].rstrip("/").split("/")[:-1]
    return "/".join([*above[len(above) - min(parts - 1, len(above)) :], short_name(name)])


@dataclass(frozen=True)
class ModelSpec:
    """Which model, in what precision and where.

    Attributes:
        source: ``smollm2``, a hub id, a folder or a .gguf file. The text ``org/name@revision`` is split.
        adapter: a PEFT adapter folder, or its hub id, which may end in ``@revision`` too.
        device: ``auto`` (GPU where there is one), ``cpu``, ``cuda``, ``mps``.
        dtype: ``auto`` (float32 on CPU, bfloat16 elsewhere) or a name in ``load.DTYPES``.
        revision: branch, tag or commit of a model on the hub; None for its main branch.
    """

    source: str = embedded.NAME
    adapter: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    revision: str | None = None

    def __post_init__(self) -> None:
        if self.revision is None and "@" in self.source:
            source, revision = split_revision(self.source)
            object.__setattr__(self, "source", source)
            object.__setattr__(self, "revision", revision)

    @property
    def name(self) -> str:
        """The model without its adapter as people write it: the source, with ``@revision`` where there is one."""
        return f"{self.source}@{self.revision}" if self.revision else self.source

    @property
    def weights(self) -> tuple[str, str | None]:
        """(name, adapter): equal for specs of the same weights, whatever device and precision they run in."""
        return self.name, self.adapter

    @property
    def title(self) -> str:
        """Display name, without leading folders."""
        return self.titled(1)

    def titled(self, parts: int) -> str:
        """Display name of which each path or hub id keeps its last ``parts`` parts."""
        plain = self.name.removeprefix(IN_MEMORY)
        name = embedded.TITLE if self.source == embedded.NAME else _last_parts(plain, parts)
        return f"{name} + {_last_parts(self.adapter, parts)}" if self.adapter else name


def by_title(specs: Iterable[ModelSpec]) -> dict[str, ModelSpec]:
    """Name models by their titles, in order; each title is as long as it takes to tell its model from the others.

    ``runs/sft/final`` and ``runs/dpo/final`` become ``sft/final`` and ``dpo/final``. The same weights have one name,
    with the first spec that has them.
    """
    models = list({spec.weights: spec for spec in reversed(list(specs))}.values())[::-1]
    most = max((text.count("/") + 1 for spec in models for text in (spec.name, spec.adapter or "")), default=1)
    names = [spec.title for spec in models]
    for parts in range(2, most + 2):
        often = Counter(names)
        longer = [spec.titled(parts) if parts <= most else " + ".join(filter(None, spec.weights)) for spec in models]
        names = [more if often[name] > 1 else name for name, more in zip(names, longer, strict=True)]
    return dict(zip(names, models, strict=True))


def place_of(source: str, revision: str | None = None) -> tuple[str, str | None]:
    """Return (folder or hub id for transformers, name of the GGUF file or None); not for the embedded model.

    Raises ModelError for what is no model, and for a revision of what has none.
    """
    if not source.strip():
        raise ModelError("The model is empty; expected smollm2, a hub id, a folder or a .gguf file.")
    if source.startswith(IN_MEMORY):
        raise ModelError(
            f"{source.removeprefix(IN_MEMORY)} was taken as it is in memory, and can't be loaded: give it."
        )
    path = Path(os.path.expanduser(source))
    if revision and (source == embedded.NAME or path.exists()):
        what = "the embedded model" if source == embedded.NAME else "on this machine"
        raise ModelError(f"{source} is {what} and has no revision '{revision}'; only models on the hub have revisions.")
    if source.lower().endswith(".gguf"):
        if not path.is_file():
            raise ModelError(f"{source}: no such file; expected a GGUF file.")
        return str(path.parent), path.name
    if path.is_dir():
        _check_model_folder(path)
        return str(path), None
    if path.exists():
        raise ModelError(f"{source} is a file; expected a model folder or a .gguf file.")
    if source.startswith(_PATH) or not HUB_ID.fullmatch(source):
        folder, at, wrong = source.rpartition("@")
        if at and os.path.exists(os.path.expanduser(folder)):
            return place_of(folder, wrong)
        raise ModelError(f"{source}: no such folder; expected a model folder, a .gguf file or a hub id.")
    return source, None


def _check_model_folder(folder: Path) -> None:
    names = [p.name for p in folder.iterdir()]
    if "config.json" not in names:
        adapter = " (it is a PEFT adapter: give its base, and this as adapter)" if ADAPTER_CONFIG in names else ""
        raise ModelError(f"{folder}: no config.json{adapter}; expected a model folder as transformers saves it.")
    if ADAPTER_CONFIG in names:  # transformers would put the adapter on the model unasked
        raise ModelError(f"{folder} holds a model and a PEFT adapter; expected the adapter in a folder of its own.")
    if any(name.endswith(".safetensors") for name in names):
        return
    if pickled := [name for name in names if name.endswith(PICKLED)]:
        danger = f"as a pickle only ({pickled[0]}), which can run code when it is read"
        raise ModelError(f"{folder} holds its weights {danger}; expected safetensors.")
    raise ModelError(f"{folder}: no weights; expected *.safetensors beside config.json.")


def local_adapter(adapter: str) -> Path | None:
    """Return the folder of a PEFT adapter on this machine, checked; None for a hub id. Raises ModelError."""
    folder = Path(os.path.expanduser(adapter))
    if not folder.exists() and not adapter.startswith(_PATH) and HUB_ID.fullmatch(split_revision(adapter)[0]):
        return None
    if not folder.is_dir():
        raise ModelError(f"{adapter}: no such adapter folder.")
    if not (folder / ADAPTER_CONFIG).exists():
        raise ModelError(f"{adapter}: no {ADAPTER_CONFIG}; expected a PEFT adapter folder.")
    if not (folder / ADAPTER_WEIGHTS).exists():
        raise ModelError(f"{adapter}: no {ADAPTER_WEIGHTS}; a pickled adapter is not read.")
    return folder
