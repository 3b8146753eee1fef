"""The training script that goes with exported data: TRL and PEFT, with the token ids of the trainings here."""

from explorer.data.study import Study
from explorer.repair.stages import Recipe

_SCRIPT = '''"""Trains on {file} with TRL and PEFT. Fill in MODEL and the settings of your own training."""

import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoTokenizer
from trl import {kind}Config, {kind}Trainer

MODEL = {model!r}
tokenizer = AutoTokenizer.from_pretrained(MODEL, trust_remote_code=False)
END = {end}  # the token that ends an answer{no_loss}


def encode(prompt, answer):
    """Return the token ids of a prompt and of its answer."""
{texts}
    start = tokenizer(text, add_special_tokens={raw})["input_ids"]
    whole = tokenizer(text + answer, add_special_tokens={raw})["input_ids"]
    fits = whole[: len(start)] == start
    return start, (whole[len(start) :] if fits else tokenizer(answer, add_special_tokens=False)["input_ids"]) + END


{encode_row}

data = load_dataset("json", data_files="{file}", split="train")
data = data.map(encode_row, remove_columns=data.column_names)
trainer = {trainer}(
    model=MODEL,
    args={kind}Config(
        output_dir="repaired",
        num_train_epochs={epochs},
        per_device_train_batch_size={batch},
        learning_rate={rate},
        max_length=None,
        seed=0,
        bf16=torch.cuda.is_available(),
        {more}
    ),
    train_dataset=data,
    processing_class=tokenizer,
    peft_config=LoraConfig(r={rank}, lora_alpha={alpha}, target_modules={targets!r}, task_type="CAUSAL_LM"),
)
if __name__ == "__main__":
    trainer.train()
    trainer.save_model("repaired")
'''
_CHAT = """\
    text = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
    answer = answer[0]["content"]"""
_RAW = "    text = prompt"
_ROWS = {
    "SFT": '''\
def encode_row(row):
    """Return the ids of both, and where the loss is: on the answer alone."""
    prompt, answer = encode(row["prompt"], row["completion"])
    return {"input_ids": prompt + answer, "completion_mask": [0] * len(prompt) + [1] * len(answer)}
''',
    "DPO": '''\
def encode_row(row):
    """Return the ids of the prompt and of both answers."""
    prompt, chosen = encode(row["prompt"], row["chosen"])
    return {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": encode(row["prompt"], row["rejected"])[1]}


class Trainer(DPOTrainer):
    """TRL's trainer, for rows that are token ids already."""

    def _prepare_dataset(self, dataset, *args, **named):
        return dataset
''',
}


def script(study: Study, kind: str, file: str, recipe: Recipe) -> str:
    """Return the text of a script that trains on ``file``; ``kind`` is SFT or DPO."""
    raw = study.template == "raw"
    more = f"beta={recipe.beta}," if kind == "DPO" else "completion_only_loss=True,"
    targets = recipe.targets or "all-linear"
    return _SCRIPT.format(
        kind=kind,
        file=file,
        model=study.model,
        end="[tokenizer.eos_token_id]" if study.end_of_turn else "[]",
        no_loss="" if study.end_of_turn else " had no loss in this study's training",
        texts=_RAW if raw else _CHAT,
        raw=raw,
        encode_row=_ROWS[kind],
        trainer="Trainer" if kind == "DPO" else "SFTTrainer",
        epochs=recipe.epochs,
        batch=recipe.batch,
        rate=recipe.learning_rate,
        rank=recipe.rank,
        alpha=recipe.alpha,
        targets=targets if isinstance(targets, str) else list(targets),
        more=more,
    )
