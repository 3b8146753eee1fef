"""One failure read by several models: the checkpoints of a training, a retrained model, or unrelated ones."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from explorer.data.failures import Failure
from explorer.errors import ExplorerError
from explorer.model import memory
from explorer.model.generate import greedy_answer
from explorer.model.load import LoadedModel, ModelSpec, load_model
from explorer.model.passes import ADVICE
from explorer.model.prompts import encode_prompt
from explorer.model.spec import ADAPTER_CONFIG, by_title
from explorer.progress import Progress, Stopped, silent
from explorer.trace.contrast import make_contrast
from explorer.trace.explain import Explanation, explain
from explorer.trace.side_by_side import changes_from_first, side_by_side, side_by_side_json

if TYPE_CHECKING:
    from explorer.faithfulness.verdict import MapVerdict

ANSWER_TOKENS = 24
OWN_MAP = "reads another text: its own map"
"""What is said of a map that can't be held against the first."""


@dataclass(frozen=True)
class Prediction:
    """What a model makes of a prompt.

    Attributes:
        wrong_probability, right_probability: of the contrasted tokens after what comes before both, 0..1.
        answer: the greedy answer to the bare prompt, at most ``ANSWER_TOKENS`` tokens.
    """

    wrong_probability: float
    right_probability: float
    answer: str


@dataclass(frozen=True)
class ModelReading:
    """How one model reads a failure: its name, its heatmap and its prediction."""

    name: str
    spec: ModelSpec
    explanation: Explanation
    prediction: Prediction

    def to_json(self) -> dict[str, Any]:
        """Return what ``explorer trace`` prints, with name, adapter, probabilities and greedy answer before it."""
        first = {"name": self.name, "adapter": self.spec.adapter, **asdict(self.prediction)}
        return first | self.explanation.to_json()


def predict(failure: Failure, loaded: LoadedModel) -> Prediction:
    """Return the probabilities at the contrasted position (softmax in float32), and the greedy answer."""
    encoded = encode_prompt(loaded, failure.as_prompt())
    contrast = make_contrast(loaded, encoded, failure.wrong, failure.right, failure.place)
    ids = torch.tensor([contrast.ids], device=loaded.model.device)
    with torch.no_grad(), memory.guard(f"Reading {len(contrast.ids):,} tokens", ADVICE):
        logits = loaded.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1]
    probabilities = logits.float().softmax(-1)
    answer = greedy_answer(loaded, encoded, ANSWER_TOKENS, top=1).text
    return Prediction(probabilities[contrast.target].item(), probabilities[contrast.foil].item(), answer)


def read_with(
    failure: Failure,
    spec: ModelSpec,
    *,
    rule: str = "attnlrp",
    layer: int | None = None,
    whole: bool = False,
    progress: Progress = silent,
) -> ModelReading:
    """Read a failure with one model, through its own tokenizer. Raises ExplorerError as ``explain`` does."""
    loaded = load_model(spec, progress)
    explanation = explain(failure, loaded, rule=rule, layer=layer, whole=whole)
    return ModelReading(spec.title, spec, explanation, predict(failure, loaded))


def compare(
    failure: Failure,
    models: Mapping[str, ModelSpec] | Sequence[str | ModelSpec],
    *,
    rule: str = "attnlrp",
    layer: int | None = None,
    whole: bool = False,
    progress: Progress = silent,
    refused: Callable[[str, ExplorerError], None] | None = None,
    read: Callable[..., ModelReading] | None = None,
) -> list[ModelReading]:
    """Explain one failure with each of several models, in their order.

    Logit gaps are comparable between models, whatever their logits' offset: a gap is the logarithm of the ratio of the
    two tokens' probabilities.

    Args:
        models: two or more models as ``explain`` takes them, or by name.
        rule, layer, whole: see ``explain``.
        refused: called with the name and the error of each model that can't be used; without it the error is raised.
        read: stands in for ``read_with``, e.g. one that caches.

    Raises:
        ExplorerError: for fewer than two models, and for what ``explain`` refuses.
    """
    if len(models) < 2:
        raise ExplorerError(f"Compare {len(models)} models? Expected two or more.")
    if isinstance(models, Mapping):
        named = list(models.items())
    else:
        specs = [ModelSpec(model) if isinstance(model, str) else model for model in models]
        names = {spec.weights: name for name, spec in by_title(specs).items()}
        named = [(names[spec.weights], spec) for spec in specs]
    read = read or partial(read_with, progress=progress)
    readings = []
    for number, (name, spec) in enumerate(named):
        progress(f"Reading the failure with {name}", number, len(named))
        try:
            readings.append(replace(read(failure, spec, rule=rule, layer=layer, whole=whole), name=name))
        except ExplorerError as error:
            if refused is None or isinstance(error, Stopped):
                raise
            refused(name, error)
    return readings


def parse_models(text: str, usual: ModelSpec) -> list[ModelSpec]:
    """Read a list such as ``smollm2,runs/dpo,org/name@revision,other+adapter``.

    The folder of a PEFT adapter stands for the model ``usual`` with it. Device and precision are those of ``usual``.
    """
    specs = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        source, adapter = split_adapter(part)
        if not adapter and os.path.isfile(os.path.join(os.path.expanduser(part), ADAPTER_CONFIG)):
            source, adapter = usual.name, part
        specs.append(replace(usual, source=source, revision=None, adapter=adapter))
    return specs


def split_adapter(text: str) -> tuple[str, str | None]:
    """Split ``model+adapter``, where ``spelled`` joins them; the disk is not asked."""
    source, _, adapter = text.partition("+")
    return source.strip(), adapter.strip() or None


def spelled(spec: ModelSpec) -> str:
    """Write a model as ``parse_models`` reads it."""
    return f"{spec.name}+{spec.adapter}" if spec.adapter else spec.name


def comparison_json(readings: Sequence[ModelReading], verdicts: Sequence["MapVerdict | None"] = ()) -> dict[str, Any]:
    """Return the object that ``explorer compare --json -`` prints: every model's figures, and what compares them.

    Args:
        verdicts: whether the models' maps hold, where that was measured.
    """
    models = [reading.to_json() for reading in readings]
    for model, verdict in zip(models, verdicts, strict=False):
        if verdict:
            model["faithfulness"] = verdict.to_json()
    return {"models": models, "side_by_side": side_by_side_json([reading.explanation for reading in readings])}


def comparison_table(readings: Sequence[ModelReading]) -> str:
    """Format one line a model: its gap, the two probabilities and its answer; then what changed since the first."""
    first = readings[0].explanation
    wrong, right = first.sides
    lines = [f"{wrong!r} over {right!r}, gap in {first.unit}; probabilities of the first tokens that differ"]
    for reading in readings:
        gap, p = reading.explanation.trace.gap, reading.prediction
        shares = f"wrong {p.wrong_probability:6.1%}  right {p.right_probability:6.1%}"
        lines.append(f"  {gap:+7.2f}  {shares}  {reading.name}: {' '.join(p.answer.split())}")
    return "\n".join([*lines, *_change_lines(readings), *filter(None, [contrasted_sentence(readings)])])


def _change_lines(readings: Sequence[ModelReading]) -> list[str]:
    """The strongest changes of relevance in every later model, by tokens or words."""
    cuts = side_by_side([reading.explanation for reading in readings])
    lines = []
    for reading, cut, change in zip(readings[1:], cuts[1:], changes_from_first(cuts), strict=True):
        if change is None:
            lines.append(f"  {reading.name} {OWN_MAP}")
        else:
            strongest = ", ".join(f"{text!r} {value:+.2f}" for text, value in cut.strongest(change.values))
            lines.append(f"  {reading.name} minus {readings[0].name}, by {change.by}: {strongest}")
    return lines


def contrasted_sentence(readings: Sequence[ModelReading]) -> str:
    """Say that the models' tokenizers have other tokens in the contrasted place; empty where they have the same."""
    names: dict[tuple[str, str], list[str]] = {}
    for reading in readings:
        contrast = reading.explanation.contrast
        names.setdefault((contrast.target_text, contrast.foil_text), []).append(reading.name)
    if readings[0].explanation.whole or len(names) == 1:
        return ""
    each = "; ".join(
        f"{', '.join(who)}: “{wrong.strip()}” / “{right.strip()}”" for (wrong, right), who in names.items()
    )
    return f"The tokenizers cut the answers differently, so gap and probabilities are of other tokens: {each}."
