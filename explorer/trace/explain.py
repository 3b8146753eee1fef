"""From a failure to its token heatmap."""

import time
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import PreTrainedModel

from explorer.data.failures import Failure
from explorer.errors import PromptError, count
from explorer.model.adapters import with_base
from explorer.model.load import LoadedModel, ModelSpec, load_model
from explorer.model.prompts import SEGMENTS, EncodedPrompt, Token, check_length, encode_prompt
from explorer.progress import Progress, silent
from explorer.trace.alignment import places_of, wording
from explorer.trace.contrast import Contrast, make_contrast
from explorer.trace.differences import Difference, difference, differences
from explorer.trace.trace import Trace, answer_log_probability, trace_ids, trace_objective

if TYPE_CHECKING:
    from explorer.faithfulness.verdict import MapVerdict

RULES = {
    "attnlrp": "AttnLRP",
    "attnlrp-context": "AttnLRP in context",
    "cplrp": "CP-LRP",
    "gradient": "Gradient × input",
    "representation-gradient": "Representation gradient",
}
"""Heatmap rules and their names for people."""
_TRACED_AS = {"attnlrp-context": "attnlrp", "representation-gradient": "gradient"}
"""Rules that read another rule's trace at another layer."""
CONTEXT_LAYER = 2
"""Where ``attnlrp-context`` is read: tokens have met their neighbours, and the first one is an attention sink."""


@dataclass(frozen=True)
class Explanation:
    """A heatmap: the relevance of every token for one contrast, under one rule, at one layer.

    Attributes:
        model: the model's title.
        contrast: what was contrasted.
        trace: relevance at every layer, in logits (nats for a whole answer).
        rule: a key of ``RULES``.
        layer: the row of ``trace.relevance`` that is shown; 0 is the input of the first block.
        whole: the gap is log p(wrong answer) − log p(right answer) over all their tokens, not a logit gap.
        seconds: time of the forward and backward pass.
        places: every place where the answers differ, with the model's gap there; ``contrast`` is at one of them.
        answer_log_probabilities: of the wrong and of the right answer in nats; None unless ``whole``.
        spec: what the model was loaded from.
    """

    model: str
    contrast: Contrast
    trace: Trace
    rule: str
    layer: int
    whole: bool
    seconds: float
    places: tuple[Difference, ...] = ()
    answer_log_probabilities: tuple[float, float] | None = None
    spec: ModelSpec = field(default_factory=ModelSpec)

    def __repr__(self) -> str:
        wrong, right = self.sides
        gap = f"{wrong!r} over {right!r} by {self.trace.gap:+.2f} {self.unit}"
        return f"Explanation({self.model}, {RULES[self.rule]}: {gap}, {len(self.tokens)} tokens)"

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The T tokens that carry relevance."""
        return self.contrast.tokens[: self.trace.relevance.shape[1]]

    @property
    def sides(self) -> tuple[str, str]:
        """What the wrong and the right side are called: the words that differ, or the whole answers."""
        c = self.contrast
        return (c.wrong, c.right) if self.whole else (c.wrong_word, c.right_word)

    @property
    def unit(self) -> str:
        """The unit of relevance and gap."""
        return "nats" if self.whole else "logits"

    @property
    def relevance(self) -> np.ndarray:
        """(T,) relevance at the chosen layer; in context without what the first token has whatever token it is."""
        relevance = self.trace.relevance[self.layer]
        if self.rule != "attnlrp-context" or self.trace.sink is None:
            return relevance
        return np.concatenate((relevance[:1] - self.trace.sink[self.layer], relevance[1:]))

    @property
    def explained_share(self) -> float:
        """Σ relevance / gap at the chosen layer; nan where the gap is 0."""
        return float(self.relevance.sum() / self.trace.gap) if self.trace.gap else float("nan")

    @property
    def lengths(self) -> tuple[int, int]:
        """Tokens of the wrong and of the right answer."""
        return len(self.contrast.wrong_ids), len(self.contrast.right_ids)

    @property
    def gap_per_token(self) -> float | None:
        """Mean log-probability of a token of the wrong answer minus that of the right one, nats; None unless whole."""
        if not self.answer_log_probabilities:
            return None
        wrong, right = (p / n for p, n in zip(self.answer_log_probabilities, self.lengths, strict=True))
        return wrong - right

    @property
    def lengths_sentence(self) -> str:
        """What to mind where whole answers of unequal length are compared; empty elsewhere."""
        wrong, right = self.lengths
        if self.gap_per_token is None or wrong == right:
            return ""
        return (
            f"The wrong answer has {count(wrong, 'token')}, the right one {count(right, 'token')}, and each further "
            f"token costs probability: per token the gap is {self.gap_per_token:+.2f} nats."
        )

    @cached_property
    def ranks(self) -> np.ndarray:
        """(T,) 1 for the token with the largest |relevance|."""
        return ranks_by_size(self.relevance)

    def at(self, rule: str, layer: int) -> "Explanation":
        """The same trace read at another layer."""
        return replace(self, rule=rule, layer=layer)

    def strongest(self, sign: int, count: int = 5) -> list[tuple[Token, float]]:
        """The tokens that push most towards the wrong (+1) or the right (−1) answer, strongest first."""
        order = np.argsort(-sign * self.relevance, kind="stable")[:count]
        return [(self.tokens[i], float(self.relevance[i])) for i in order if sign * self.relevance[i] > 0]

    def segment_totals(self) -> dict[str, tuple[float, float, int]]:
        """For each segment that occurs: (sum of positive relevance, sum of negative relevance, tokens)."""
        values = {segment: self.relevance[[t.segment == segment for t in self.tokens]] for segment in SEGMENTS}
        return {s: (float(x[x > 0].sum()), float(x[x < 0].sum()), len(x)) for s, x in values.items() if len(x)}

    def verdict(self, model: LoadedModel | None = None, **options: Any) -> "MapVerdict":
        """Judge the map by replacing tokens (see ``faithfulness.verdict.verdicts`` for the options)."""
        from explorer.faithfulness.verdict import verdicts

        return verdicts([self], model, **options)[0]

    def to_json(self) -> dict[str, Any]:
        """The object that ``explorer trace --json -`` prints."""
        c = self.contrast
        heading = {"model": self.model, "rule": self.rule, "layer": self.layer}
        answers = {"wrong": c.wrong, "right": c.right}
        target, foil = {"id": c.target, "text": c.target_text}, {"id": c.foil, "text": c.foil_text}
        place = {"place": c.place, "position": c.position, "whole_answer": self.whole, "logit_gap": self.trace.gap}
        lengths: dict[str, Any] = {"answer_tokens": list(self.lengths)}
        if self.whole:
            lengths["gap_per_token"] = self.gap_per_token
        return heading | {
            "contrast": answers | {"target": target, "foil": foil} | place | lengths,
            "places": [each.to_json() for each in self.places],
            "tokens": [asdict(t) | {"relevance": float(r)} for t, r in zip(self.tokens, self.relevance, strict=True)],
            "total_relevance": float(self.relevance.sum()),
            "seconds": round(self.seconds, 4),
        }

    def table(self, count: int = 5) -> str:
        """The strongest tokens each way as plain text."""
        wrong, right = self.sides
        gap = f"{wrong!r} over {right!r} by {self.trace.gap:+.2f} {self.unit}"
        rows = [f"{self.model}, {RULES[self.rule]}: {gap}"]
        for sign, name in ((1, "towards the wrong answer"), (-1, "towards the right answer")):
            rows += [name, *(f"  {value:+8.3f}  {t.text!r}" for t, value in self.strongest(sign, count))]
        if len(self.places) > 1:
            rows.append("the answers differ at these places")
            rows += [f"  {p.gap:+8.3f}  --place {p.number}: {p.target_text!r} / {p.foil_text!r}" for p in self.places]
        notes = (wording(self.contrast.wrong, self.contrast.right), self.lengths_sentence)
        return "\n".join([*rows, *filter(None, notes)])


def ranks_by_size(values: np.ndarray) -> np.ndarray:
    """(n,) the rank of each |value|: 1 for the largest, earlier first among equals."""
    ranks = np.empty(len(values), dtype=int)
    ranks[np.argsort(-np.abs(values), kind="stable")] = np.arange(1, len(values) + 1)
    return ranks


def explain(
    failure: Failure,
    model: str | ModelSpec | LoadedModel = "smollm2",
    *,
    rule: str = "attnlrp",
    layer: int | None = None,
    whole: bool = False,
    record: bool = False,
) -> Explanation:
    """Explain which tokens of a prompt push a model to the wrong answer instead of the right one.

    Args:
        failure: prompt and answers, contrasted at its ``place`` (see ``make_contrast``).
        model: what to load (see ``ModelSpec.source``), or a loaded model.
        rule: a key of ``RULES``.
        layer: by default ``default_layer``: 0 (the embeddings) for most rules.
        whole: explain the gap of the whole answers' log-probabilities instead.
        record: keep what the graph needs (see ``trace_objective``); not for whole answers.

    Raises:
        ExplorerError: with one sentence that says what can't be used and what was expected.
    """
    loaded = ready_model(model)
    if rule not in RULES:
        raise PromptError(f"The rule is {rule!r}; expected one of {', '.join(RULES)}.")
    layer = default_layer(loaded.n_layers, rule) if layer is None else layer
    if not 0 <= layer <= loaded.n_layers:
        raise PromptError(f"The layer is {layer}; expected 0 (embeddings) to {loaded.n_layers} (last block).")
    encoded = encode_prompt(loaded, failure.as_prompt())
    contrast = make_contrast(loaded, encoded, failure.wrong, failure.right, failure.place)
    view = loaded.view(trace_rule(rule), len(contrast.ids))
    start = time.perf_counter()
    if whole:
        trace, probabilities = _trace_answers(loaded, view, encoded, contrast)
    else:
        trace, probabilities = trace_ids(view, contrast.ids, contrast.target, contrast.foil, record), None
    seconds = time.perf_counter() - start
    if whole or len(places_of(failure.wrong, failure.right)) > 1:
        places = tuple(differences(failure, loaded))
    else:  # the trace has read the only one
        places = (difference(contrast, trace.gap),)
    return Explanation(
        loaded.spec.title, contrast, trace, rule, layer, whole, seconds, places, probabilities, loaded.spec
    )


def ready_model(model: str | ModelSpec | LoadedModel, progress: Progress = silent) -> LoadedModel:
    """Load a model by its name or spec; a loaded one is returned as it is. Raises ModelError."""
    if isinstance(model, LoadedModel):
        return model
    return load_model(with_base(ModelSpec(model)) if isinstance(model, str) else model, progress)


def trace_rule(rule: str) -> str:
    """The rule of the trace that a heatmap's rule reads, one of ``lrp.RULES``."""
    return _TRACED_AS.get(rule, rule)


def default_layer(n_layers: int, rule: str) -> int:
    """The layer a rule is read at unless told otherwise: the embeddings, or the middle for representation gradients."""
    return {"attnlrp-context": min(CONTEXT_LAYER, n_layers), "representation-gradient": n_layers // 2}.get(rule, 0)


def _trace_answers(
    loaded: LoadedModel, view: PreTrainedModel, encoded: EncodedPrompt, contrast: Contrast
) -> tuple[Trace, tuple[float, float]]:
    """Relevance of the prompt's tokens for log p(wrong answer) − log p(right answer): a trace of each, subtracted.

    What the answers' own tokens carry is left out. Returns the two log-probabilities too.
    """
    n, traces = len(encoded.tokens), []
    for ids in (contrast.wrong_ids, contrast.right_ids):
        check_length(loaded, n + len(ids))
        read = (*encoded.ids, *ids[:-1])
        traces.append(trace_objective(view, read, answer_log_probability(ids), positions=len(ids)))
    wrong, right = traces
    relevance = wrong.relevance[:, :n] - right.relevance[:, :n]
    sink = None if wrong.sink is None or right.sink is None else wrong.sink - right.sink
    return Trace(wrong.rule, encoded.ids, relevance, wrong.gap - right.gap, sink=sink), (wrong.gap, right.gap)
