"""What vectors and rankings cost: against bare passes, against the published scripts' way, against a bare product."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.timing import medians
from explorer.demo.corpus import build_corpus
from explorer.model.hooks import Args, Kwargs, hidden_states, hooked, with_hidden_states
from explorer.model.load import LoadedModel
from explorer.model.residual import decoder_blocks, recorded_residual
from explorer.ranking.scores import Target, scores
from explorer.vectors.index import SINGLE, STATS, Index, Manifest, statistics, write_tensors
from explorer.vectors.items import Item, encode_items, item_vectors, row_items
from explorer.vectors.layers import late_layer
from explorer.vectors.methods import DEFAULT_PARTS, METHODS
from explorer.vectors.one_pass import one_pass
from explorer.vectors.tokenize import Exchange, batches, encode_exchanges, padded


def bench_vectors(loaded: LoadedModel, rows: int, repeats: int) -> list[dict[str, Any]]:
    """The default parts at the default layer, and all parts at three layers, on rows of the demo (pairs among them).

    Against bare passes over the same padded batches, and against one example and one method at a time.
    """
    corpus = [row.to_json() for row in build_corpus()]
    items = row_items(corpus[:: max(1, len(corpus) // rows)][:rows], raw=False)
    exchanges, owners = [], []
    for row, both in enumerate(encode_items(loaded, items)):
        exchanges += both
        owners += [row] * len(both)
    late, three = [late_layer(loaded.n_layers)], [loaded.n_layers // 2, 3 * loaded.n_layers // 4, loaded.n_layers - 2]
    few = items[: max(4, rows // 8)]
    seconds = medians(
        {
            "default": lambda: item_vectors(loaded, items, late, DEFAULT_PARTS),
            "all": lambda: item_vectors(loaded, items, three),
            "forward": lambda: _forward(loaded, exchanges, owners),
            "both ways": lambda: _bare(loaded, exchanges, min(three)),
            "singly": lambda: _singly(loaded, few, late, DEFAULT_PARTS),
        },
        repeats,
    )
    singly = seconds["singly"] * len(items) / len(few)
    work = {"vectors": "default", "datapoints": len(items), "seconds": seconds["default"]}
    every = {"vectors": "all, three layers", "datapoints": len(items), "seconds": seconds["all"]}
    return [
        {**work, "against": "a bare forward pass", **_ratio(seconds["forward"], seconds["default"], "≤ 0.8")},
        {**every, "against": "forward and back, bare", **_ratio(seconds["both ways"], seconds["all"], "≤ 1.1")},
        {**work, "against": f"one by one ({len(few)} timed)", **_ratio(seconds["default"], singly, "≥ 20", singly)},
    ]


def _ratio(below: float, above: float, goal: str, other: float | None = None) -> dict[str, Any]:
    """The columns of a comparison: seconds of the other work (default ``below``), and ``above`` over ``below``."""
    return {"other_seconds": below if other is None else other, "ratio": above / below, "goal": goal}


def _forward(loaded: LoadedModel, exchanges: list[Exchange], owners: list[int]) -> None:
    """A forward pass over the padded batches that vectors are made of; nothing is kept."""
    with torch.inference_mode():
        for numbers in batches(exchanges, owners=owners):
            loaded.model(input_ids=padded([exchanges[i] for i in numbers], loaded.model.device), use_cache=False)


def _bare(loaded: LoadedModel, exchanges: list[Exchange], lowest: int) -> None:
    """Forward with a loss over the answers, backward to the activations of the lowest layer; nothing is kept."""
    model = loaded.model
    block = decoder_blocks(model)[lowest - 1]
    for numbers in batches(exchanges):
        batch = [exchanges[i] for i in numbers]
        ids = padded(batch, model.device)
        first = min(e.spans[0][0] for e in batch) - 1
        labels = torch.full_like(ids, -100)
        for row, e in enumerate(batch):
            for start, end in e.spans:
                labels[row, start:end] = ids[row, start:end]
        leaves: list[Tensor] = []

        def enter(_block: nn.Module, args: Args, kwargs: Kwargs, leaves: list[Tensor] = leaves) -> tuple[Args, Kwargs]:
            leaves.append(hidden_states(args, kwargs).detach().requires_grad_())
            return with_hidden_states(args, kwargs, leaves[0])

        with hooked() as handles, torch.enable_grad():
            handles.append(block.register_forward_pre_hook(enter, with_kwargs=True))
            logits = model(input_ids=ids, use_cache=False, logits_to_keep=ids.shape[1] - first).logits
            predicted = logits[:, :-1].flatten(0, 1).float()
            loss = nn.functional.cross_entropy(predicted, labels[:, first + 1 :].flatten())
            torch.autograd.grad(loss, leaves[0])


def _singly(loaded: LoadedModel, items: list[Item], layers: list[int], parts: Sequence[str]) -> None:
    """The published scripts' way: every method runs the model anew, one example at a time, down to the embeddings."""
    for exchange in encode_exchanges(loaded, [reply for item in items for reply in item.replies]):
        ids = torch.tensor([exchange.ids], device=loaded.model.device)
        for part in parts:
            if part in ("activation", "lora"):  # no gradient; or a gradient of its own parameters, which our pass has
                one_pass(loaded.view("gradient"), [exchange], layers, [part])
                continue
            with torch.enable_grad(), recorded_residual(loaded.view("gradient")) as recording:
                logits = loaded.view("gradient")(input_ids=ids, use_cache=False).logits[0]
                shifted = logits[exchange.start - 1 : -1].float()
                loss = nn.functional.cross_entropy(shifted, ids[0, exchange.start :])
                torch.autograd.grad(loss, [recording.states[layer] for layer in layers])


def bench_ranking(n: int, queries: int, repeats: int, width: int = 576) -> list[dict[str, Any]]:
    """Scores of ``n`` datapoints for many queries, two parts of ``width``, against the bare bfloat16 products."""
    with tempfile.TemporaryDirectory() as scratch:
        index = _synthetic(Path(scratch), n, width)
        generator = torch.Generator().manual_seed(1)
        vectors = {f"{part}.1": torch.randn(queries, width, generator=generator) for part in index.manifest.parts}
        target = Target(vectors, torch.full((queries,), SINGLE))
        method = METHODS["explorer"]
        right = {part: vectors[f"{part}.1"].T.bfloat16().contiguous() for part in index.manifest.parts}

        def bare() -> None:
            for part, q in right.items():
                for _, block in index.blocks(part, 1):
                    torch.mm(block, q)

        one = Target({k: v[:1] for k, v in vectors.items()}, target.kinds[:1])
        works: dict[str, Callable[[], object]] = {
            "ranking": lambda: scores(index, target, method, 1, True, "bad", torch.eye(queries), exact=False),
            "bare": bare,
            "one": lambda: scores(index, one, method, 1, True, "bad"),
        }
        seconds = medians(works, repeats)
    return [
        {
            "datapoints": n,
            "behaviors": queries,
            "width": 2 * width,
            "seconds": seconds["ranking"],
            "product_seconds": seconds["bare"],
            "ratio": seconds["ranking"] / seconds["bare"],
            "goal": 1.3,
            "one_behavior_float32_seconds": seconds["one"],
        }
    ]


def _synthetic(folder: Path, n: int, width: int) -> Index:
    """A complete index of random vectors."""
    parts = list(METHODS["explorer"].parts)
    manifest = Manifest("base", {"synthetic": n}, n, 4096, [1], parts, 1)
    generator = torch.Generator().manual_seed(0)
    for name, first, last in manifest.shards:
        rows = last - first
        tensors = {f"{p}.1": torch.randn(rows, width, generator=generator).bfloat16() for p in parts}
        manifest.files[name] = write_tensors(folder, name, tensors | {"kinds": torch.ones(rows, dtype=torch.uint8)})
    manifest.files[STATS] = write_tensors(folder, STATS, statistics(Index(folder, manifest)))
    manifest.write(folder)
    return Index(folder, manifest)
