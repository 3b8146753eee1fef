"""How a stage of post-training is done. Light to import, unlike the training itself."""

from dataclasses import dataclass

from explorer.model import embedded


@dataclass(frozen=True)
class Recipe:
    """Settings of one stage. ``batch`` counts examples (pairs in DPO); ``keep`` adapters are saved, evenly spaced.

    ``beta`` and ``sft_weight`` (weight of the chosen answer's own loss beside the DPO loss) are for DPO alone.
    """

    epochs: float = 2.0
    batch: int = 16
    learning_rate: float = 1e-3
    warmup: float = 0.05
    rank: int = 8
    alpha: int = 16
    seed: int = 0
    keep: int = 2
    beta: float = 0.1
    sft_weight: float = 0.2
    source: str = embedded.NAME


SFT = Recipe()
DPO = Recipe(epochs=1.0, batch=12, learning_rate=4e-4, sft_weight=1.0)
