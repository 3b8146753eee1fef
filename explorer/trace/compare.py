"""One failure in the eyes of several models: the checkpoints of a training, a retrained model, or strangers."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from explorer.errors import ExplorerError
from explorer.model.generate import greedy_answer
from explorer.model.load import LoadedModel, ModelSpec, load_model
from explorer.model.prompts import EncodedPrompt, Prompt, encode_prompt
from explorer.trace.contrast import Contrast, make_contrast
from explorer.trace.explain import Explanation, explain_contrast

ANSWER_TOKENS = 24


@dataclass(frozen=True)
class Reading:
    """What a model makes of a prompt.

    Attributes:
        wrong, right: probability (0..1) of the contrasted wrong and right token, after what both answers share.
        answer: its greedy answer, of at most ``ANSWER_TOKENS`` tokens.
    """

    wrong: float
    right: float
    answer: str


@dataclass(frozen=True)
class Compared:
    """A model, its heatmap of the failure and what it makes of the prompt."""

    spec: ModelSpec
    shown: Explanation
    reading: Reading

    def to_json(self) -> dict[str, Any]:
        """What ``explorer trace`` prints of the model, with its adapter, probabilities and greedy answer."""
        said = asdict(self.reading)
        odds = {f"{side}_probability": said.pop(side) for side in ("wrong", "right")}
        return {"adapter": self.spec.adapter, **odds, **said, **self.shown.to_json()}


def read_prompt(loaded: LoadedModel, encoded: EncodedPrompt, contrast: Contrast) -> Reading:
    """Probabilities at the contrasted position (softmax in float32), and the greedy answer to the bare prompt."""
    ids = torch.tensor([contrast.ids], device=loaded.model.device)
    with torch.no_grad():
        odds = loaded.model(ids, use_cache=False).logits[0, -1].float().softmax(-1)
    wrong, right = odds[contrast.target].item(), odds[contrast.foil].item()
    return Reading(wrong, right, greedy_answer(loaded, encoded, ANSWER_TOKENS, top=1).text)


def compare(
    models: Sequence[ModelSpec],
    prompt: Prompt,
    wrong: str,
    right: str,
    rule: str = "attnlrp",
    layer: int | None = None,
    whole: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Compared]:
    """Explain one failure with each of some models, in their order; every model reads it through its own tokenizer.

    Logit gaps are comparable between models, whatever their logits' offset: a gap is the logarithm of the ratio of the
    two tokens' probabilities. Raises ExplorerError for fewer than two models and for what ``explain`` refuses.
    """
    if len(models) < 2:
        raise ExplorerError(f"Compare {len(models)} models? Expected two or more.")
    found = []
    for spec in models:
        loaded = load_model(spec, progress)
        encoded = encode_prompt(loaded, prompt)
        contrast = make_contrast(loaded, encoded, wrong, right)
        shown = explain_contrast(loaded, encoded, contrast, rule, layer, whole)
        found.append(Compared(spec, shown, read_prompt(loaded, encoded, contrast)))
    return found


def change(one: Explanation, other: Explanation) -> np.ndarray | None:
    """(T,) relevance in ``other`` minus relevance in ``one``; None where they do not contrast the same tokens."""

    def read(shown: Explanation) -> tuple:
        c = shown.contrast
        return [t.id for t in shown.tokens], (c.wrong_ids, c.right_ids), [t.text for t in shown.tokens], shown.unit

    return other.relevance - one.relevance if read(one) == read(other) else None


def named_models(text: str, usual: ModelSpec) -> list[ModelSpec]:
    """The models of a list like ``smollm2,runs/dpo,other+adapter``.

    Each is a model, ``model+adapter``, or the folder of a PEFT adapter, which stands for the model ``usual`` with it.
    Device and precision are those of ``usual``.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        source, _, adapter = part.partition("+")
        if not adapter and (Path(part).expanduser() / "adapter_config.json").is_file():
            source, adapter = usual.source, part
        found.append(replace(usual, source=source, adapter=adapter or None))
    return found


def table(found: Sequence[Compared]) -> str:
    """One line a model: its gap, the two probabilities and its answer."""
    first = found[0].shown
    wrong, right = first.sides
    lines = [f"{wrong!r} over {right!r}, gap in {first.unit}; probabilities of the first tokens that differ"]
    for one in found:
        odds, answer = one.reading, " ".join(one.reading.answer.split())
        said = f"{one.shown.trace.gap:+7.2f}  wrong {odds.wrong:6.1%}  right {odds.right:6.1%}"
        lines.append(f"  {said}  {one.spec.title}: {answer}")
    return "\n".join(lines)
