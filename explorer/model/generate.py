"""What a model answers: greedy generation for many prompts at once, the same every time."""

from collections.abc import Callable, Iterator, Sequence

import torch
from transformers import GenerationConfig

from explorer.model.load import LoadedModel
from explorer.model.prompts import Prompt, encode_prompt

Progress = Callable[[int, int], None]
MAX_TOKENS = 28


def answers(
    loaded: LoadedModel,
    prompts: Sequence[Prompt],
    max_tokens: int = MAX_TOKENS,
    batch: int = 40,
    progress: Progress | None = None,
) -> list[str]:
    """Greedy answers, in the order of the prompts, without white space around them; raises PromptError."""
    made = [""] * len(prompts)
    done = 0
    for some in answered(loaded, prompts, max_tokens, batch):
        for i, text in some.items():
            made[i] = text
        done += len(some)
        if progress:
            progress(done, len(prompts))
    return made


def answered(
    loaded: LoadedModel, prompts: Sequence[Prompt], max_tokens: int = MAX_TOKENS, batch: int = 40
) -> Iterator[dict[int, str]]:
    """Prompt number → greedy answer, a batch of similar lengths at a time, padded on the left."""
    ids = [list(encode_prompt(loaded, prompt).ids) for prompt in prompts]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for start in range(0, len(order), batch):
        some = order[start : start + batch]
        yield dict(zip(some, _batch(loaded, [ids[i] for i in some], max_tokens), strict=True))


def _batch(loaded: LoadedModel, rows: list[list[int]], max_tokens: int) -> list[str]:
    pad = loaded.tokenizer.pad_token_id
    pad = pad if isinstance(pad, int) else 0
    width = max(map(len, rows))
    device = loaded.model.device
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    ends = loaded.model.generation_config.eos_token_id if loaded.model.generation_config else None
    config = GenerationConfig(
        max_new_tokens=max_tokens,
        do_sample=False,
        eos_token_id=ends if ends is not None else loaded.tokenizer.eos_token_id,
        pad_token_id=pad,
    )
    with torch.inference_mode():
        out = loaded.model.generate(ids, attention_mask=mask, generation_config=config)  # pyright: ignore
    return [text.strip() for text in loaded.tokenizer.batch_decode(out[:, width:], skip_special_tokens=True)]
