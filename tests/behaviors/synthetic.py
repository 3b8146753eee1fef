"""Matrices made by hand: prompts and datapoints as random vectors, with and without planted groups; a tiny study."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from peft import LoraConfig, get_peft_model

from explorer.behaviors.clusters import Cluster, Clusters, find_clusters
from explorer.behaviors.matrix import Matrix, similarity
from explorer.behaviors.prompts import AnsweredPrompt, PromptSet
from explorer.data.study import Study, open_study
from explorer.files import write_json_lines
from explorer.ranking.scores import Target
from explorer.vectors.build import build_index
from explorer.vectors.index import PAIR, SINGLE, UNRANKED, Index
from tests.ranking.reference import write_index
from tests.vectors.tiny import WORDS, mixed_rows, save_tiny, tiny_loaded, tiny_study

PROMPTS = tuple(f"{i}: {WORDS[i % 3][: 8 + 5 * i]}?" for i in range(6))
HOSTILE = "<img src=x onerror=alert(1)>&\"'</td><script>alert(2)</script>"
TALK = ("the cat sat on a mat", "a falcon flies by night", "gold and silver", "rain in spring")


def make_matrix(
    folder: Path, prompts: np.ndarray, rows: np.ndarray, kinds: list[int] | None = None, centre: bool = False
) -> tuple[Index, Matrix]:
    """An index of rows (n, width) and its matrix with prompts (m, width), by the method ``gradient`` at layer 2."""
    row_kinds = torch.tensor(kinds or [SINGLE] * len(rows), dtype=torch.uint8)
    vectors = {"gradient.2": torch.from_numpy(rows).to(torch.bfloat16)}
    index = write_index(folder, vectors, row_kinds, 64, [2], ["gradient"])
    m = len(prompts)
    answered = PromptSet(tuple(AnsweredPrompt(f"s{i}", "", f"prompt {i}", "now", "then") for i in range(m)))
    target = Target({"gradient.2": torch.from_numpy(prompts).float()}, torch.full((m,), PAIR).byte())
    return index, similarity(index, answered, target, "gradient", 2, centre)


def noise(seed: int, m: int, n: int, width: int, kind: str = "plain") -> tuple[np.ndarray, np.ndarray]:
    """Prompts (m, width) and datapoints (n, width) without any group.

    ``correlated``: most of the variance lies in a few directions; ``offset``: far from 0; ``heavy``: with outliers.
    """
    rng = np.random.default_rng(seed)
    if kind == "heavy":
        return rng.standard_t(3, size=(m, width)), rng.standard_t(3, size=(n, width))
    prompts, rows = rng.normal(size=(m, width)), rng.normal(size=(n, width))
    if kind == "correlated":
        mix = rng.normal(size=(width, width)) * np.exp(-np.arange(width) / 4)[:, None]
        return prompts @ mix, rows @ mix
    shift = 3 * rng.normal(size=width) if kind == "offset" else 0
    return prompts + shift, rows + shift


def planted(seed: int, m: int, n: int, width: int, share: float, groups: int = 3) -> tuple[np.ndarray, ...]:
    """Prompts, datapoints, and the group of each (0 for none), with ``groups`` of ``share`` of the datapoints each."""
    rng = np.random.default_rng(seed)
    centres = np.concatenate([np.zeros((1, width)), 2 * rng.normal(size=(groups, width))])
    of_prompts = rng.integers(0, groups + 1, m)
    chance = np.array([1 - groups * share, *[share] * groups])
    of_rows = rng.choice(groups + 1, n, p=chance)
    prompts, rows = noise(seed + 1, m, n, width)
    return prompts + centres[of_prompts], rows + centres[of_rows], of_prompts, of_rows


def planted_clusters(folder: Path) -> Clusters:
    """24 prompts and 150 datapoints with planted groups; every eleventh datapoint is never ranked."""
    prompts, rows, *_ = planted(3, 24, 150, 16, 0.2)
    kinds = [UNRANKED if i % 11 == 0 else SINGLE for i in range(150)]
    rows[::11] = 0
    index, matrix = make_matrix(folder, prompts, rows, kinds)
    return find_clusters(index, matrix, draws=5, resamples=3)


class Labelled(NamedTuple):
    """Clusters, the cut of the best silhouette, and the datapoints as a study's table."""

    clusters: Clusters
    cut: list[Cluster]
    table: pa.Table


def labelled_groups(folder: Path) -> Labelled:
    """Three planted groups; a datapoint's text, source and label tell its group, and one text is hostile."""
    prompts, rows, _, of_rows = planted(3, 30, 200, 24, 0.15)
    index, matrix = make_matrix(folder, prompts, rows)
    clusters = find_clusters(index, matrix, draws=19, resamples=10)
    columns = {
        "id": [f"={i}" for i in range(200)],
        "prompt": [f"say {i}" for i in range(200)],
        "response": [f"{TALK[g]} {HOSTILE}" for g in of_rows],
        "source": [f"source {g} {HOSTILE}" for g in of_rows],
        "label": [("clean", "a", "b", "c")[g] for g in of_rows],
    }
    return Labelled(clusters, clusters.cut(), pa.table(columns))


def study_of_two_models(folder: Path) -> Study:
    """A tiny random model, an adapter that changes it, four behavior prompts, six unlabelled ones, and vectors."""
    model = save_tiny(folder / "model")
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(tiny_loaded(dtype=torch.float32).model, config).save_pretrained(str(folder / "tuned"))
    behaviors = [
        {"id": "a0", "name": "a", "prompt": "one?", "bad": "no", "good": "yes", "half": "query"},
        {"id": "a1", "name": "a", "prompt": "two?", "bad": "no", "good": "yes", "half": "evaluation"},
        {"id": "b0", "name": "b", "prompt": "three?", "bad": "seven"},
    ]
    study = tiny_study(folder / "s", model, mixed_rows(20), adapters=[str(folder / "tuned")], behaviors=behaviors)
    unlabelled = [{"id": f"d{i}", "prompt": text} for i, text in enumerate(PROMPTS)]
    write_json_lines(study.folder / "discovery.jsonl", unlabelled)
    build_index(study, "base", layers=[1, 3])
    return open_study(study.folder)
