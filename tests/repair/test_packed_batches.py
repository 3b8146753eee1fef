"""Packing prompts and answers into one sequence is exact."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from explorer.repair.packed_batches import answer_logps, pack, summed


def test_packing_changes_no_log_probability():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config).double().eval()
    examples = [
        {"prompt_ids": [1, 2, 3, 7, 8], "answers": [[9, 10], [11, 12, 13]]},
        {"prompt_ids": [1, 2, 3, 9], "answers": [[14], [15, 16]]},
        {"prompt_ids": [1, 2, 3, 9, 20, 21], "answers": [[5, 5, 5], [6]]},
    ]
    batch = pack(examples)
    with torch.no_grad():
        packed = summed(answer_logps(model, batch), batch["owner"])
        alone = []
        for example in examples:
            for answer in example["answers"]:
                logits = model(torch.tensor([[*example["prompt_ids"], *answer]])).logits[0].float().log_softmax(-1)
                first = len(example["prompt_ids"]) - 1
                alone.append(sum(logits[first + i, token] for i, token in enumerate(answer)))
    assert torch.allclose(packed, torch.stack(alone), atol=1e-5)
    assert batch["input_ids"].shape[1] < sum(len(e["prompt_ids"]) + len(a) for e in examples for a in e["answers"])


def test_a_single_example_packs():
    batch = pack([{"prompt_ids": [4, 5], "answers": [[6]]}])
    assert batch["input_ids"].tolist() == [[4, 5]] and batch["predict"].tolist() == [1]
