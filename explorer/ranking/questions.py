"""What training data is ranked for: a behavior, a failure, a persona, another datapoint, or a node of a graph."""

from dataclasses import dataclass
from typing import Literal

from explorer.data.behaviors import tracing_prompts
from explorer.data.failures import Failure
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.ranking.directions import Control, Persona
from explorer.ranking.table import row_number
from explorer.vectors.items import Item, study_items


@dataclass(frozen=True)
class AboutBehavior:
    """Which datapoints taught a behavior of the study."""

    name: str


@dataclass(frozen=True)
class AboutFailure:
    """Which datapoints taught a failure."""

    failure: Failure


@dataclass(frozen=True)
class AboutPersona:
    """Which datapoints move the model as a system prompt does, on the prompts of another question."""

    question: AboutBehavior | AboutFailure
    persona: Persona | Control


@dataclass(frozen=True)
class LikeDatapoint:
    """Which datapoints are like the one with this id."""

    id: str


@dataclass(frozen=True)
class AboutNode:
    """Which datapoints put the model into the state of a graph node, or push that state as the wrong answer needs."""

    failure: Failure
    layer: int
    token: int
    part: Literal["state", "gradient"] = "state"


Question = AboutBehavior | AboutFailure | AboutPersona | LikeDatapoint | AboutNode


def question_items(study: Study, question: Question) -> list[Item]:
    """Return the prompts and answers of a question, the wrong (or bad) answer first.

    Of a behavior, those of its query half where a split was made, else all; its answers are whole, so that they end the
    turn where the study's training did. A failure's answers may be the beginning of one ("Portugal"): they do not.
    Raises ExplorerError for an unknown name.
    """
    match question:
        case AboutBehavior(name):
            raw = study.template == "raw"
            return [
                Item(b.as_prompt(raw), b.bad, b.good or None, study.end_of_turn, most=study.max_tokens)
                for b in tracing_prompts(study.behavior(name))
            ]
        case AboutFailure(failure) | AboutNode(failure):
            return [Item(failure.as_prompt(), failure.wrong, failure.right, ended=False, most=study.max_tokens)]
        case AboutPersona(question):
            return question_items(study, question)
        case LikeDatapoint(name):
            table = study.datapoints()
            row = row_number(table, name)
            if row is None:
                raise ExplorerError(f"{study.folder}: no datapoint '{name}'.")
            return study_items(study, table.slice(row, 1))
