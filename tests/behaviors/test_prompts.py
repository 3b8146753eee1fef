"""Rows of the matrix: behaviors' prompts, and discovery prompts with what two checkpoints answer, generated once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from explorer.behaviors import matrix as matrix_module
from explorer.behaviors import prompts as module
from explorer.behaviors.matrix import similarity, subject_vectors
from explorer.behaviors.pipeline import discover, reference_for
from explorer.behaviors.prompts import (
    ANSWERS,
    Subject,
    Subjects,
    behavior_subjects,
    cached_answers,
    discovery_subjects,
    read_discovery,
    study_subjects,
)
from explorer.behaviors.vector_cache import FOLDER, subject_name
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model import generate as generation
from explorer.model.load import load_model
from explorer.ranking.rank import Choice
from explorer.ranking.scores import encode_target, scores
from explorer.vectors.build import build_index
from explorer.vectors.fingerprint import model_digest
from explorer.vectors.index import Index
from explorer.vectors.methods import METHODS
from tests.behaviors.conftest import PROMPTS


def index_of(study: Study) -> Index:
    return build_index(study, "base", layers=[1, 3])


def test_behaviors_give_their_query_half_and_pairs_where_there_is_a_good_answer(study: Study) -> None:
    found = behavior_subjects(study)
    assert [(s.id, s.name, s.answer, s.other) for s in found] == [("a0", "a", "no", "yes"), ("b0", "b", "seven", None)]
    assert study_subjects(study, "behaviors") == Subjects(tuple(found))


def test_discovery_prompts_are_answered_by_both_models_and_kept_where_they_differ(study: Study) -> None:
    found = discovery_subjects(study)
    assert found.models == ("tuned", "base")
    assert len(found.rows) + len(found.unchanged) == len(PROMPTS) and found.rows
    answers = [
        generation.answers(load_model(spec), [found.rows[0].item(raw=False).prompt])[0]
        for spec in (study.spec, study.reference_spec)
    ]
    assert [found.rows[0].answer, found.rows[0].other] == answers and answers[0] != answers[1]
    assert all(s.name == "" and s.answer != s.other for s in found.rows)
    both = study_subjects(study)
    assert both.rows == (*behavior_subjects(study), *found.rows) and both.unchanged == found.unchanged


def test_prompts_answered_alike_are_set_apart(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    alike = {"tuned": ["same", "new", *["same"] * 4], "base": ["same", "old", *["same"] * 4]}
    monkeypatch.setattr(module, "cached_answers", lambda _s, name, *_rest: alike[name])
    found = discovery_subjects(study)
    assert [s.id for s in found.rows] == ["d1"] and found.unchanged == ("d0", "d2", "d3", "d4", "d5")
    alike["tuned"] = alike["base"]
    with pytest.raises(ExplorerError, match="no behavior prompt to cluster; both models answer all 6 prompts alike"):
        study_subjects(study, "discovery")


def test_answers_are_made_once_and_a_stopped_run_goes_on(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = discovery_subjects(study)
    asked: list[int] = []
    real = module.answered

    def spy(loaded, prompts, **named):
        asked.append(len(prompts))
        return real(loaded, prompts, **named)

    monkeypatch.setattr(module, "answered", spy)
    assert discovery_subjects(study) == expected and asked == []
    path = study.folder / ANSWERS / "base.jsonl"
    lines = [line for line in path.read_text().split("\n") if line]
    assert len(lines) == len(PROMPTS)
    path.write_text("\n" + "\n".join(lines[:3]) + "\n" + lines[3][:25])  # killed in the middle of a line
    assert discovery_subjects(study) == expected and asked == [3]
    assert discovery_subjects(study) == expected and asked == [3]
    other = [line | {"model": "another"} for line in map(json.loads, lines)]
    path.write_text("".join("\n" + json.dumps(line | {"answer": "wrong"}) for line in other))
    assert discovery_subjects(study) == expected and asked == [3, 6]


def test_progress_counts_the_prompts(study: Study) -> None:
    (study.folder / ANSWERS / "base.jsonl").unlink(missing_ok=True)
    told: list[tuple[int, int]] = []
    cached_answers(study, "base", study.reference_spec, PROMPTS, lambda done, of: told.append((done, of)))
    assert told[-1] == (6, 6)


@pytest.mark.parametrize(
    ("line", "said"),
    (
        ('{"id": "x"}', "line 1: field 'prompt' is missing or empty"),
        ('{"id": "x", "prompt": " "}', "line 1: field 'prompt' is missing or empty"),
        ('{"id": 3, "prompt": "a"}', "line 1: field 'id' is missing or empty"),
        ('{"id": "x", "prompt": "a"}\n{"id": "x", "prompt": "b"}', "line 2: id 'x' stands in the file twice"),
        ("[1]", "line 1: expected an object"),
    ),
)
def test_a_broken_file_of_prompts(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "discovery.jsonl").write_text(line)
    with pytest.raises(ExplorerError, match=said):
        read_discovery(tmp_path / "discovery.jsonl")


def test_the_reference_must_be_another_model(study: Study) -> None:
    with pytest.raises(ExplorerError, match="'tuned' is the model under study itself"):
        discovery_subjects(study, "tuned")


# --- the matrix of a real index ---------------------------------------------------------------------------------------


def test_the_matrix_is_each_pairs_score(study: Study) -> None:
    """Row by row what ranking by one prompt's pair gives, but for the rounding of kept vectors to bfloat16."""
    index, rows = index_of(study), study_subjects(study)
    target = subject_vectors(study, index, rows)
    loaded = load_model(study.checkpoints()["base"])
    for name, layer in (("explorer", 3), ("gradient", 1), ("activation-difference", 3)):
        matrix = similarity(index, rows, target, Choice(name, layer))
        assert matrix.values.shape == (len(rows.rows), 20) and matrix.layers == (layer,)
        assert (~matrix.ranked).sum() == (index.kinds == 0).sum() > 0
        for subject, row in zip(matrix.subjects, matrix.values, strict=True):
            query = "contrast" if subject.other is not None else "bad"
            one = encode_target(loaded, [subject.item(raw=False)], METHODS[name].parts, [layer], query)
            wanted = scores(index, one, METHODS[name], [layer], METHODS[name].centre, query)
            torch.testing.assert_close(torch.from_numpy(row), wanted, rtol=0, atol=1e-3, equal_nan=True)


def test_vectors_are_kept_and_an_answer_without_words_has_no_row(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    index = index_of(study)
    rows = Subjects((Subject("x", "", "one?", "no", " "), Subject("y", "", "two?", "no", "yes")))
    first = subject_vectors(study, index, rows)
    monkeypatch.setattr("explorer.behaviors.matrix.load_model", lambda *_rest: pytest.fail("made again"))
    again = subject_vectors(study, index, rows)
    assert all(torch.equal(first.vectors[key], again.vectors[key]) for key in first.vectors)
    other_set = Subjects((Subject("named otherwise", "b", "two?", "no", "yes"),))
    part = subject_vectors(study, index, other_set)
    assert all(torch.equal(first.vectors[key][1:], part.vectors[key]) for key in first.vectors)
    matrix = similarity(index, rows, first, Choice("gradient", 1))
    assert [s.id for s in matrix.subjects] == ["y"] and matrix.silent == ("x",)
    nothing = Subjects((Subject("x", "", "one?", "no", " "),))
    monkeypatch.undo()
    with pytest.raises(ExplorerError, match="no answer of any behavior prompt has a token"):
        similarity(index, nothing, subject_vectors(study, index, nothing), Choice("gradient", 1))
    with pytest.raises(ExplorerError, match="Method 'bm25' has no vectors to cluster"):
        similarity(index, rows, first, Choice("bm25"))
    with pytest.raises(ExplorerError, match="Method 'nope' is unknown"):
        similarity(index, rows, first, Choice("nope"))


def test_stopped_or_damaged_vectors_are_made_again(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    index = index_of(study)
    rows = Subjects(tuple(Subject(f"k{i}", "", f"{i} sheep?", "yes", "no") for i in range(5)))
    made: list[int] = []
    real = matrix_module.item_vectors

    def spy(loaded, items, *rest):
        made.append(len(items))
        if sum(made) > 4:
            raise KeyboardInterrupt
        return real(loaded, items, *rest)

    monkeypatch.setattr(matrix_module, "item_vectors", spy)
    monkeypatch.setattr(matrix_module, "CHUNK", 2)
    with pytest.raises(KeyboardInterrupt):
        subject_vectors(study, index, rows)
    assert made == [2, 2, 1]
    made[:] = [0]
    whole = subject_vectors(study, index, rows)
    assert made == [0, 1]
    held = next(path for path in (index.folder / FOLDER).iterdir() if subject_name(rows.rows[0]) in names_in(path))
    held.write_bytes(held.read_bytes()[:100])
    again = subject_vectors(study, index, rows)
    assert made == [0, 1, 2]
    for key, value in whole.vectors.items():
        torch.testing.assert_close(again.vectors[key], value, rtol=2**-7, atol=1e-6)
        assert torch.equal(value, value.bfloat16().float())


def names_in(path: Path) -> set[str]:
    return {bytes(row).hex() for row in load_file(path)["names"].tolist()}


def test_kept_vectors_of_another_model_are_refused(study: Study) -> None:
    index, rows = index_of(study), Subjects((Subject("x", "", "one?", "no", "yes"),))
    subject_vectors(study, index, rows)
    changed = replace(study, model=str(study.folder))  # a folder with other files
    with pytest.raises(ExplorerError, match="vectors of another model"):
        subject_vectors(changed, index, rows)


def test_a_model_is_told_without_loading_it(study: Study) -> None:
    for spec in study.checkpoints().values():
        assert model_digest(spec) == model_digest(load_model(spec))
    half = replace(study.spec, dtype="bfloat16")
    assert model_digest(half)["dtype"] == "bfloat16"


def test_discovery_is_held_against_the_model_that_the_vectors_are_of(study: Study) -> None:
    index = index_of(study)
    assert reference_for(study, index) == "base"
    found = discover(study, index, Choice("gradient", 1), "discovery")
    assert found.subjects.models == ("tuned", "base")
    note = found.note(found.clustering.cut())
    assert f"{len(found.subjects.unchanged)} prompts are left out because 'tuned' answers them as 'base' does." in note
    assert "in the model 'base'" in note and found.reduction == ""
