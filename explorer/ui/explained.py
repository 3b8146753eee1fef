"""What pages show of the case on screen, each computed once: explanations, edges, predictions, greedy answers."""

from explorer.data.failures import Failure
from explorer.graph.build import TracedEdges
from explorer.model.generate import Answer, greedy_answer
from explorer.model.load import ModelSpec, load_model
from explorer.model.prompts import Prompt, encode_prompt
from explorer.trace.compare import ModelReading, Prediction, predict
from explorer.trace.explain import Explanation, default_layer, explain, trace_rule
from explorer.ui.caching import cached
from explorer.ui.progress_bar import progress_bar

RECORDED = 256
"""Prompts up to this many tokens are traced with what the graph needs, so that it opens without a further pass."""


def explained(
    spec: ModelSpec, failure: Failure, rule: str, layer: int | None = None, whole: bool = False
) -> Explanation:
    """Explain a failure; one trace per failure and rule, whatever the layer; some rules share one."""
    explanation = _traced(spec, failure.question, trace_rule(rule), whole)
    depth = len(explanation.trace.relevance) - 1
    return explanation.at(rule, default_layer(depth, rule) if layer is None else layer)


def is_explained(spec: ModelSpec, failure: Failure, rule: str, whole: bool = False) -> bool:
    """Whether ``explained`` takes no time."""
    return _traced.known(spec, failure.question, trace_rule(rule), whole) is not None


@cached("Tracing")
def _traced(spec: ModelSpec, failure: Failure, rule: str, whole: bool) -> Explanation:
    loaded = load_model(spec)
    record = rule != "gradient" and not whole and _length(spec, failure) <= RECORDED
    return explain(failure, loaded, rule=rule, layer=0, whole=whole, record=record)


def _length(spec: ModelSpec, failure: Failure) -> int:
    return len(encode_prompt(load_model(spec), failure.as_prompt()).tokens)


def edges_of(spec: ModelSpec, failure: Failure, rule: str) -> TracedEdges:
    """Return the failure's recorded trace and its edges. Raises ExplorerError."""
    return _edges(spec, failure.question, rule)


@cached("Tracing")
def _edges(spec: ModelSpec, failure: Failure, rule: str) -> TracedEdges:
    loaded = load_model(spec)
    if _length(spec, failure) <= RECORDED:
        return TracedEdges(loaded, explained(spec, failure, rule))
    return TracedEdges(loaded, explain(failure, loaded, rule=rule, record=True))


def read_with(failure: Failure, spec: ModelSpec, *, rule: str, layer: int | None, whole: bool) -> ModelReading:
    """Read a failure with one model from the caches (see ``trace.compare.read_with``)."""
    explanation = explained(spec, failure, rule, layer, whole)
    return ModelReading(spec.title, spec, explanation, _predicted(spec, failure.question))


@cached()
def _predicted(spec: ModelSpec, failure: Failure) -> Prediction:
    return predict(failure, load_model(spec))


@cached()
def answered(spec: ModelSpec, prompt: Prompt, max_tokens: int) -> Answer:
    """Return the model's greedy answer, with a progress bar; Streamlit's stop button ends it."""
    loaded = load_model(spec)
    with progress_bar() as progress:
        return greedy_answer(loaded, encode_prompt(loaded, prompt), max_tokens, progress=progress)
