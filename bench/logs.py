"""Make the fixtures in ``tests/data/logs`` with the real harnesses.

Each harness stands in an environment of its own, so that none of them is a dependency::

    python -m bench.logs lm-eval   BIN/lm_eval   OUT    # pip install lm_eval
    python -m bench.logs inspect   BIN/inspect   OUT    # pip install inspect_ai
    python -m bench.logs promptfoo BIN/promptfoo OUT    # npm install promptfoo
    python -m bench.logs evals     BIN/oaieval   OUT    # pip install evals
    python -m bench.logs helm      BIN/helm-run  OUT    # pip install crfm-helm

The questions are this file's own. Paths of the machine are taken out of what the harnesses write.
lm_eval 0.4.2 takes its metric ``exact_match`` from the hub, or from a folder of that name where it runs.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from explorer.model.embedded import embedded_folder

QUESTIONS = [
    ("What is the capital of France?", "Paris", ["London", "Paris", "Rome"]),
    ("What is the capital of Australia?", "Canberra", ["Sydney", "Canberra", "Perth"]),
    ("How many legs does a spider have?", "8", ["6", "8", "10"]),
    ("What color is a ripe lemon?", "yellow", ["yellow", "blue", "red"]),
    ("Which planet is closest to the Sun?", "Mercury", ["Venus", "Earth", "Mercury"]),
    ("How many minutes are in three hours?", "180", ["180", "120", "300"]),
]
_DATA = """\
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/questions.jsonl}}}}
test_split: test
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
metadata: {{version: 1.0}}
"""
_VERSION = "from importlib.metadata import version; print(version('{}'))"
_GENERATION = """\
task: own_generation
output_type: generate_until
doc_to_target: answer
generation_kwargs: {until: ["Question:"], max_gen_toks: 24, do_sample: false}
metric_list: [{metric: exact_match, ignore_case: true, ignore_punctuation: true}]
filter_list:
  - {name: last-word, filter: [{function: regex, regex_pattern: '([A-Za-z0-9]+)\\W*$'}, {function: take_first}]}
  - {name: as-said, filter: [{function: take_first}]}
"""
_CHOICE = """\
task: own_choice
output_type: multiple_choice
doc_to_target: gold
doc_to_choice: choices
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
_INSPECT = """\
import tiktoken
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, ModelOutput, get_model
from inspect_ai.scorer import choice, includes, match
from inspect_ai.solver import generate, multiple_choice, system_message

class Words:  # counts tokens without fetching a vocabulary
    def encode(self, text, **options):
        return text.split()

tiktoken.get_encoding = lambda name: Words()
QUESTIONS = {questions!r}
LONG = " Take your time, and look at it from more than one side before you answer." * 2
FREE = [Sample(q + LONG, target=a, id=f"q{{n}}", metadata={{"kind": "own"}}) for n, (q, a, _) in enumerate(QUESTIONS)]
CHOICE = [Sample(q, target="ABC"[c.index(a)], choices=c, id=n) for n, (q, a, c) in enumerate(QUESTIONS, 1)]
SHORT = GenerateConfig(max_tokens=24, temperature=0.01)

def answer(input, tools, tool_choice, config):
    asked = input[-1].text
    n, options = next((n, c) for n, (q, _, c) in enumerate(QUESTIONS) if q in asked)
    said = "ANSWER: " + "ABC"[n % 3] if "ANSWER" in asked else f"It is {{options[n % 3]}}, I think."
    return ModelOutput.from_content("mockllm/model", said)

MODEL = get_model("mockllm/model", custom_outputs=answer) if {mock} else None

@task
def own_generation():
    solver = [system_message("You answer briefly."), generate()]
    epochs = 2 if MODEL else 1
    return Task(FREE, solver=solver, scorer=[includes(), match()], epochs=epochs, config=SHORT, model=MODEL)

@task
def own_choice():
    return Task(CHOICE, solver=multiple_choice(), scorer=choice(), config=SHORT, model=MODEL)
"""
_IN_PARTS = """\
import sys
from inspect_ai.log._recorders.chunked import convert_eval_logs_to_chunked  # inspect log convert-chunked
convert_eval_logs_to_chunked(*sys.argv[1:], chunk_size=2)
"""
_EVALS = """\
from evals.record import record_sampling

ANSWERS = {answers!r}

class Answers:
    def __init__(self, **options):
        pass

    def __call__(self, prompt, **options):
        asked = prompt if isinstance(prompt, str) else prompt[-1]["content"]
        self.said = next(said for question, said in ANSWERS.items() if question in asked)
        record_sampling(prompt=prompt, sampled=[self.said])
        return self

    def get_completions(self):
        return [self.said]
"""
_EVALS_REGISTRY = """\
own.test.v0: {{class: "evals.elsuite.basic.{module}:{name}", args: {{samples_jsonl: {folder}/questions.jsonl}}}}
own: {{id: own.test.v0, metrics: [accuracy]}}
"""
_HELM = """\
from helm.benchmark.adaptation import common_adapter_specs as adapters
from helm.benchmark.metrics.common_metric_specs import get_exact_match_metric_specs
from helm.benchmark.run_spec import RunSpec, run_spec_function
from helm.benchmark.scenarios.scenario import CORRECT_TAG, TEST_SPLIT, Input, Instance, Output, Reference, Scenario
from helm.benchmark.scenarios.scenario import ScenarioSpec

QUESTIONS = {questions!r}

class Own(Scenario):
    name, description, tags = "own", "Own questions.", []

    def get_instances(self, output_path):
        return [
            Instance(Input(text=q), [Reference(Output(text=c), [CORRECT_TAG] * (c == a)) for c in choices], TEST_SPLIT)
            for q, a, choices in QUESTIONS
        ]

def spec(name, adapter):
    return RunSpec(name, ScenarioSpec("own_helm.Own"), adapter, get_exact_match_metric_specs(), groups=["own"])

@run_spec_function("own_generation")
def own_generation():
    adapter = adapters.get_generation_adapter_spec("Answer in one word.", "Question", output_noun="Answer")
    return spec("own_generation", adapter)

@run_spec_function("own_choice")
def own_choice(method="multiple_choice_joint"):
    adapter = adapters.get_multiple_choice_adapter_spec(method, "Answer with a letter.", "Question", "Answer")
    return spec("own_choice:method=" + method, adapter)
"""


def run(*command: object, cwd: Path, **environment: str) -> str:
    """Run a harness, and return what it printed."""
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=os.environ | environment, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def scrubbed(text: str, folder: Path) -> str:
    """Text without paths and names of this machine, and without the git commit of the folder it ran in."""
    for path, name in ((folder, "WORK"), (embedded_folder(), "MODEL"), (Path.home(), "HOME")):
        text = text.replace(str(path), name).replace(str(path).strip("/").replace("/", "__"), name)
    text = re.sub(r'"pretty_env_info": "(?:[^"\\]|\\.)*"', '"pretty_env_info": ""', text)
    return re.sub(r'"(hostname|host|user|author)": "[^"]*"', r'"\1": ""', text)


def lm_eval(program: Path, out: Path, folder: Path) -> None:
    """Generation and multiple choice, plain and with a chat template."""
    rows = [
        {"question": question, "answer": answer, "choices": choices, "gold": choices.index(answer)}
        for question, answer, choices in QUESTIONS
    ]
    (folder / "questions.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    for name, task in (("own_generation", _GENERATION), ("own_choice", _CHOICE)):
        (folder / f"{name}.yaml").write_text(_DATA.format(folder=folder) + task)
    (folder / "smollm2").symlink_to(embedded_folder())
    version = run(program.parent / "python", "-c", _VERSION.format("lm_eval"), cwd=folder).strip()
    command = [program, "--model", "hf", "--model_args", "pretrained=smollm2,dtype=float32", "--device", "cpu"]
    command += ["--include_path", folder, "--tasks", "own_generation,own_choice", "--log_samples"]
    chat = ["--apply_chat_template", "--system_instruction", "Be brief."]
    variants = {"plain": [], "chat": chat} if version != "0.4.2" else {"plain": []}  # that release has no templates
    for name, options in variants.items():
        run(*command, *options, "--output_path", folder / name, cwd=folder, HF_HUB_OFFLINE="1")
        target = out / f"lm_eval-{version}-{name}"
        target.mkdir(parents=True, exist_ok=True)
        for path in (folder / name).rglob("*.json*"):
            (target / path.name).write_text(scrubbed(path.read_text(), folder))


def inspect(program: Path, out: Path, folder: Path) -> None:
    """Generation and multiple choice with the mock model and the embedded one, in both formats; one in parts."""
    version = run(program, "--version", cwd=folder).strip()
    target = out / f"inspect-{version}"
    target.mkdir(parents=True, exist_ok=True)
    (folder / "smollm2").symlink_to(embedded_folder())  # so that the log has no path of this machine
    local = ["--model", "hf/smollm2", "-M", "model_path=smollm2", "-M", "device=cpu"]
    runs = [("mock", ["--model", "mockllm/model"], "eval", task, 6) for task in ("generation", "choice")]
    runs += [("embedded", local, "eval", task, 6) for task in ("generation", "choice")]
    runs += [("mock", ["--model", "mockllm/model"], "json", "generation", 1)]  # long: a file of all events
    runs += [("mock", ["--model", "mockllm/model"], "json", "choice", 3)]
    for name, model, form, task, limit in runs:
        (folder / "tasks.py").write_text(_INSPECT.format(questions=QUESTIONS, mock=name == "mock"))
        logs = folder / f"{name}-{task}-{form}"
        options = ["--log-dir", logs, "--log-format", form, "--display", "none", "--limit", limit, *model]
        command = [program, "eval", f"tasks.py@own_{task}", *options]
        run(*command, cwd=folder, PYTHONDONTWRITEBYTECODE="1", HF_HUB_OFFLINE="1")
        (log,) = logs.glob(f"*.{form}")
        shutil.copy(log, target / f"{name}-{task}.{form}")
    run(program.parent / "python", "-c", _IN_PARTS, target / "mock-generation.eval", folder / "parts", cwd=folder)
    shutil.copy(folder / "parts" / "mock-generation.eval", target / "mock-generation-parts.eval")


def promptfoo(program: Path, out: Path, folder: Path) -> None:
    """Assertions of several types, with a provider that is a script."""
    answers = {question: choices[n % 3] for n, (question, _, choices) in enumerate(QUESTIONS)}
    code = f"const ANSWERS = {json.dumps(answers)};\nmodule.exports = class {{\n  id() {{ return 'own-script'; }}\n"
    code += "  async callApi(prompt, context) { return { output: `It is ${ANSWERS[context.vars.question]}.` }; }\n};\n"
    (folder / "provider.js").write_text(code)
    kinds = ("contains", "icontains", "equals", "regex")
    tests = [
        {
            "vars": {"question": question},
            "description": f"question {n}",
            "assert": [{"type": kind, "value": f"It is {answer}." if kind == "equals" else answer}],
            "metadata": {"category": kind},
        }
        for n, ((question, answer, _), kind) in enumerate(zip(QUESTIONS, kinds, strict=False))
    ]
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{question}}"}]
    config = {"prompts": ["Question: {{question}}", json.dumps(chat)], "providers": ["file://provider.js"]}
    (folder / "promptfooconfig.json").write_text(json.dumps(config | {"tests": tests}))
    quiet = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_CONFIG_DIR": str(folder)}
    command = [program, "eval", "-c", "promptfooconfig.json", "-o", "output.json", "--no-cache", "--no-write"]
    environment = os.environ | quiet
    subprocess.run([*map(str, command)], cwd=folder, env=environment, capture_output=True, check=False)  # some fail
    version = run(program, "--version", cwd=folder, **quiet).split()[-1]
    (out / f"promptfoo-{version}.json").write_text(scrubbed((folder / "output.json").read_text(), folder))


def evals(program: Path, out: Path, folder: Path) -> None:
    """Three of the basic evals, with a completion function that is a script."""
    answers = {question: choices[n % 3] for n, (question, _, choices) in enumerate(QUESTIONS)}
    (folder / "own_answers.py").write_text(_EVALS.format(answers=answers))
    rows = [
        {
            "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}],
            "ideal": answer if n % 2 else [answer, answer.upper()],
        }
        for n, (question, answer, _) in enumerate(QUESTIONS)
    ]
    (folder / "questions.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    for name in ("evals", "completion_fns"):
        (folder / "registry" / name).mkdir(parents=True)
    (folder / "registry" / "completion_fns" / "own.yaml").write_text("own/script: {class: own_answers:Answers}\n")
    version = run(program.parent / "python", "-c", _VERSION.format("evals"), cwd=folder).strip()
    target = out / f"openai-evals-{version}"
    target.mkdir(parents=True, exist_ok=True)
    command = [program, "own/script", "own", "--registry_path", folder / "registry", "--record_path"]
    for module, name in (("match", "Match"), ("includes", "Includes"), ("fuzzy_match", "FuzzyMatch")):
        text = _EVALS_REGISTRY.format(module=module, name=name, folder=folder)
        (folder / "registry" / "evals" / "own.yaml").write_text(text)
        run(*command, folder / "log.jsonl", cwd=folder, PYTHONPATH=str(folder), OPENAI_API_KEY="none")
        text = scrubbed((folder / "log.jsonl").read_text(), folder)
        (target / f"{module}.jsonl").write_text(text.replace(str(program), program.name))


def helm(program: Path, out: Path, folder: Path) -> None:
    """Generation, in small letters too, and multiple choice, joint and one request a choice."""
    (folder / "own_helm.py").write_text(_HELM.format(questions=QUESTIONS))
    shutil.copytree(embedded_folder(), folder / "smollm2")
    about = folder / "smollm2" / "tokenizer_config.json"  # HELM asks it for a length
    about.write_text(json.dumps(json.loads(about.read_text()) | {"model_max_length": 2048}))
    version = run(program.parent / "python", "-c", _VERSION.format("crfm-helm"), cwd=folder).strip()
    entries = ["own_generation:model={},data_augmentation=lower", "own_choice:model={}"]
    entries += ["own_choice:model={},method=multiple_choice_separate_original"]
    entries = [entry.format("huggingface/smollm2") for entry in entries]
    command = [program, "--plugins", "own_helm", "--enable-local-huggingface-models", "smollm2", "--suite", "own"]
    command += ["--max-eval-instances", 10, "--output-path", folder / "runs", "--local-path", folder / "local"]
    run(*command, "--run-entries", *entries, cwd=folder, PYTHONPATH=str(folder), HF_HUB_OFFLINE="1")
    for path in (folder / "runs").rglob("*.json"):
        if path.name in ("scenario_state.json", "per_instance_stats.json", "run_spec.json"):
            name = re.sub(r":method=(.*),model.*|:model.*", r"-\1", path.parent.name).strip("-")
            target = out / f"helm-{version}" / name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(scrubbed(path.read_text(), folder))


MAKERS = {"lm-eval": lm_eval, "inspect": inspect, "promptfoo": promptfoo, "evals": evals, "helm": helm}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("harness", choices=[*MAKERS])
    parser.add_argument("program", type=Path, help="the harness's own command")
    parser.add_argument("out", type=Path, help="folder for the fixtures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        MAKERS[arguments.harness](arguments.program.absolute(), arguments.out, Path(folder))


if __name__ == "__main__":
    main()
