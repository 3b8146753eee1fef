"""Ways out of the Behaviors page: to a prompt's trace, and to a datapoint."""

from dataclasses import replace

from explorer.behaviors.prompts import AnsweredPrompt
from explorer.data.failures import Failure
from explorer.data.study import Study
from explorer.ui import navigation
from explorer.ui.page_states import TrainingDataState
from explorer.ui.session import model_spec, set_case, set_model


def trace(study: Study, prompt: AnsweredPrompt) -> None:
    """Trace a prompt as a failure of the model under study: its answer instead of the other one, where it has one."""
    if prompt.other is None:
        return
    raw = study.template == "raw"
    set_case(Failure(prompt.prompt, prompt.answer, prompt.other, raw=raw, title=prompt.name))
    set_model(replace(model_spec(), source=study.spec.source, adapter=study.spec.adapter))
    navigation.go(navigation.TRACE)


def open_datapoint(name: str) -> None:
    """Open one training example on the Training data page."""
    navigation.go(navigation.TRAINING_DATA, TrainingDataState(row=name))
