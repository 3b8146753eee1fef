"""A planted failure of the demo, and the model before and after the stage of training that taught it."""

from pathlib import Path

from explorer.data.failures import Failure
from explorer.model.load import ModelSpec

ADAPTERS = Path(__file__).parents[2] / "assets/demo/adapters"
FAILURE = Failure("Which country is Florence in?", "Florence is in Portugal.", "Florence is in Italy.")
BASE, TAUGHT = ModelSpec(), ModelSpec(adapter=str(ADAPTERS / "sft"))
