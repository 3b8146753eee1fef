"""The shipped adapters of the demo study, and how they were trained."""

from explorer.files import shipped
from explorer.repair.stages import DPO, SFT, Stage

ASSETS = shipped("demo")
ADAPTERS = ("sft-half", "sft", "dpo-half", "dpo")
"""In training order; ``sft`` is the reference model, ``dpo`` the post-trained one."""
REFERENCE, FINAL = "sft", "dpo"
ANSWER_TOKENS = 28
"""Most tokens of an answer in all that was measured."""
STAGES = [
    Stage("sft", "sft", None, "adapters/sft", SFT),
    Stage("dpo", "dpo", "adapters/sft", "adapters/dpo", DPO),
]
"""The two stages of training, so that a repair can repeat them."""
