import json

import numpy as np
import pytest

from explorer.cli.main import main
from tests.trace.lie import ADAPTERS, FAILURE


@pytest.mark.slow
def test_two_models_are_compared(smollm, capsys, tmp_path):
    chart = tmp_path / "gaps.svg"
    command = ["compare", "--prompt", FAILURE.prompt, "--wrong", FAILURE.wrong, "--right", FAILURE.right]
    command += ["--out", str(chart)]
    assert main([*command, "--models", f"smollm2,{ADAPTERS / 'sft'}", "--json", "-"]) == 0
    out = json.loads(capsys.readouterr().out)
    before, after = out["models"]
    aligned = out["side_by_side"]
    assert aligned["by"] == "tokens" and aligned["texts"] == [token["text"] for token in after["tokens"]]
    first, second = ([token["relevance"] for token in model["tokens"]] for model in (before, after))
    assert np.allclose(aligned["change_from_first"], np.subtract(second, first))
    assert (before["adapter"], after["adapter"]) == (None, str(ADAPTERS / "sft"))
    assert before["contrast"]["logit_gap"] < 0 < after["contrast"]["logit_gap"]
    assert {"wrong_probability", "right_probability", "answer", "tokens"} <= after.keys()
    assert chart.read_bytes().startswith(b"<?xml")
    assert main([*command, "--models", "smollm2"]) == 2
    assert "two or more" in capsys.readouterr().err
