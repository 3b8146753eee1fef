"""PEFT adapters: finding their files, here or on the hub, and merging them into a model.

An adapter's configuration is somebody else's: of its fields only those of a LoRA (rsLoRA and DoRA with it) or IA³ are
taken, each of its type. peft would import a module that one of the others names, or unpickle a file.
"""

import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import regex
from transformers import PreTrainedModel

from explorer.errors import ModelError, first_line
from explorer.limits import ADAPTER_RANK, PATTERN_SECONDS
from explorer.model import embedded, memory
from explorer.model.adapter_tokenizer import FILES
from explorer.model.spec import ADAPTER_CONFIG, ADAPTER_WEIGHTS, HUB_ID, ModelSpec, local_adapter, split_revision
from explorer.model.trusted import read_object

_NAME = regex.compile(r"[\w.-]{1,200}")
_NAME_PATTERN = regex.compile(r"[\w.\\^$-]{1,300}")


def adapter_folder(adapter: str) -> Path:
    """Return the folder of an adapter; one on the hub is fetched, once per process. Raises ModelError."""
    return local_adapter(adapter) or _fetched(*split_revision(adapter))


@cache
def _fetched(repository: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        folder = Path(hf_hub_download(repository, ADAPTER_CONFIG, revision=revision)).parent
        # the folder is named by its commit; without this file peft would fall back to a pickle
        hf_hub_download(repository, ADAPTER_WEIGHTS, revision=folder.name)
        for name in FILES:
            with suppress(EntryNotFoundError):  # most adapters are read with their base's
                hf_hub_download(repository, name, revision=folder.name)
    except Exception as error:
        name = f"{repository}@{revision}" if revision else repository
        reason = f"not found on the hub, or without {ADAPTER_WEIGHTS} (a pickle is not read)"
        raise ModelError(f"Adapter '{name}' was {reason}.") from error
    return folder


def with_base(spec: ModelSpec) -> ModelSpec:
    """Return the model that is meant where somebody gives an adapter's folder for one: its base, with the adapter.

    The base is what the adapter's configuration names: a path on this machine, a hub id, or the embedded model.
    Anything else is returned as it is. Raises ModelError for an adapter that does not name a base to be found.
    """
    folder = Path(os.path.expanduser(spec.source))
    if not (folder / ADAPTER_CONFIG).is_file() or (folder / "config.json").exists():
        return spec
    if spec.adapter:
        raise ModelError(f"{spec.source} is a PEFT adapter; expected its base as the model, and one adapter.")
    base = read_object(folder / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not isinstance(base, str) or not (os.path.isdir(base) or base == embedded.TITLE or _on_hub(base)):
        named = f"names '{base[:80]}', which is not here," if isinstance(base, str) and base else "does not name it"
        raise ModelError(
            f"{spec.source} is a PEFT adapter, and {named} as its base; give the base, and this as adapter."
        )
    source = embedded.NAME if base.rpartition("/")[2] == embedded.TITLE and not os.path.isdir(base) else base
    return replace(spec, source=source, adapter=spec.source)


def _on_hub(name: str) -> bool:
    return "/" in name and not name.startswith((".", "/", "~")) and bool(HUB_ID.fullmatch(split_revision(name)[0]))


def merge_adapter(model: PreTrainedModel, adapter: str) -> PreTrainedModel:
    """Merge a LoRA or IA³ adapter into a model's own weights, in place, and return the model. Raises ModelError."""
    from peft import IA3Config, LoraConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load

    folder = adapter_folder(adapter)
    settings = lora_settings(folder / ADAPTER_CONFIG, model)
    try:
        with memory.guard(f"Merging the adapter {adapter}", "use a smaller model"):
            weights = load((folder / ADAPTER_WEIGHTS).read_bytes())  # not mapped: the file may shrink
            with warnings.catch_warnings(action="ignore", category=FutureWarning):
                kind = IA3Config if "feedforward_modules" in settings else LoraConfig
                peft_model = get_peft_model(model, kind(**settings))
            report = set_peft_model_state_dict(peft_model, weights)
            if lacking := [key for key in report.missing_keys if "lora_" in key or "ia3_" in key]:
                raise ModelError(f"{folder}: lacks weights that its configuration asks for, e.g. {lacking[0]}.")
            if report.unexpected_keys:
                raise ModelError(f"{folder}: has weights that do not fit this model, e.g. {report.unexpected_keys[0]}.")
            return peft_model.merge_and_unload()  # pyright: ignore
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"Adapter {adapter} does not fit this model: {first_line(error)}") from error


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and _NAME.fullmatch(name) for name in value)


def _by_pattern(value: Any) -> bool:
    return isinstance(value, dict) and all(_NAME_PATTERN.fullmatch(k) and _number(v) for k, v in value.items())


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= ADAPTER_RANK


def _layers(value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return all(isinstance(number, int) and 0 <= number < 10_000 for number in numbers)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


_Fields = dict[str, tuple[Callable[[Any], bool], str]]
_FIELDS: _Fields = {
    "r": (lambda value: _number(value) and isinstance(value, int) and value > 0, "a rank"),
    "lora_alpha": (_number, "a number"),
    "target_modules": (lambda value: isinstance(value, str) or _names(value), "names of modules"),
    "exclude_modules": (_names, "names of modules"),
    "modules_to_save": (_names, "names of modules"),
    "target_parameters": (_names, "names of parameters"),
    "layers_to_transform": (_layers, "numbers of layers"),
    "layers_pattern": (lambda v: _names([v] if isinstance(v, str) else v), "names of modules"),
    "rank_pattern": (_by_pattern, "names of modules with ranks"),
    "alpha_pattern": (_by_pattern, "names of modules with numbers"),
    "fan_in_fan_out": (_flag, "true or false"),
    "use_rslora": (_flag, "true or false"),
    "use_dora": (_flag, "true or false"),
    "lora_bias": (_flag, "true or false"),
    "bias": (lambda value: value in ("none", "all", "lora_only"), "none, all or lora_only"),
}
"""Fields of a LoRA that its merged weights depend on: what each may be, in code and in words."""
_IA3 = ("target_modules", "exclude_modules", "modules_to_save", "fan_in_fan_out")
_IA3_FIELDS = {name: _FIELDS[name] for name in _IA3}
_IA3_FIELDS["feedforward_modules"] = _FIELDS["target_modules"]
"""The same for IA³, which multiplies what maps put out, or what enters them, by learned factors (arXiv 2205.05638)."""
_PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
"""``init_lora_weights`` that leave the base model's weights as they are."""
_PROMPTS = ("PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING", "MULTITASK_PROMPT_TUNING", "ADAPTION_PROMPT")
"""Kinds of adapters that have no weights to merge."""
_NEVER = (
    "use_qalora",
    "use_bdlora",
    "alora_invocation_tokens",
    "arrow_config",
    "megatron_config",
    "trainable_token_indices",
)
"""Fields that would change what the adapter computes, and are not merged here."""


def lora_settings(path: Path, model: PreTrainedModel) -> dict[str, Any]:
    """Return the settings in an ``adapter_config.json`` that a LoRA or IA³ depends on, each checked; no others.

    Raises ModelError for another kind of adapter, a field of another type, or one that can't be merged.
    """
    config = read_object(path)
    if (kind := config.get("peft_type")) in _PROMPTS:
        raise ModelError(
            f"{path}: an adapter of kind {kind} puts trained vectors before the text, which are no tokens of a prompt "
            "and can't be merged into a model; expected a LoRA."
        )
    if kind == "IA3":
        inner = {"feedforward_modules": config.get("feedforward_modules") or []}
        return _checked(path, config | inner, _IA3_FIELDS, model)
    if kind != "LORA":
        raise ModelError(f"{path}: field 'peft_type' is {str(kind)[:40]!r}; expected LORA or IA3.")
    for field in _NEVER:
        if config.get(field):
            raise ModelError(f"{path}: field '{field}' is set; such an adapter can't be merged here.")
    if config.get("init_lora_weights") not in _PLAIN_STARTS:
        start = str(config["init_lora_weights"])[:40]
        raise ModelError(f"{path}: init_lora_weights is '{start}', which changes the base; convert it to a plain LoRA.")
    return _checked(path, config, _FIELDS, model)


def _checked(path: Path, config: dict[str, Any], fields: _Fields, model: PreTrainedModel) -> dict[str, Any]:
    """The settings of some fields, each checked; patterns of modules as the names that match."""
    settings = {field: config[field] for field in fields if config.get(field) is not None}
    for field, value in settings.items():
        fits, expected = fields[field]
        if not fits(value):
            raise ModelError(f"{path}: field '{field}' is {str(value)[:40]}; expected {expected}.")
    for field in ("target_modules", "feedforward_modules"):
        if isinstance(pattern := settings.get(field), str) and pattern != "all-linear":
            settings[field] = _matching(path, pattern, model)
    return settings | {"task_type": "CAUSAL_LM"}


def _matching(path: Path, pattern: str, model: PreTrainedModel) -> list[str]:
    """The modules of a model whose whole name matches a pattern, which may not take long over it."""
    try:
        compiled = regex.compile(pattern[:1000])
        names = [name for name, _ in model.named_modules() if compiled.fullmatch(name, timeout=PATTERN_SECONDS)]
    except (regex.error, TimeoutError) as error:
        raise ModelError(
            f"{path}: field 'target_modules' is no pattern that ends ({first_line(error, 80)})."
        ) from error
    if not names:
        raise ModelError(f"{path}: field 'target_modules' matches no part of this model.")
    return names
