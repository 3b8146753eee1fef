"""The logit gap at every place where two answers differ, in one forward pass."""

from dataclasses import dataclass
from typing import Any

import torch

from explorer.data.failures import Failure
from explorer.model import memory
from explorer.model.load import LoadedModel
from explorer.model.passes import ADVICE
from explorer.model.prompts import encode_prompt
from explorer.trace.alignment import Place, places_of
from explorer.trace.contrast import Contrast, every_contrast


@dataclass(frozen=True)
class Difference:
    """One place where the answers differ, as a model reads it.

    Attributes:
        number: of the place, as ``Failure.place`` takes it; places that are the same tokens for the model are left out.
        place: where it is in the answers, and whether it carries content.
        position, target, foil, target_text, foil_text: what is contrasted there (see ``Contrast``).
        gap: ℓ[target] − ℓ[foil] in logits after the wrong answer's beginning.
    """

    number: int
    place: Place
    position: int
    target: int
    foil: int
    target_text: str
    foil_text: str
    gap: float

    def to_json(self) -> dict[str, Any]:
        """Return an entry of ``places`` in the JSON of an explanation; spans count characters."""
        target, foil = {"id": self.target, "text": self.target_text}, {"id": self.foil, "text": self.foil_text}
        spans = {"wrong_span": list(self.place.wrong), "right_span": list(self.place.right)}
        contrast = {"position": self.position, "target": target, "foil": foil, "logit_gap": self.gap}
        return {"place": self.number, "content": self.place.content, **spans, **contrast}


def differences(failure: Failure, loaded: LoadedModel) -> list[Difference]:
    """List every place where a failure's answers differ with its gap, in the order of the wrong answer.

    The model reads prompt and wrong answer once: what comes before each place is a beginning of that. Raises
    PromptError as ``make_contrast`` does.
    """
    encoded = encode_prompt(loaded, failure.as_prompt())
    contrasts = every_contrast(loaded, encoded, failure.wrong, failure.right)
    gaps = _gaps(loaded, contrasts)
    return [difference(contrast, gap) for contrast, gap in zip(contrasts, gaps, strict=True)]


def difference(c: Contrast, gap: float) -> Difference:
    """Return a contrast as one of the places where its answers differ, with its gap in logits."""
    place = places_of(c.wrong, c.right)[c.place]
    return Difference(c.place, place, c.position, c.target, c.foil, c.target_text, c.foil_text, gap)


def _gaps(loaded: LoadedModel, contrasts: list[Contrast]) -> list[float]:
    longest = max(contrasts, key=lambda contrast: contrast.position)
    first = min(contrast.position for contrast in contrasts)
    ids = torch.tensor([longest.ids], device=loaded.model.device)
    with torch.no_grad(), memory.guard(f"Reading {longest.position:,} tokens", ADVICE):
        kept = longest.position - first + 1
        logits = loaded.model(input_ids=ids, use_cache=False, logits_to_keep=kept).logits[0].float()
    rows = [logits[contrast.position - first] for contrast in contrasts]
    return [(row[c.target] - row[c.foil]).item() for row, c in zip(rows, contrasts, strict=True)]
