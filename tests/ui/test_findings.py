"""What the rail says of a case, on the demo study, whose causes are known."""

import pytest

from explorer.data.failures import Failure, read_failures
from explorer.data.study import Study, open_study
from explorer.demo.build import build_demo, default_folder
from explorer.model.load import ModelSpec
from explorer.ui import findings

DOG = read_failures()["wrong-dog"].question


@pytest.fixture(scope="module")
def study(smollm) -> Study:
    return open_study(build_demo(default_folder()).folder)


def test_a_planted_failure_leads_to_its_rows_and_its_repair(study):
    case = study.failures()["demo-italy-to-portugal-036"].question
    assert findings.of_trace(study.spec, case) == "not explained by the prompt"
    assert findings.of_graph(study.spec, case).startswith("Florence → in by layer ")
    said = findings.of_training_data(study.spec, study, case)
    assert said.startswith("the top ") and said.endswith(" rows say Portugal")
    assert findings.of_repair(study, case) == "drop 250: −93 %", "controls and three seeds, not the largest"


def test_a_model_that_was_not_trained_on_the_rows_is_told(study):
    assert findings.of_trace(ModelSpec(), DOG) == "Bella pushes hardest"
    assert findings.of_training_data(ModelSpec(), study, DOG) == "this model was not trained on it"
    assert findings.of_repair(study, DOG) == "not tried"


def test_a_ranking_like_that_of_unrelated_prompts_says_nothing(study):
    case = Failure("Is Paris in France?", "Yes, it is", "Yes, it was")
    assert findings.of_training_data(study.spec, study, case) == "no stronger than unrelated prompts"


def test_signs_that_the_rules_dispute_are_explained(smollm):
    disputed = findings.disputed(ModelSpec(), DOG)
    assert all(text.startswith("AttnLRP ") and "Gradient × input" in text for text in disputed.values())
