"""Rankings against unrelated questions: by hand, one question at a time, and on the demo, where the truth is known."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from explorer.data.study import Study
from explorer.demo.build import build_demo
from explorer.errors import ExplorerError
from explorer.model.load import LoadedModel, ModelSpec, load_model
from explorer.model.prompts import Prompt
from explorer.ranking import unrelated as module
from explorer.ranking.null import (
    LEVEL,
    TOP,
    Null,
    no_null,
    null_at_hand,
    null_scores,
    significance,
    source_significance,
    trained_on,
)
from explorer.ranking.questions import AboutBehavior, AboutFailure, AboutNode, LikeDatapoint
from explorer.ranking.rank import Choice, Ranking, rank, scores_choice
from explorer.ranking.scores import encode_target, scores
from explorer.ranking.unrelated import unrelated_questions, unrelated_vectors
from explorer.vectors.find import index_model, study_indexes
from explorer.vectors.items import Item
from explorer.vectors.methods import METHODS
from tests.pages.data_study import data_study

SWAPPED = AboutBehavior("swapped")
DRAWS = Path(__file__).parent / "unrelated_draws.toml"


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Study:
    """The demo study with its vectors and those of the unrelated questions, as shipped."""
    return build_demo(tmp_path_factory.mktemp("demo") / "demo")


def items_of(ended: bool) -> list[Item]:
    return [Item(Prompt(q.prompt), q.wrong, q.right, ended) for q in unrelated_questions()]


def drawn_items() -> dict[str, list[Item]]:
    """Name → items of the behaviors in ``unrelated_draws.toml``."""
    drawn = {}
    for name, (template, *lines) in tomllib.loads(DRAWS.read_text(encoding="utf-8")).items():
        texts = [[part.strip() for part in line.split(" | ")] for line in lines]
        drawn[name] = [Item(Prompt(template.replace("{}", what)), bad, good) for what, bad, good in texts]
    return drawn


@pytest.mark.parametrize("query", ["bad", "contrast"])
def test_vectors_of_unrelated_questions_are_those_of_a_behavior_of_theirs(study: Study, query: str):
    (index,) = study_indexes(study)
    loaded, parts, layers = load_model(index_model(study, index)), index.manifest.parts, index.manifest.layers
    wanted = encode_target(loaded, items_of(True), parts, layers, query)
    found = unrelated_vectors(study, index, True).target(query)
    assert found.kinds.tolist() == wanted.kinds.tolist()
    for key, x in wanted.vectors.items():
        torch.testing.assert_close(found.vectors[key], x, rtol=0.03, atol=0.03 * float(x.abs().max()))


@pytest.mark.parametrize(("method", "query"), [("explorer", None), ("rept", None), ("residual-change", "bank")])
@pytest.mark.parametrize("ended", [True, False])
def test_the_null_is_the_score_of_each_question_alone(study: Study, method: str, query: str | None, ended: bool):
    question = SWAPPED if ended else AboutFailure(study.failures()["f"])
    ranking = rank(study, question, method=method, query=query)
    (index,), subjects = study_indexes(study), [q.subject for q in unrelated_questions()]
    null, used = null_scores(study, ranking), METHODS[method]
    layer, centre, query, measure = scores_choice(ranking.choice)
    target = unrelated_vectors(study, index, ended).target(query)
    if not ended:
        groups = [[i] for i in range(len(subjects))]
    elif query == "bank":
        assert len(null.tops) == 63  # drawn
        return
    else:
        groups = [[i for i, name in enumerate(subjects) if name == one] for one in dict.fromkeys(subjects)]
    tops, best = [], []
    for group in groups:
        one = replace(target, vectors={k: x[group] for k, x in target.vectors.items()}, kinds=target.kinds[group])
        values = scores(index, one, used, layer, centre, query, measure=measure).numpy()
        tops.append(np.sort(values[~np.isnan(values)])[::-1][:TOP].mean())
        best.append(int(np.nanargmax(values)))
    np.testing.assert_allclose(null.tops, tops, atol=1e-5)
    assert (null.rows[0] == best).mean() > 0.9  # ties aside
    assert 10 not in null.rows  # never ranked
    np.testing.assert_array_equal(null.counts.sum(0), 59)
    low, usual, high = null.band(np.array([null.edges[0], null.edges[-1]]))
    assert low == usual == high == 59


def test_what_is_reached_by_more_than_one_in_twenty_is_no_stronger(study: Study):
    ranking = rank(study, SWAPPED)
    null = null_scores(study, ranking)
    above, below = np.nextafter(null.unusual, 9), np.nextafter(null.unusual, -9)
    assert null.p(above) <= LEVEL < null.p(below)
    for shift, kind in ((9.0, "stronger"), (-9.0, "no-stronger")):
        moved = replace(null, tops=null.tops - shift)
        verdict = significance(study, ranking, moved)
        assert verdict.kind == kind and verdict.questions == 63
        assert verdict.p == (1 / 64 if shift > 0 else 1.0)
        assert verdict.top == pytest.approx(np.sort(ranking.scores[~np.isnan(ranking.scores)])[-5:].mean())


def test_a_question_without_a_null_says_why(study: Study):
    failure = study.failures()["f"]
    for ranking, why in (
        (rank(study, SWAPPED, method="bm25"), "reads the texts alone"),
        (rank(study, LikeDatapoint("r3")), "not a prompt with a wrong answer"),
        (rank(study, AboutNode(failure, 3, 4)), "not a prompt with a wrong answer"),
    ):
        assert why in no_null(ranking) and not null_at_hand(study, ranking)
        with pytest.raises(ExplorerError, match=why):
            null_scores(study, ranking)
        verdict = significance(study, ranking, None)
        assert (verdict.kind, verdict.p) == ("unknown", None) and why in verdict.details


def test_a_model_that_never_saw_the_rows_gets_no_other_verdict(tmp_path):
    tuned = data_study(tmp_path, tuned=True)
    ranking = rank(tuned, AboutFailure(tuned.failures()["f"]))
    null = null_scores(tuned, ranking)
    assert trained_on(tuned, tuned.spec) and not trained_on(tuned, ModelSpec(tuned.model))
    assert significance(tuned, ranking, null, tuned.spec).kind in ("stronger", "no-stronger")
    verdict = significance(tuned, ranking, null, ModelSpec(tuned.model))
    assert verdict.kind == "untrained" and "was not trained on these rows" in verdict.sentence
    assert verdict.p == significance(tuned, ranking, null).p
    bare = data_study(tmp_path / "bare", built=False)
    assert trained_on(bare, ModelSpec(bare.model))  # a study without checkpoints is about its own model


def test_the_model_runs_once_and_damaged_vectors_are_made_again(tmp_path, monkeypatch):
    own = data_study(tmp_path)
    ranking = rank(own, SWAPPED)
    (index,) = study_indexes(own)
    assert not null_at_hand(own, ranking)
    told = []
    first = null_scores(own, ranking, lambda *step: told.append(step))
    assert told and null_at_hand(own, ranking)
    (file,) = (index.folder / "unrelated").iterdir()
    forget = lambda: (module._vectors._values.clear(), monkeypatch.setattr(module, "load_model", load_model))  # noqa: E731
    forget()
    monkeypatch.setattr(module, "load_model", None)
    unrelated_vectors(own, index, True)  # from the file
    for damage in ({"state.1": torch.zeros(2, 2)}, {"state.1": torch.full((252, 32), torch.nan, dtype=torch.bfloat16)}):
        save_file(load_file(file) | damage, file)
        forget()
        again = unrelated_vectors(own, index, True)
        assert all(x.isfinite().all() for x in again.wrong.values())
        assert {x.shape[0] for x in load_file(file).values()} == {252}
    assert first.tops.shape == (63,)


def fake_ranking(order: np.ndarray) -> Ranking:
    """Rows in this order."""
    values = np.empty(len(order))
    values[order] = -np.arange(len(order), dtype=float)
    return Ranking(Choice(), values)


def test_sources_are_compared_with_those_of_unrelated_questions():
    """Every question draws its rows from one of two sources: that is nothing special, all from a tiny third one is."""
    rng = np.random.default_rng(0)
    sources = np.array(["a"] * 95 + ["b"] * 95 + ["tiny"] * 10)
    k, r = 10, 199
    rows = np.stack([rng.choice(np.flatnonzero(sources == "ab"[i % 2]), k, False) for i in range(r)], axis=1)
    null = Null(np.zeros(r), rows, np.zeros(2), np.zeros((1, r)))
    rest = np.arange(200)

    def ps(first: np.ndarray) -> dict[str, float]:
        order = np.concatenate([first, np.setdiff1d(rest, first)])
        return {e.source: e.p for e in source_significance(fake_ranking(order), null, sources, k)}

    assert ps(np.arange(10))["a"] > 0.3  # where the hypergeometric chance is 4e-4
    assert ps(np.arange(190, 200))["tiny"] == 1 / 200
    assert np.isnan(source_significance(fake_ranking(rest), None, sources, k)[0].p)
    assert np.isnan(source_significance(fake_ranking(rest), null, sources, k + 1)[0].p)


def test_corrected_p_values_by_hand():
    """Westfall and Young's single-step maxT, one question and one source at a time."""
    rng = np.random.default_rng(1)
    sources, k, r = np.array(list("abcd" * 15)), 8, 39
    orders = [rng.permutation(60) for _ in range(r + 1)]
    null = Null(np.zeros(r), np.stack(orders[1:], axis=1), np.zeros(2), np.zeros((1, r)))
    found = {e.source: e.p for e in source_significance(fake_ranking(orders[0]), null, sources, k)}
    hits = {name: [sum(sources[i] == name for i in order[:k]) for order in orders] for name in "abcd"}
    z = {name: [(h - np.mean(all_)) / np.std(all_) for h in all_] for name, all_ in hits.items()}
    largest = [max(z[name][q] for name in "abcd") for q in range(r + 1)]
    for name, p in found.items():
        assert p == pytest.approx(np.mean([one >= z[name][0] for one in largest])), name


@pytest.mark.slow
def test_unrelated_behaviors_get_the_banner_and_planted_ones_never(demo: Study, smollm: LoadedModel):
    """40 behaviors that nothing planted, none of them among the questions of the null; the study's own four."""
    (index,) = study_indexes(demo)
    ranking = rank(demo, AboutBehavior("italy-to-portugal"))
    null = null_scores(demo, ranking)
    layer, centre, query, _ = scores_choice(ranking.choice)
    drawn, method = drawn_items(), METHODS["explorer"]
    assert len(drawn) == 40 and not set(drawn) & {q.subject for q in unrelated_questions()}
    items = [item for some in drawn.values() for item in some]
    target = encode_target(smollm, items, method.parts, [layer], query)
    weights = torch.block_diag(*[torch.full((1, len(some)), 1 / len(some)) for some in drawn.values()])
    values = scores(index, target, method, layer, centre, query, weights).numpy()
    kinds = [significance(demo, replace(ranking, scores=column), null).kind for column in values.T]
    assert kinds.count("no-stronger") >= 0.95 * len(drawn)
    for name in dict.fromkeys(behavior.name for behavior in demo.behaviors()):
        planted = rank(demo, AboutBehavior(name))
        assert significance(demo, planted, null_scores(demo, planted), demo.spec).kind == "stronger", name


@pytest.mark.slow
def test_a_planted_failure_never_gets_the_banner_and_an_untrained_model_always(demo: Study):
    from explorer.data.failures import shipped_failures
    from explorer.ranking.table import column

    planted = [failure for failure in demo.failures().values() if failure.kind == "planted"]
    assert planted
    for failure in planted:
        ranking = rank(demo, AboutFailure(failure))
        assert significance(demo, ranking, null_scores(demo, ranking), demo.spec).kind == "stronger", failure.id
    sources = column(demo.datapoints(), "source")
    for failure in list(shipped_failures().values())[:6]:
        ranking = rank(demo, AboutFailure(failure))
        null = null_scores(demo, ranking)
        assert significance(demo, ranking, null, ModelSpec()).kind == "untrained"
        for found in source_significance(ranking, null, sources, 50):
            assert found.p > 0.01, (failure.id, found)
