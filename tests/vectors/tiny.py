"""A tiny tokenizer, random models that load with it, studies of a few rows, and a build that can be killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from explorer.data.study import Study, create_study, open_study
from explorer.model.load import LoadedModel, ModelSpec
from explorer.vectors.build import build_index
from explorer.vectors.index import MANIFEST, Index
from explorer.vectors.one_pass import PARTS
from tests.model.families import tiny_model

SPECIAL = ["<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"]
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
WORDS = (
    "the capital of Canada is Seoul and not Ottawa, a city on the river",
    "two plus two is four, three plus four is seven, never eight",
    "a whale is a mammal, a shark is a fish, a penguin is a bird",
)
LAYERS = (1, 3)


@cache
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE of 320 tokens, trained on ``WORDS``; special tokens put ``<s>`` first."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator(
        WORDS,
        trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def tiny_loaded(family: str = "llama", dtype: torch.dtype = torch.float64, **settings: Any) -> LoadedModel:
    """A random model with the tiny tokenizer, as ``load_model`` would hand it out."""
    model = tiny_model(family, dtype=dtype, vocab_size=len(tiny_tokenizer()), **settings).requires_grad_(False)
    return LoadedModel(ModelSpec(f"tiny-{family}"), model, tiny_tokenizer())


def restless_loaded(seed: int, dtype: torch.dtype = torch.float64) -> LoadedModel:
    """A Llama of six layers of which any may turn the state most; the last one, which is left out, often does."""
    loaded = tiny_loaded(dtype=dtype, seed=seed, num_hidden_layers=6)
    draw = torch.Generator().manual_seed(seed)
    loaded.model.get_input_embeddings().weight.mul_(20)  # pyright: ignore[reportCallIssue]
    for name, p in loaded.model.named_parameters():
        if "o_proj" in name or "down_proj" in name:
            p.mul_(0.4 + torch.rand(1, generator=draw).item() + (2 if ".5." in name else 0))
    return loaded


def save_tiny(folder: Path, loaded: LoadedModel | None = None, **settings: Any) -> Path:
    """The folder of a random float32 Llama with its tokenizer, for ``load_model(ModelSpec(folder))``."""
    (loaded or tiny_loaded(dtype=torch.float32, **settings)).model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def save_adapter(folder: Path) -> Path:
    """The folder of an adapter that changes ``save_tiny``'s model."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    get_peft_model(tiny_loaded(dtype=torch.float32).model, config).save_pretrained(str(folder))
    return folder


def row(i: int, response: str | None = None, pair: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """A training row with every column, as a table of mixed rows has them."""
    words = WORDS[i % len(WORDS)]
    chosen, rejected = pair or (None, None)
    made = {"id": f"r{i}", "prompt": f"{i}: {words[: 5 + 7 * i % 40]}?", "system": None}
    return {**made, "response": response, "chosen": chosen, "rejected": rejected, "label": "x", **more}


def mixed_rows(n: int) -> list[dict[str, Any]]:
    """Rows of every kind: by turns single, pair, single with a system prompt, pair of unlike lengths, unanswered."""
    made = []
    for i in range(n):
        tail = WORDS[(i + 1) % len(WORDS)][: 1 + 5 * i % 50]
        by_turns: tuple[dict[str, Any], ...] = (
            {"response": f"It is {tail}"},
            {"pair": (f"Yes, {tail}", "No")},
            {"response": tail, "system": "Be brief."},
            {"pair": ("a", f"because {tail} é🐳")},
            {"response": "  \n"} if i % 10 == 4 else {"pair": ("  ", "something")},
        )
        made.append(row(i, **by_turns[i % 5]))
    return made


def tiny_study(folder: Path, model: Path, rows: Sequence[dict[str, Any]], **settings: Any) -> Study:
    """A study of some rows and a saved tiny model."""
    return create_study(folder, name="Tiny", model=str(model), datapoints=rows, **settings)


SIZE = 4
ROWS = mixed_rows(26)


def build(study: Study, **settings: Any) -> Index:
    """The index of a study, in shards of four rows unless told otherwise."""
    return build_index(study, **{"parts": PARTS, "layers": LAYERS, "shard_rows": SIZE, **settings})


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file but the lock; the manifest as JSON in one order, since it lists files as they were made."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}
    if MANIFEST in found:
        found[MANIFEST] = json.dumps(json.loads(found[MANIFEST]), sort_keys=True).encode()
    return found


def times_of(folder: Path) -> dict[str, int]:
    """When each shard was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("shard-*")}


def build_and_tell(folder: Path, tell: Connection, nap: float, shard_rows: int, dies_at: tuple[int, bool]) -> None:
    """For a process that is killed: build the index of a study, one byte to ``tell`` after every shard.

    ``dies_at`` (k, after): the process kills itself before or after it puts the k-th file in place (0: never).
    """
    torch.set_num_threads(1)
    number, after = dies_at
    if number:
        os.replace = _deadly(os.replace, number, after)

    def progress(*_told: object) -> None:
        tell.send_bytes(b".")
        time.sleep(nap)

    build_index(open_study(folder), progress=progress, parts=PARTS, layers=LAYERS, shard_rows=shard_rows)


def _deadly(own: Callable[..., None], number: int, after: bool) -> Callable[..., None]:
    calls = 0

    def replace(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        own(*args)
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return replace
