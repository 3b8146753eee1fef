"""TRL's trainers over packed batches (``packed_batches``), with the losses of a repair's stages."""

from typing import Any

from datasets import Dataset
from torch import Tensor, nn
from trl import DPOTrainer, KTOTrainer, SFTTrainer

from explorer.repair.packed_batches import answer_logps, summed
from explorer.repair.unpaired import kto_losses


class PackedSFT(SFTTrainer):
    """TRL's SFT trainer over packed batches."""

    def compute_loss(self, model: nn.Module, inputs: dict, *_ignored: Any, **_named: Any) -> Tensor:
        """Return the mean negative log-probability of a response token."""
        return -answer_logps(model, inputs).mean() * inputs["counts"]


class PackedDPO(DPOTrainer):
    """TRL's DPO trainer over packed batches: the sigmoid loss, plus the chosen answer's own loss."""

    sft_weight = 0.0

    def _prepare_dataset(self, dataset: Dataset, *_ignored: Any, **_named: Any) -> Dataset:
        return dataset  # tokenised already

    def compute_loss(self, model: nn.Module, inputs: dict, *_ignored: Any, **_named: Any) -> Tensor:
        """Return −log σ(β · (policy's margin − reference's margin)) + weight · SFT loss of the chosen answer."""
        logps = answer_logps(model, inputs)
        margin = (summed(logps, inputs["owner"]).view(-1, 2) - inputs["reference"]) @ logps.new_tensor([1.0, -1.0])
        chosen = -logps[inputs["owner"] % 2 == 0].mean()
        loss = -nn.functional.logsigmoid(self.beta * margin).mean() + self.sft_weight * chosen
        return loss * inputs["counts"]


class PackedKTO(KTOTrainer):
    """TRL's KTO trainer over packed batches; the KL is estimated within a batch, as there."""

    weights = (1.0, 1.0)

    def _prepare_dataset(self, dataset: Dataset, *_ignored: Any, **_named: Any) -> Dataset:
        return dataset  # tokenised already

    def compute_loss(self, model: nn.Module, inputs: dict, *_ignored: Any, **_named: Any) -> Tensor:
        """Return the mean loss of the rows, see ``kto_losses``."""
        ratios = summed(answer_logps(model, inputs), inputs["owner"]).view(-1, 2) - inputs["reference"]
        return kto_losses(ratios, inputs["wanted"], self.beta, self.weights).mean() * inputs["counts"]
