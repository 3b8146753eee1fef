"""Tiny models in which one known token decides, and failures of many words that hold it."""

from typing import Any

import torch

from explorer.data.failures import Failure
from explorer.model.load import LoadedModel
from tests.vectors.tiny import tiny_loaded

WORDS = "abcdefghijlmnopqrstuvwxyz"
KEY = "K"


def decided_loaded(seed: int) -> tuple[LoadedModel, Failure]:
    """A random model of two blocks whose gap hangs on the token ``K``, and a prompt of 26 letters with one ``K``.

    Attention looks at all tokens alike and passes on what they hold, the ``K`` holds much of the direction between the
    two answers, and other tokens a little of it.
    """
    loaded = tiny_loaded(seed=seed, num_hidden_layers=2, dtype=torch.float64)
    model: Any = loaded.model
    draw = torch.Generator().manual_seed(seed)
    token = {letter: loaded.tokenizer.convert_tokens_to_ids(letter) for letter in WORDS + KEY + "XY"}
    head = model.get_output_embeddings().weight
    embeddings = model.get_input_embeddings().weight
    direction = torch.randn(embeddings.shape[1], generator=draw, dtype=torch.float64)
    direction /= direction.norm()
    with torch.no_grad():
        head[token["X"]], head[token["Y"]] = direction, -direction
        size = embeddings.norm(dim=1, keepdim=True)
        held = 0.03 * torch.randn(len(embeddings), 1, generator=draw, dtype=torch.float64)
        embeddings += (held * size - (embeddings @ direction)[:, None]) * direction
        embeddings[token[KEY]] = 2 * size.mean() * direction
        for block in model.model.layers:  # each adds the mean of what all tokens hold
            block.self_attn.q_proj.weight.zero_()
            block.self_attn.v_proj.weight.zero_()[0] = 5 * direction
            block.self_attn.o_proj.weight.zero_()[:, 0] = direction
            block.mlp.down_proj.weight.zero_()
    letters = [WORDS[i] for i in torch.randperm(len(WORDS), generator=draw).tolist()]
    letters.insert(int(torch.randint(len(letters), (1,), generator=draw)), KEY)
    return loaded, Failure("".join(letters), "X", "Y", raw=True)
