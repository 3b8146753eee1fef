"""The prompts of a study: known behaviors, and unlabelled prompts with what two checkpoints answer, generated once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from explorer.behaviors import prompts as module
from explorer.behaviors.prompts import (
    ANSWERS,
    PromptSet,
    behavior_prompts,
    cached_answers,
    default_reference,
    discovery_prompts,
    missing_answers,
    read_discovery,
    study_prompts,
)
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.model import generate as generation
from explorer.model.load import load_model
from explorer.model.prompts import Prompt
from tests.behaviors.synthetic import PROMPTS


def test_behaviors_give_their_query_half_and_pairs_where_there_is_a_good_answer(study: Study) -> None:
    known = behavior_prompts(study)
    assert [(p.id, p.name, p.answer, p.other) for p in known] == [("a0", "a", "no", "yes"), ("b0", "b", "seven", None)]
    assert study_prompts(study, "behaviors") == PromptSet(tuple(known))


def test_discovery_prompts_are_answered_by_both_models_and_kept_where_they_differ(study: Study) -> None:
    prompts = discovery_prompts(study)
    assert prompts.models == ("tuned", "base")
    assert len(prompts.rows) + len(prompts.unchanged) == len(PROMPTS) and prompts.rows
    first = prompts.rows[0]
    specs = (study.spec, study.reference_spec)
    prompt, longest = first.item(study).prompt, study.answer_tokens
    answers = [generation.answers(load_model(spec), [prompt], longest)[0] for spec in specs]
    assert [first.answer, first.other] == answers and answers[0] != answers[1]
    assert all(p.name == "" and p.answer != p.other for p in prompts.rows)
    both = study_prompts(study)
    assert both.rows == (*behavior_prompts(study), *prompts.rows) and both.unchanged == prompts.unchanged


def test_prompts_answered_alike_are_set_apart(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    alike = {"tuned": ["same", "new", *["same"] * 4], "base": ["same", "old", *["same"] * 4]}
    monkeypatch.setattr(module, "cached_answers", lambda _s, name, *_rest: alike[name])
    prompts = discovery_prompts(study)
    assert [p.id for p in prompts.rows] == ["d1"] and prompts.unchanged == ("d0", "d2", "d3", "d4", "d5")
    alike["tuned"] = alike["base"]
    with pytest.raises(ExplorerError, match="no behavior prompt to cluster; both models answer all 6 prompts alike"):
        study_prompts(study, "discovery")


def test_answers_are_made_once_and_a_stopped_run_goes_on(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = discovery_prompts(study)
    generated: list[int] = []
    real = module.generate

    def spy(loaded, prompts, *how):
        generated.append(len(prompts))
        return real(loaded, prompts, *how)

    monkeypatch.setattr(module, "generate", spy)
    assert discovery_prompts(study) == expected and generated == []
    path = study.folder / ANSWERS / "base.jsonl"
    lines = [line for line in path.read_text().split("\n") if line]
    assert len(lines) == len(PROMPTS)
    path.write_text("\n" + "\n".join(lines[:3]) + "\n" + lines[3][:25])  # killed in the middle of a line
    assert discovery_prompts(study) == expected and generated == [3]
    assert discovery_prompts(study) == expected and generated == [3]
    other = [line | {"model": "another"} for line in map(json.loads, lines)]
    path.write_text("".join("\n" + json.dumps(line | {"answer": "wrong"}) for line in other))
    assert discovery_prompts(study) == expected and generated == [3, 6]
    discovery_prompts(replace(study, answer_tokens=5))  # shorter answers are others
    assert generated == [3, 6, 6, 6]
    rows = [json.loads(line) for line in path.read_text().split("\n") if line]
    loaded, prompt = load_model(study.reference_spec), Prompt(rows[-1]["prompt"])
    assert [rows[-1]["answer"]] == generation.answers(loaded, [prompt], 5) != generation.answers(loaded, [prompt], 64)


def test_progress_counts_the_prompts(study: Study) -> None:
    (study.folder / ANSWERS / "base.jsonl").unlink(missing_ok=True)
    calls: list[tuple[object, ...]] = []
    cached_answers(study, "base", study.reference_spec, PROMPTS, lambda *call: calls.append(call))
    assert calls[-1] == ("Answers of 'base'", 6, 6)


@pytest.mark.parametrize(
    ("line", "said"),
    (
        ('{"id": "x"}', "line 1: field 'prompt' is missing or empty"),
        ('{"id": "x", "prompt": " "}', "line 1: field 'prompt' is missing or empty"),
        ('{"id": [3], "prompt": "a"}', "line 1: field 'id' is missing or empty"),
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
        discovery_prompts(study, "tuned")


def test_prompts_without_an_answer_are_counted(study: Study) -> None:
    discovery_prompts(study)
    assert missing_answers(study, "all", "base") == {} == missing_answers(study, "behaviors", "base")
    path = study.folder / ANSWERS / "base.jsonl"
    whole = path.read_text()
    path.write_text("\n".join(whole.split("\n")[:3]) + "\n{")
    assert missing_answers(study, "all", "base") == {"base": 4}
    path.unlink()
    assert missing_answers(study, "discovery", "base") == {"base": 6}
    assert missing_answers(study, "discovery", "after") == {}  # an error that clustering reports
    path.write_text(whole)


def test_answers_are_compared_with_those_of_the_model_that_the_vectors_are_of(study: Study) -> None:
    assert default_reference(study, "base") == "base" and default_reference(study, "tuned") == "before"
