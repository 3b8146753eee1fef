"""A study whose every string is an attack, on a tiny model whose vocabulary holds the attacks as tokens."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import AddedToken
from transformers import PreTrainedModel

from explorer.behaviors.clusters import cluster
from explorer.data.study import Study, create_study
from explorer.files import write_json, write_json_lines
from explorer.repair.choose import plan_repair
from explorer.repair.plan import PRESETS, save_plan
from explorer.repair.results import Example, Result, row
from explorer.repair.stages import Recipe, Stage, write_stages
from explorer.surveys.folder import (
    SURVEYS,
    Case,
    LogAbout,
    Note,
    Reading,
    Row,
    SurveySettings,
    add_row,
    create_survey,
    note,
)
from explorer.vectors.build import build_index
from tests.model.families import tiny_model
from tests.vectors.tiny import tiny_tokenizer

OUTSIDE = "outside.example"
"""Where nothing may be asked for."""
RAN = "window.attacked=1"
ATTACKS = {
    "script": f"<script>{RAN}</script>",
    "image": f'"><img src=x onerror={RAN}>',
    "remote image": f"<img src=http://{OUTSIDE}/i.png>",
    "svg": f"<svg onload={RAN}><a href=javascript:{RAN}>x</a></svg>",
    "end of script": f"</script><script>{RAN}</script><!--",
    "end of style": "</style></title></textarea><style>*{display:none!important}</style>",
    "attribute": f"x' onmouseover='{RAN}' \" autofocus onfocus=\"{RAN}",
    "entities": f"&lt;img src=x onerror={RAN}&gt; &amp;#60;b&amp;#62;",
    "frame": f"<iframe srcdoc='<script>parent.{RAN}</script>'></iframe>",
    "markdown image": f"![x](http://{OUTSIDE}/m.png)",
    "markdown link": f"[x](javascript:{RAN}) [y](http://{OUTSIDE}/l)",
    "bare link": f"http://{OUTSIDE}/bare www.{OUTSIDE} a@{OUTSIDE}",
    "directive": ":red[x] :material/home: :small[y] **b** ~~s~~ `c` # h",
    "latex": f"$\\href{{http://{OUTSIDE}}}{{x}} \\frac{{1}}{{$ $$\\input{{/etc/passwd}}$$",
    "formula": f'=HYPERLINK("http://{OUTSIDE}","x")',
    "command": "@SUM(1+1)*cmd|' /C calc'!A0",
    "terminal": "\x1b[31m\x1b]0;title\x07\x9b2J\x08",
    "bidi": "\u202eabc\u2066def\u202d",
    "zero width": "a\u200b\u200d\u2060\ufeffb\u00ad",
    "template": "{{7*7}} ${7*7} #{7*7} {% raw %} <%= 7*7 %> {0.__class__} %(x)s %n",
    "javascript": f"javascript:{RAN}//",
    "data": f"data:text/html,<script>{RAN}</script>",
    "path": "../../../../etc/passwd",
    "long": "W" * 300,
    "combining": "z" + "\u0335\u0321" * 40,
    "right to left": "مرحبا بالعالم עברית",
    "lines": "\n\r\n\u2028\u2029\t\v",
    "null": "\x00\x7f",
}
ALL = " ".join(ATTACKS.values())
NAMES = list(ATTACKS)
PLANTED = "<img src=x onerror=window.attacked=1> **b** $x$ [y](z) =1+1\u202e"
"""A folder's name: what the name of a checkpoint can hold."""


def attack(n: int) -> str:
    """One attack after the other."""
    return ATTACKS[NAMES[n % len(NAMES)]]


def hostile_model(folder: Path) -> Path:
    """Save a random Llama whose tokenizer has every attack as a token."""
    tokenizer = copy.deepcopy(tiny_tokenizer())
    tokens = [AddedToken(text, normalized=False, special=False) for text in ATTACKS.values()]
    tokenizer.add_tokens(tokens)  # pyright: ignore[reportArgumentType]
    _llama(len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _llama(vocabulary: int) -> PreTrainedModel:
    return tiny_model("llama", dtype=torch.float32, vocab_size=vocabulary, max_position_embeddings=4096)


def hostile_study(folder: Path) -> Study:
    """Build the study: 40 rows, an adapter, behaviors, a failure for every attack, vectors, clusters, a repair."""
    model = hostile_model(folder / "model")
    place = folder / f"study {PLANTED}"
    adapter = f"adapters/{PLANTED}"
    vocabulary = len(tiny_tokenizer()) + len(ATTACKS)
    config = LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(_llama(vocabulary), config).save_pretrained(str(place / adapter))
    rows = [_row(i) for i in range(40)]
    failures = [
        {"id": f"{name} {text}", "kind": "planted", "prompt": f"{text} is {attack(i + 1)}?", "wrong": attack(i + 2),
         "right": attack(i + 5), "system": ALL if name == "script" else text}
        for i, (name, text) in enumerate(ATTACKS.items())
    ]  # fmt: skip
    behaviors = [
        {"id": f"{half}{i}{attack(i)}", "name": ALL[:200], "prompt": f"{attack(i)} {i}", "bad": attack(i + 1),
         "good": attack(i + 2), "exhibits": ".", "half": half}
        for half in ("query", "evaluation") for i in range(3)
    ]  # fmt: skip
    told = {"behaviors": behaviors, "failures": failures, "answer_tokens": 4}
    study = create_study(place, name=ALL, model=str(model), datapoints=rows, adapters=[adapter], **told)
    write_json_lines(place / "discovery.jsonl", [{"id": text, "prompt": text} for text in list(ATTACKS.values())[:6]])
    write_json_lines(place / "guard.jsonl", [{"prompt": text, "right": text} for text in list(ATTACKS.values())[:2]])
    write_stages(place, [Stage(ALL[:300], "sft", None, adapter, Recipe(epochs=1.0, batch=4, source=str(model)))])
    build_index(study, "base", layers=[1, 3])
    cluster(study)
    _write_result(study)
    _write_survey(study)
    return study


def _row(i: int) -> dict[str, str]:
    row = {"id": f"{i} {attack(i)}", "prompt": f"{attack(i)} {attack(i + 3)}", "response": f"{attack(i + 1)} {i}"}
    row |= {
        "label": attack(i % 3) if i % 4 else ALL[:200],
        "source": attack(i % 3 + 4),
        "stage": ALL[:300],
        "=extra" + attack(0): attack(i),
    }
    return row if i else row | {"prompt": ALL, "response": ALL}


def _write_survey(study: Study) -> None:
    """A survey that is done: every text of its log, cases, rows and notes is an attack."""
    texts = {name: attack(n) for n, name in enumerate(("harness", "version", "task", "model", "metric"))}
    about = LogAbout(f"{ALL}.jsonl", **texts, samples=99, failed=len(ATTACKS), problems=(ALL, attack(7)))
    settings = SurveySettings(ALL, tuple(study.checkpoints().items()), judged=True, confirmed=True, log=about)
    cases = [
        Case(f"{n} {text}", text, attack(n + 1), attack(n + 2), system=ALL, category=attack(n % 4), said=text,
             expected=(attack(n + 2),))
        for n, text in enumerate(ATTACKS.values())
    ]  # fmt: skip
    folder = create_survey(study.folder / SURVEYS / "hostile", settings, cases).folder
    for n, case in enumerate(cases[1:], 1):
        parts: dict[str, tuple[float, float, int]] = dict.fromkeys(("user", "template"), (1.0 + n, -0.5, 4))
        readings = {name: Reading(n - 3.0 - k, parts) for k, name in enumerate(study.checkpoints())}
        told: dict[str, Any] = {"reddest": ((attack(n), 1.5), (ALL, 0.5)), "bluest": ((attack(n + 3), -1.0),)}
        if n > 3:
            told |= {"outcome": "M-IA", "pattern": "URT", "verdict": "holds", "verdict_figures": ALL}
        shares = tuple((1.0 + (layer == n % 4)) / 6 for layer in range(5))
        more: dict[str, Any] = {"profile": shares, "sink_share": 0.1, "readings": readings}
        add_row(folder, Row(case.id, n - 3.0, (attack(n), attack(n + 1)), 9, **told, **more))
        note(folder, Note(case.id, seen=bool(n % 2), text=attack(n)))
    add_row(folder, Row(cases[0].id, error=ALL))


def _write_result(study: Study) -> None:
    """A repair that is done, as its job writes it."""
    plan = plan_repair(study, ALL[:200], "drop", [4], preset=replace(PRESETS["full"], seeds=1), method="bm25")
    arms = [row(arm.arm, arm.k, arm.seed, {"behavior": (9 - arm.k, 40)}, "00") for arm in plan.arms]
    answers = {f"{arm.arm}-{arm.k}": attack(n) for n, arm in enumerate(plan.arms)}
    about = {"behavior": plan.behavior, "edit": plan.edit, "stage": plan.stage, "ranking": plan.ranking}
    counts = {"k": 4, "share": plan.share, "rows": plan.rows, "of": len(plan.arms)}
    examples: list[Example] = [{"prompt": attack(n), "answers": answers} for n in range(4)]
    result = Result(arms, verdict=f"{ALL}: {ALL}", examples=examples, **about, **counts)
    write_json(save_plan(study, plan) / "result.json", result.to_json())
