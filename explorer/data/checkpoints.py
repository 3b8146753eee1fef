"""The checkpoints of a training: PEFT adapters, whole models in folders, models and adapters on the hub.

An entry of a study's list ``checkpoints`` is

```
runs/dpo               a folder: a PEFT adapter if it has adapter_config.json, else a whole model
org/name@revision      a whole model on the hub; the revision is a branch, tag or commit
adapter:org/name       a PEFT adapter on the hub, ``@revision`` as well
```

An adapter belongs to the whole model that precedes it in the list, else to the study's ``model``.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from explorer.errors import ModelError
from explorer.model.spec import ADAPTER_CONFIG, ModelSpec, local_adapter, place_of, short_name

ADAPTER = "adapter:"
BASE = "base"
_TAKEN = (BASE, "before", "after")


def adapter_entry(adapter: str) -> str:
    """The entry of an adapter."""
    return adapter if adapter.startswith(ADAPTER) else ADAPTER + adapter


def resolve(folder: Path, model: str, entries: Sequence[str]) -> tuple[ModelSpec, ...]:
    """Return the models of some entries, in training order; paths inside the study ``folder`` become absolute."""
    specs, base = [], ModelSpec(model)
    for entry in entries:
        place = _inside(folder, entry.removeprefix(ADAPTER))
        if entry.startswith(ADAPTER) or os.path.isfile(os.path.join(place, ADAPTER_CONFIG)):
            specs.append(replace(base, adapter=place))
        else:
            base = ModelSpec(place)
            specs.append(base)
    return tuple(specs)


def resolve_reference(folder: Path, model: str, entries: Sequence[str], reference: str) -> ModelSpec:
    """Return the reference model: the listed checkpoint of that entry, else as if it stood before the last one."""
    listed = resolve(folder, model, entries)
    (alone,) = resolve(folder, model, [reference])
    for spec in listed:
        if spec == alone or (spec.adapter and spec.adapter == alone.adapter):
            return spec
    return resolve(folder, model, [*entries[:-1], reference])[-1]


def _inside(folder: Path, place: str) -> str:
    """A path in the study folder as an absolute path; anything else (a hub id) as it is."""
    inside = os.path.join(folder, os.path.expanduser(place))  # Path's own methods raise for ~nobody
    listed = place.startswith(("adapters/", ".", "/", "~")) or os.path.exists(inside)
    return os.path.realpath(inside) if listed else place


def kind(spec: ModelSpec) -> str:
    """What a checkpoint is: ``adapter`` or ``full model``."""
    return "adapter" if spec.adapter else "full model"


def named(base: ModelSpec, specs: Sequence[ModelSpec]) -> dict[str, ModelSpec]:
    """Name the checkpoints by their folders or hub ids, no two alike; ``base`` is the model before all training.

    Where a name occurs twice, the folder above (on the hub: the owner) is put before it, and then a number behind it.
    """
    places = [spec.adapter or spec.name for spec in specs]
    often = Counter([*map(short_name, places), *_TAKEN])
    checkpoints = {BASE: base}
    for place, spec in zip(places, specs, strict=True):
        above, name = Path(place).parent.name, short_name(place)
        full = f"{above}-{name}" if often[name] > 1 and above else name
        number, unique = 1, full
        while unique in checkpoints or unique in _TAKEN:
            number += 1
            unique = f"{full}-{number}"
        checkpoints[unique] = spec
    return checkpoints


def check_checkpoint(spec: ModelSpec) -> None:
    """Raise ModelError where a checkpoint's folder is absent or no checkpoint; the hub is not asked."""
    if not spec.adapter:
        place_of(spec.source, spec.revision)
    elif not local_adapter(spec.adapter) and "/" not in spec.adapter:
        raise ModelError(f"{spec.adapter}: no such folder; expected a PEFT adapter folder or owner/name.")
