"""Which training examples taught a behavior: one question to a study, one ranking of all its datapoints."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from explorer.data.failures import Failure
from explorer.data.study import VECTORS, Study, tracing_prompts
from explorer.errors import ExplorerError
from explorer.model.load import DTYPES, LoadedModel, ModelSpec, dtype_of, load_model
from explorer.model.prompts import Prompt, encode_prompt
from explorer.ranking import metrics
from explorer.ranking.baselines import bm25_scores, random_scores
from explorer.ranking.scores import Target, encode_target, scores
from explorer.trace.contrast import make_contrast
from explorer.trace.trace import trace_ids
from explorer.vectors.build import Item, check_index, index_made_of
from explorer.vectors.index import MANIFEST, SINGLE, UNRANKED, Index, open_index, read_manifest
from explorer.vectors.methods import METHODS, QUERIES, Method


@dataclass(frozen=True)
class Choice:
    """How to rank. Empty fields are filled from the method's defaults and the index (``settle``)."""

    method: str = "explorer"
    layer: int | None = None
    centre: bool | None = None
    query: str | None = None


@dataclass(frozen=True)
class Ranking:
    """Scores (n,) of all datapoints in the study's order; nan for rows that are never ranked.

    ``choice.layer`` is None where the texts alone were read.
    """

    choice: Choice
    scores: np.ndarray

    def top(self, k: int) -> np.ndarray:
        """Row numbers of the k best, best first."""
        return metrics.top(self.scores, k)

    @property
    def percentiles(self) -> np.ndarray:
        """(n,) share of ranked rows in per cent that score lower; nan for rows that are never ranked."""
        ranked = ~np.isnan(self.scores)
        ordered = np.sort(self.scores[ranked])
        found = np.full(len(self.scores), np.nan)
        found[ranked] = 100 * np.searchsorted(ordered, self.scores[ranked]) / len(ordered)
        return found


def behavior_items(study: Study, name: str) -> list[Item]:
    """The prompts of a behavior to trace with: its query half where a split was made, else all of them."""
    prompts = tracing_prompts(study.behavior(name))
    return [Item(Prompt(b.prompt, raw=study.template == "raw"), b.bad, b.good or None) for b in prompts]


def failure_items(failure: Failure) -> list[Item]:
    """A failure as a behavior of one prompt: its wrong answer is the bad one, its right answer the good one."""
    return [Item(failure.as_prompt(), failure.wrong, failure.right)]


def study_indexes(study: Study) -> list[Index]:
    """Complete indexes of the study's present rows, by checkpoint in training order; others are passed over.

    A damaged one raises ExplorerError that names what is broken.
    """
    folder = study.folder / VECTORS
    found = []
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        if place.is_dir() and (place / MANIFEST).is_file():
            manifest = read_manifest(place)
            if manifest.complete and index_made_of(study, manifest):
                found.append(open_index(place))
    order = {name: i for i, name in enumerate(study.checkpoints())}
    return sorted(found, key=lambda index: order.get(index.manifest.checkpoint, len(order)))


def pick_index(study: Study, method: str, layer: int | None = None, stage: str | None = None) -> Index:
    """The index to answer with: of the wanted stage (default: the earliest checkpoint), with the method's parts.

    Raises ExplorerError that says what to build where there is none.
    """
    parts = METHODS[method].parts if method in METHODS else ()
    checkpoint = study.checkpoint(stage)[0] if stage else None
    have = study_indexes(study)
    for index in have:
        m = index.manifest
        fits = set(parts) <= set(m.parts) and (layer is None or layer in m.layers)
        if fits and checkpoint in (None, m.checkpoint):
            return index
    there = "; ".join(f"{i.manifest.checkpoint}: layers {', '.join(map(str, i.manifest.layers))}" for i in have)
    asked = f" at layer {layer}" if layer else ""
    raise ExplorerError(
        f"{study.folder}: no vectors for '{method}'{asked}{f' in {checkpoint}' if checkpoint else ''}; "
        f"built are {there or 'none'}. Run 'explorer build {Path(study.folder).name}' first."
    )


def settle(choice: Choice, index: Index | None, items: Sequence[Item]) -> tuple[Method, Choice]:
    """The method, and the choice with nothing left open. Raises ExplorerError for an unknown method, layer or query.

    Only a method that reads the texts alone can do without an index.
    """
    if choice.method not in METHODS:
        raise ExplorerError(f"Method '{choice.method}' is unknown; expected one of {', '.join(METHODS)}.")
    method = METHODS[choice.method]
    query = choice.query or method.query
    if query not in QUERIES:
        raise ExplorerError(f"Query '{query}' is unknown; expected one of {', '.join(QUERIES)}.")
    if query == "contrast" and choice.query is None and any(item.other is None for item in items):
        query = "bad"
    if index is None and method.parts:
        raise ExplorerError(f"Method '{choice.method}' needs the study's vectors; run 'explorer build' first.")
    layer = choice.layer if method.parts else None
    if layer is None and index is not None and method.parts:
        layer = index.manifest.default_layer
    centre = method.centre if choice.centre is None else choice.centre
    return method, Choice(choice.method, layer, centre, query)


def target_of(loaded: LoadedModel, items: Sequence[Item], index: Index, choice: Choice) -> Target:
    """The query vectors for a settled choice; the slow part of a ranking, worth keeping."""
    method, full = settle(choice, index, items)
    check_index(index, loaded)
    return encode_target(loaded, items, method, _layers(full), full.query or "")


def rank(
    study: Study, index: Index | None, items: Sequence[Item], choice: Choice, target: Target | None = None
) -> Ranking:
    """Score every datapoint of the study for a behavior given by its items.

    ``index`` may be None for a method that reads the texts alone.

    ``target``: what ``target_of`` made for the same choice; computed in the index's model where absent.
    """
    method, full = settle(choice, index, items)
    if not method.parts:
        return Ranking(full, text_scores(study.datapoints(), items, choice.method).mean(1))
    assert index is not None  # settle sees to it
    if target is None:
        target = target_of(load_model(index_model(study, index)), items, index, full)
    found = scores(index, target, method, _layers(full), bool(full.centre), full.query or "")
    return Ranking(full, found.numpy())


def rank_like(index: Index, row: int, choice: Choice) -> Ranking:
    """Score datapoints by one of them, whose own stored vector is the query; it scores 1 itself.

    Raises ExplorerError for a row that is never ranked, and for a method that has no vectors.
    """
    method, full = settle(replace(choice, query="bad"), index, [])
    if not method.parts:
        raise ExplorerError(f"Method '{choice.method}' has no vectors to compare; choose another.")
    kind = index.kinds[row]
    if kind == UNRANKED:
        raise ExplorerError(f"Datapoint {row + 1} has no answer, so nothing is like it.")
    (layer,) = _layers(full)
    for part in method.parts:
        index.require(part, layer)
    vectors = {f"{part}.{layer}": index.rows(part, layer, torch.tensor([row])) for part in method.parts}
    found = scores(index, Target(vectors, kind[None]), method, [layer], bool(full.centre), "bad")
    return Ranking(full, found.numpy())


def node_vector(loaded: LoadedModel, failure: Failure, layer: int, token: int, part: str) -> Tensor:
    """(width,) what a graph node looks for: its ``state``, or its ``gradient`` −∂Δℓ/∂H, in a given model.

    The sign makes it comparable with loss gradients: the loss of the wrong answer falls where its gap grows. Raises
    ExplorerError where the prompt has no such token or the model no such layer.
    """
    encoded = encode_prompt(loaded, failure.as_prompt())
    contrast = make_contrast(loaded, encoded, failure.wrong, failure.right)
    ids = [t.id for t in contrast.tokens]
    if not (0 <= layer <= loaded.n_layers and 0 <= token < len(ids)):
        raise ExplorerError(f"No node at layer {layer}, token {token}; the prompt has {len(ids)} tokens.")
    trace = trace_ids(loaded.view("gradient"), ids, contrast.target, contrast.foil, record=True)
    assert trace.passes is not None
    return trace.passes.states[layer][token] if part == "state" else -trace.passes.gradients[layer][token]


def rank_by_state(index: Index, vector: Tensor, part: str, layer: int, method: str) -> Ranking:
    """Score datapoints by a graph node: its state or its gradient ∂Δℓ/∂H (width,) at a layer, against the same part.

    Centred cosine: which training examples put the model into this state here.
    """
    index.require(part, layer)
    plain = Method(method, "", "", (part,), centre=True)
    target = Target({f"{part}.{layer}": vector[None].float()}, torch.tensor([SINGLE]))
    found = scores(index, target, plain, [layer], True, "contrast")
    return Ranking(Choice(method, layer, True, "contrast"), found.numpy())


def index_model(study: Study, index: Index) -> ModelSpec:
    """The model that an index was made in, in the precision that it was made in, whatever is usual on this machine."""
    spec, made = study.checkpoint(index.manifest.checkpoint)[1], index.manifest.made_from.get("dtype")
    return replace(spec, dtype=made) if made in DTYPES and DTYPES[made] != dtype_of(spec) else spec


def _layers(choice: Choice) -> list[int]:
    return [] if choice.layer is None else [choice.layer]


def text_scores(table: pa.Table, items: Sequence[Item], method: str) -> np.ndarray:
    """(n, m) scores by ``bm25`` or ``random`` for each of m items alone; nan for rows that are never ranked."""
    if method == "random":
        found = np.stack([random_scores(table.num_rows, seed) for seed in range(len(items))], axis=1)
    else:
        found = bm25_scores(texts(table), [f"{item.prompt.text} {item.answer}" for item in items])
    found[_unanswered(table)] = np.nan
    return found


def _unanswered(table: pa.Table) -> np.ndarray:
    """(n,) bool: rows without a word in an answer, of a pair in either answer; a response makes a row no pair."""
    none = [None] * table.num_rows
    columns = (
        table[name].to_pylist() if name in table.column_names else none for name in ("response", "chosen", "rejected")
    )
    rows = zip(*columns, strict=True)
    said = [[response or ""] if response or a is None else [a, b or ""] for response, a, b in rows]
    return np.array([not all(map(str.strip, answers)) for answers in said], bool)


def texts(table: pa.Table) -> list[str]:
    """Prompt and answer (the chosen one of a pair) of every row, for baselines and searches."""
    columns = {name: table[name].to_pylist() for name in ("prompt", "response", "chosen") if name in table.column_names}
    none = [None] * table.num_rows
    rows = zip(columns["prompt"], columns.get("response", none), columns.get("chosen", none), strict=True)
    return [f"{prompt} {response or chosen or ''}" for prompt, response, chosen in rows]
