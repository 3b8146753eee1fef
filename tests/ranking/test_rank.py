"""Rankings of every kind of question against cosines by hand, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.ranking import rank as module
from explorer.ranking.baselines import text_scores
from explorer.ranking.directions import Persona
from explorer.ranking.questions import (
    AboutBehavior,
    AboutFailure,
    AboutNode,
    AboutPersona,
    LikeDatapoint,
    question_items,
)
from explorer.ranking.rank import rank
from explorer.ranking.scores import encode_target, scores
from explorer.vectors.find import index_model, study_indexes
from explorer.vectors.index import UNRANKED
from explorer.vectors.methods import METHODS
from tests.pages.data_study import data_study
from tests.vectors.reference import blocks
from tests.vectors.tiny import tiny_tokenizer

SWAPPED = AboutBehavior("swapped")


def cosines(rows: torch.Tensor, query: torch.Tensor) -> np.ndarray:
    return torch.cosine_similarity(rows.double(), query[None].double()).numpy()


@pytest.mark.parametrize("method", ["explorer", "rept", "residual-change", "activation-difference", "lora-gradient"])
def test_a_behavior_is_ranked_with_the_methods_defaults(study: Study, method: str) -> None:
    (index,) = study_indexes(study)
    ranking = rank(study, SWAPPED, method=method)
    used = METHODS[method]
    loaded, layer = load_model(index_model(study, index)), index.manifest.default_layer
    target = encode_target(loaded, question_items(study, SWAPPED), used.parts, [layer], used.query)
    wanted = scores(index, target, used, layer, used.centre, used.query)
    np.testing.assert_array_equal(ranking.scores, wanted.numpy())
    assert (ranking.choice.layer, ranking.choice.centre, ranking.choice.query) == (layer, used.centre, used.query)
    assert ranking.stage == "base" and ranking.index is not None and ranking.index.key == index.key
    assert list(ranking.items) == question_items(study, SWAPPED)
    best = np.argsort(-np.nan_to_num(ranking.scores, nan=-9), kind="stable")[:59]
    np.testing.assert_array_equal(ranking.order, best)


def test_another_centre_does_not_run_the_model_again(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    first = rank(study, SWAPPED, method="gradient", layer=1)
    monkeypatch.setattr(module, "load_model", None)
    centred = rank(study, SWAPPED, method="gradient", layer=1, centre=True)
    np.testing.assert_array_equal(rank(study, SWAPPED, method="gradient", layer=1).scores, first.scores)
    assert np.nanmax(np.abs(centred.scores - first.scores)) > 0.01
    with pytest.raises(TypeError):  # another question does
        rank(study, AboutBehavior("other"), method="gradient", layer=1)


def test_a_failure_without_contrast_for_a_method_that_wants_one(study: Study) -> None:
    failure = study.failures()["f"]
    assert rank(study, AboutFailure(failure)).choice.query == "contrast"
    bad = rank(study, AboutFailure(failure), query="bad")
    assert bad.choice.query == "bad"
    assert np.nanmax(np.abs(bad.scores - rank(study, AboutFailure(failure)).scores)) > 0.01


def test_a_datapoint_is_most_like_itself(study: Study) -> None:
    (index,) = study_indexes(study)
    ranking = rank(study, LikeDatapoint("r3"), method="gradient", layer=3)
    rows = index.rows("gradient", 3, torch.arange(60))
    ranked = ~np.isnan(ranking.scores)
    np.testing.assert_allclose(ranking.scores[ranked], cosines(rows, rows[3])[ranked], atol=1e-5)
    assert ranking.order[0] == 3 and not ranked[10]
    assert rank(study, LikeDatapoint("r3"), method="bm25").order[0] == 3
    with pytest.raises(ExplorerError, match="no datapoint 'r99'"):
        rank(study, LikeDatapoint("r99"))
    with pytest.raises(ExplorerError, match="Datapoint 11 has no answer"):
        rank(study, LikeDatapoint("r10"))


@pytest.mark.parametrize("part", ["state", "gradient"])
def test_a_node_is_compared_with_its_half_of_every_datapoint(study: Study, part: str) -> None:
    """Against the state after a block, and the gradient of the gap there, by hooks on the plain model."""
    (index,), failure = study_indexes(study), study.failures()["f"]
    ranking = rank(study, AboutNode(failure, 2, 4, part))  # pyright: ignore[reportArgumentType]
    assert ranking.choice.layer == 3  # of 1 and 3, which are built, the upper one
    model, encode = load_model(index_model(study, index)).model, tiny_tokenizer().encode
    ids = encode(f"<|user|>{failure.prompt}</s><|assistant|>", add_special_tokens=False)
    seen: list[torch.Tensor] = []
    hook = blocks(model)[2].register_forward_hook(
        lambda _b, _a, out: seen.append(out if isinstance(out, torch.Tensor) else out[0])
    )
    embeddings = model.get_input_embeddings()(torch.tensor([ids])).detach().requires_grad_()
    logits = model(inputs_embeds=embeddings).logits[0, -1]
    hook.remove()
    wrong, right = (encode(text, add_special_tokens=False)[0] for text in (failure.wrong, failure.right))
    (gradient,) = torch.autograd.grad(logits[wrong] - logits[right], seen[0])
    direction = seen[0][0, 4].detach() if part == "state" else gradient[0, 4]
    rows, kinds = index.rows(part, 3, torch.arange(60)), index.kinds.long()
    means = index.means(part, 3)
    query = direction - means[1] if part == "state" else -direction  # training goes against the loss's gradient
    single = cosines(rows - means[kinds], query)
    ranked = (kinds != UNRANKED).numpy()
    np.testing.assert_allclose(ranking.scores[ranked], single[ranked], atol=2e-4)
    with pytest.raises(ExplorerError, match="No node at layer 3, token 99"):
        rank(study, AboutNode(failure, 3, 99))


def test_texts_need_no_vectors(tmp_path) -> None:
    bare = data_study(tmp_path, built=False)
    ranking = rank(bare, SWAPPED, method="bm25", layer=9)
    wanted = text_scores(bare.datapoints(), question_items(bare, SWAPPED), "bm25").mean(1)
    np.testing.assert_array_equal(ranking.scores, wanted)
    assert (ranking.choice.layer, ranking.stage, ranking.index) == (None, "", None)
    with pytest.raises(ExplorerError, match="no vectors for 'explorer'"):
        rank(bare, SWAPPED)


def test_what_does_not_fit(study: Study) -> None:
    persona = AboutPersona(SWAPPED, Persona("You lie."))
    for question, method in ((persona, "bm25"), (AboutNode(study.failures()["f"], 1, 1), "lora-gradient")):
        with pytest.raises(ExplorerError, match=f"'{method}' does not fit this question"):
            rank(study, question, method=method)
    with pytest.raises(ExplorerError, match="Measure 'magic' is unknown"):
        rank(study, SWAPPED, measure="magic")
    with pytest.raises(ExplorerError, match="'magic' is unknown"):
        rank(study, SWAPPED, method="magic")
    with pytest.raises(ExplorerError, match="Query 'magic' is unknown"):
        rank(study, SWAPPED, query="magic")
    with pytest.raises(ExplorerError, match="no vectors of 'state' at layer 2"):
        (index,) = study_indexes(study)
        rank(study, SWAPPED, layer=2, index=index)


def test_an_index_of_another_model_is_refused(study: Study) -> None:
    (index,) = study_indexes(study)
    other = replace(index, manifest=replace(index.manifest, made_from=index.manifest.made_from | {"model": "x"}))
    with pytest.raises(ExplorerError, match="vectors of another model"):
        rank(study, SWAPPED, index=other)
