"""The cases of ``bench.truth.blimp`` explained by Inseq and Captum; run in an environment of its own.

python -m venv peers && peers/bin/pip install inseq==0.7.1 captum==0.9.0 torch==2.13.0 transformers==5.23.0
peers/bin/python bench/truth/peers.py --cases cases.json --json attributions.json [--methods NAME …] [--items N]

Takes a quarter to half an hour a file on one core; what ``--json`` holds is not computed again. Imports nothing
of the explorer. Every method explains ℓ[target] − ℓ[foil] at the last position for the tokens that
``cases.json`` lists; the gap that Inseq computed is compared with the case's. A case whose tokens Inseq would read
otherwise is left out. Inseq's own contrast (``contrast_logits_diff``) takes no integrated gradients, so the gap is
registered as a step function of its own.
"""

import argparse
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

Case = dict[str, Any]
Values = dict[str, list[float]]
"""(T,) attributions by case."""
Method = Callable[[Case], list[float] | None]
INSEQ = ("input_x_gradient", "integrated_gradients", "saliency", "deeplift", "gradient_shap", "occlusion")
STEPS = 50
"""Of integrated gradients: both libraries' default."""
SAVED = 25
"""Cases after which the values are written, so that a run that was stopped goes on."""


def inseq_methods(folder: str) -> dict[str, Method]:
    """Inseq's methods that explain a step function, summed over the width of the embeddings where they keep it."""
    import inseq  # pyright: ignore[reportMissingImports]

    def logit_gap(args: Any, foil: int) -> torch.Tensor:
        logits = args.forward_output.logits
        logits = logits[:, -1] if logits.dim() == 3 else logits
        return logits.gather(-1, args.target_ids.reshape(-1, 1)).squeeze(-1) - logits[:, foil]

    inseq.register_step_function(logit_gap, "logit_gap", overwrite=True)
    model = inseq.load_model(folder, "saliency", device="cpu")
    tokenizer = model.tokenizer

    def attribute(method: str, case: Case) -> list[float] | None:
        ids = case["ids"]
        text, full = tokenizer.decode(ids), tokenizer.decode([*ids, case["target"]])
        if tokenizer(full)["input_ids"] != [*ids, case["target"]]:
            return None  # the answer's tokens are others when they are read as text
        extra = {"n_steps": STEPS} if method == "integrated_gradients" else {}
        torch.manual_seed(0)  # gradient_shap draws its baselines
        found = model.attribute(
            text, full, method=method, attributed_fn="logit_gap", foil=case["foil"], attr_pos_start=len(ids),
            step_scores=["logit_gap"], show_progress=False, **extra,
        )[0]  # fmt: skip
        gap = float(found.step_scores["logit_gap"][-1])
        assert abs(gap - case["gap"]) < 1e-2 * max(1, abs(case["gap"])), f"{text!r}: {gap} is not {case['gap']}"
        values = found.target_attributions[: len(ids), -1]
        return (values.sum(-1) if values.dim() == 2 else values).tolist()

    return {f"inseq:{method}": lambda case, method=method: attribute(method, case) for method in INSEQ}


def captum_methods(folder: str) -> dict[str, Method]:
    """Captum's methods on the input embeddings; the baseline of integrated gradients is zero, or the mean embedding."""
    from captum.attr import (  # pyright: ignore[reportMissingImports]
        FeatureAblation,
        InputXGradient,
        IntegratedGradients,
    )
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
    )
    model.eval().requires_grad_(False)
    table: torch.Tensor = model.get_input_embeddings().weight
    mean = table.mean(0)

    def gap(embedded: torch.Tensor, target: int, foil: int) -> torch.Tensor:
        logits = model(inputs_embeds=embedded, logits_to_keep=1).logits[:, -1]
        return logits[:, target] - logits[:, foil]

    def embedded(case: Case) -> tuple[torch.Tensor, tuple[int, int]]:
        return table[torch.tensor([case["ids"]])].detach().requires_grad_(), (case["target"], case["foil"])

    def input_x_gradient(case: Case) -> list[float]:
        x, pair = embedded(case)
        return InputXGradient(gap).attribute(x, additional_forward_args=pair)[0].sum(-1).tolist()

    def integrated(case: Case, baseline: torch.Tensor) -> list[float]:
        x, pair = embedded(case)
        method = IntegratedGradients(gap)
        found = method.attribute(x, baseline.expand_as(x), additional_forward_args=pair, n_steps=STEPS)
        return found[0].sum(-1).tolist()

    def ablation(case: Case) -> list[float]:
        x, pair = embedded(case)
        groups = torch.arange(x.shape[1])[None, :, None].expand_as(x)
        with torch.no_grad():
            found = FeatureAblation(gap).attribute(
                x.detach(), mean.expand_as(x), additional_forward_args=pair, feature_mask=groups
            )
        return found[0, :, 0].tolist()

    return {
        "captum:input_x_gradient": input_x_gradient,
        "captum:integrated_gradients": lambda case: integrated(case, torch.zeros(())),
        "captum:integrated_gradients, mean embedding": lambda case: integrated(case, mean),
        "captum:feature_ablation, mean embedding": ablation,
    }


def main() -> None:
    """Explain every case with every method, and write the values."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--methods", nargs="*", help="names as library:method; all by default")
    parser.add_argument("--items", type=int, help="so many cases, the first of the file; all by default")
    options = parser.parse_args()
    given = json.loads(options.cases.read_text())
    methods = inseq_methods(given["folder"]) | captum_methods(given["folder"])
    versions = {library: version(library) for library in ("inseq", "captum", "torch", "transformers")}
    result = held(options.json, versions)
    for name, method in methods.items():
        if options.methods and name not in options.methods:
            continue
        found: Values = result["attributions"].setdefault(name, {})
        try:
            for number, case in enumerate(given["cases"][: options.items], 1):
                if case["failure"]["id"] not in found and (values := method(case)) is not None:
                    found[case["failure"]["id"]] = values
                if number % SAVED == 0:
                    save(options.json, result)
        except (ImportError, NotImplementedError, RuntimeError, ValueError) as error:
            del result["attributions"][name]
            result["refused"][name] = repr(error)[:300]
        print(f"{name}: {len(found)} cases", file=sys.stderr, flush=True)
        save(options.json, result)


def held(path: Path, versions: dict[str, str]) -> dict[str, Any]:
    """Return what a run before this one left, where it was of the same versions; what it refused is tried again."""
    left = json.loads(path.read_text()) if path.exists() else {}
    kept = left["attributions"] if left.get("versions") == versions else {}
    return {"versions": versions, "attributions": kept, "refused": {}}


def save(path: Path, result: dict[str, Any]) -> None:
    """Write all values, so that a reader never meets half a file."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(result))
    new.replace(path)


if __name__ == "__main__":
    main()
