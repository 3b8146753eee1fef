"""Models taken as they are in memory, and what objects say of themselves in one line."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from explorer import Failure, attribution_graph, explain, in_memory, open_study
from explorer.errors import ModelError
from explorer.model.load import ModelSpec, load_model
from tests.pages.data_study import data_study
from tests.vectors.tiny import save_tiny, tiny_loaded, tiny_tokenizer

FAILURE = Failure("two plus two is", "eight", "four", raw=True)


def test_a_model_in_memory_is_explained_as_its_files_are(tmp_path):
    folder = save_tiny(tmp_path / "model")
    model = tiny_loaded(dtype=torch.float32).model.requires_grad_(True).train()
    loaded = in_memory(model, tiny_tokenizer(), "mine")
    assert repr(loaded) == "LoadedModel(mine, 3 layers, float32 on cpu)"
    ours, theirs = (explain(FAILURE, which) for which in (loaded, load_model(ModelSpec(str(folder)))))
    assert ours.trace.gap == pytest.approx(theirs.trace.gap, abs=1e-5) and ours.model == "mine"
    torch.testing.assert_close(torch.tensor(ours.relevance), torch.tensor(theirs.relevance), rtol=1e-4, atol=1e-6)
    graph = attribution_graph(FAILURE, loaded)
    assert graph.drawing.nodes and len(repr(graph)) < 120 and "nodes" in repr(graph)
    assert model.training and all(p.requires_grad and p.grad is None for p in model.parameters())
    weight = next(iter(loaded.model.parameters()))
    assert weight.data_ptr() == next(iter(model.parameters())).data_ptr() and not weight.requires_grad
    with pytest.raises(ModelError, match="mine was taken as it is in memory"):
        load_model(loaded.spec)


def test_what_is_no_model_is_refused_in_words():
    model = tiny_loaded(dtype=torch.float32).model
    adapted = get_peft_model(model, LoraConfig(target_modules=["q_proj"]))
    with pytest.raises(ModelError, match=r"PeftModel is no model of transformers; merge its adapter first"):
        in_memory(adapted, tiny_tokenizer())  # pyright: ignore
    with pytest.raises(ModelError, match="no fast one"):
        in_memory(tiny_loaded().model, object())  # pyright: ignore


def test_objects_are_one_short_line(tmp_path):
    study = data_study(tmp_path)
    from explorer import AboutBehavior, rank

    explanation = explain(FAILURE, tiny_loaded(dtype=torch.float32))
    ranking = rank(open_study(study.folder), AboutBehavior("swapped"), layer=1)
    things = (explanation, explanation.trace, study, ranking, ranking.index)
    for thing in things:
        assert repr(thing).startswith(type(thing).__name__ + "(") and "\n" not in repr(thing)
        assert len(repr(thing).replace(str(study.folder), "")) < 120
    assert "layer 1" in repr(ranking) and "datapoints ranked" in repr(ranking)
