"""A behavior's system prompt, and whether it is raw, reach the model wherever its prompts are asked."""

from types import SimpleNamespace
from typing import Any

import pytest

from explorer.behaviors.prompts import behavior_prompts
from explorer.data.study import create_study
from explorer.errors import ExplorerError
from explorer.files import write_json_lines
from explorer.model.prompts import Prompt
from explorer.ranking.questions import AboutBehavior, question_items
from explorer.reading import read_whole_lines
from explorer.repair import arms
from explorer.repair.checks import check_prompts, digest_of, held_out

ROW = {"name": "n", "prompt": "p", "bad": "b", "exhibits": "b"}
BEHAVIORS = [
    ROW | {"id": "1", "half": "query", "system": "Be kind."},
    ROW | {"id": "2", "half": "evaluation", "system": "Be kind."},
    ROW | {"id": "3", "half": "evaluation"},
    ROW | {"id": "4", "half": "evaluation", "raw": True},
]
ASKED = [Prompt("p", "Be kind."), Prompt("p"), Prompt("p", raw=True)]


@pytest.fixture
def study(tmp_path):
    data = [{"id": "a", "prompt": "p", "response": "r"}]
    made = create_study(tmp_path / "s", name="s", model="nowhere", datapoints=data, behaviors=BEHAVIORS)
    write_json_lines(made.folder / "guard.jsonl", [{"prompt": "2+2?", "right": "4", "system": "Count."}])
    return made


def test_in_rankings_and_clusters(study):
    (item,) = question_items(study, AboutBehavior("n"))
    assert item.prompt == ASKED[0]
    (row,) = behavior_prompts(study)
    assert row.item(study).prompt == ASKED[0]
    (study.folder / "behaviors.jsonl").write_text('{"id": "1", "name": "n", "prompt": "p", "bad": "b"}\n')
    (bare,) = behavior_prompts(study)
    assert bare.item(study).prompt == ASKED[1] and bare.digest != row.digest
    (study.folder / "behaviors.jsonl").write_text('{"id": "1", "name": "n", "prompt": "p", "bad": "b", "raw": true}\n')
    (raw,) = behavior_prompts(study)
    assert raw.item(study).prompt == ASKED[2] and raw.digest not in (bare.digest, row.digest)
    (item,) = question_items(study, AboutBehavior("n"))
    assert item.prompt == ASKED[2]
    (study.folder / "behaviors.jsonl").write_text('{"id": "1", "name": "n", "prompt": "p", "bad": "b", "raw": "x"}\n')
    with pytest.raises(ExplorerError, match=r"line 1.*'raw'.*true or false"):
        study.behaviors()


def test_in_repairs(study, monkeypatch, tmp_path):
    checks = held_out(study, "n")
    assert check_prompts(study, checks) == [*ASKED, Prompt("2+2?", "Count.")]
    assert len({digest_of([check], study) for check in checks}) == 4
    asked: list[Prompt] = []

    def generate(_loaded: Any, prompts: list[Prompt], _tokens: int):
        asked.extend(prompts)
        yield {number: f"answer {prompt.system} {prompt.raw}" for number, prompt in enumerate(prompts)}

    monkeypatch.setattr(arms, "generate", generate)
    monkeypatch.setattr(arms, "load_model", lambda _spec: None)
    setting: Any = SimpleNamespace(study=study, folder=lambda _arm: tmp_path)
    nothing: Any = None
    wanted = ["answer Be kind. False", "answer None False", "answer None True", "answer Count. False"]
    for _ in range(2):  # the second time from the file
        assert arms.ask(setting, nothing, nothing, checks, lambda *_: None) == wanted
    assert asked == [*ASKED, Prompt("2+2?", "Count.")]
    assert len([*read_whole_lines(tmp_path / arms.ANSWERS)]) == 4


def test_figures_of_prompts_without_a_system_prompt_stay_comparable(study):
    checks = [check for check in held_out(study, "n") if check.kind == "behavior"]
    (check,) = [check for check in checks if not check.system and not check.raw]
    assert digest_of([check], study) == "533557e5153970ef"
