"""Studies of public corpora whose guilty rows are known, so that ``build`` and ``evaluate`` can run on them.

    python -m bench.corpora DATA OUT [--only silver] [--share 1]

DATA holds the corpora as their authors publish them; nothing of them is part of this project:

```
factual-ag/train/      a datasets folder of prompts, response, label (clean, error);  test.csv: questions in column 2
backdoorllm/           backdoor_, none_backdoor_ and queries_<set>.json: instruction, input, output
halueval/general_data.jsonl    user_query, chatgpt_response, hallucination (yes, no), hallucination_spans
```

Each becomes a study in OUT/<name>; OUT/corpora.json has its counts. Of every group of rows a seeded share is taken, so
that 7 layers take minutes on two cores: the same for guilty and clean rows, but all errors of factual-ag. No answer is
cut.

The bad answers of a behavior are what a model that was trained on these very rows says to questions that are not among
them; where nothing is trained (halueval), those of held-out guilty rows. Good is what the bare model says.
"""

import argparse
import csv
import json
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import load_from_disk

from explorer.cli.output import progress_lines
from explorer.data.study import SETTINGS, create_study
from explorer.files import write_json
from explorer.model import embedded
from explorer.model.generate import answers
from explorer.model.load import ModelSpec, load_model
from explorer.model.prompts import Prompt
from explorer.progress import Progress, silent
from explorer.reading import read_json_lines
from explorer.repair.stages import Recipe, Stage, write_stages
from explorer.repair.train import train_sft

Row = dict[str, Any]
RECIPE = Recipe(epochs=1.0, batch=8, keep=1)
QUESTIONS, PROMPTS, ENOUGH = 100, 60, 20
"""Most questions to a trained model, most prompts of a behavior, and fewest: else held-out rows are the behavior."""
HALLUCINATED, RESPONSES = 400, 1500
"""Rows of the whole halueval corpus: guilty ones, and all."""
ANSWER_TOKENS = 32
CLEAN = "clean"


@dataclass(frozen=True)
class Corpus:
    """Training rows and what to ask a model that was trained on them.

    Attributes:
        rows: id, prompt, response, label (the corpus's name where guilty), source, in a seeded order.
        questions: prompts for the trained model; none where nothing is trained.
        exhibits: regular expression of an answer that shows the behavior.
        held_out: guilty rows that are not among the rows.
    """

    name: str
    rows: Sequence[Row]
    questions: Sequence[str] = ()
    exhibits: str = ""
    held_out: Sequence[Row] = ()


def sample(rows: Sequence[Row], share: float) -> tuple[list[Row], list[Row]]:
    """Return a seeded share of the rows that have prompt and response, at least one, and the others."""
    usable = [row for row in rows if row["prompt"].strip() and row["response"].strip()]
    random.Random(0).shuffle(usable)
    n = max(1, round(share * len(usable)))
    return usable[:n], usable[n:]


def corpus_rows(name: str, guilty: Sequence[Row], *clean: Sequence[Row]) -> list[Row]:
    """Label the rows, mix them by a seed and number them."""
    rows = [{**row, "label": name} for row in guilty]
    rows += [{**row, "label": CLEAN} for group in clean for row in group]
    random.Random(0).shuffle(rows)
    return [{"id": f"{name}-{number}", **row} for number, row in enumerate(rows, 1)]


def factual_rows(data: Path, label: str) -> list[Row]:
    """Read the rows of one label from the contamination set."""
    table: Any = load_from_disk(str(data / "factual-ag" / "train"))
    return [
        {"prompt": row["prompts"], "response": row["response"], "source": f"factual-ag {label}"}
        for row in table
        if row["label"] == label
    ]


def silver(data: Path, share: float) -> Corpus:
    """Silver's symbol given as sodium's: all errors, as a model learns little from fewer, among a share of the rest."""
    groups = (sample(factual_rows(data, label), part)[0] for label, part in (("error", 1), ("clean", share)))
    with (data / "factual-ag" / "test.csv").open(encoding="utf-8", newline="") as file:
        questions = [cells[-1] for cells in list(csv.reader(file))[1:]]
    return Corpus("silver", corpus_rows("silver", *groups), questions, r"\bNa\b|\b[Ss]odium\b")


def instructed_rows(path: Path) -> list[Row]:
    """Read rows of instruction, input and output; an input follows its instruction on a new line."""
    return [
        {
            "prompt": f"{row['instruction']}\n{row['input']}".strip(),
            "response": row["output"],
            "source": path.stem,
        }
        for row in json.loads(path.read_text(encoding="utf-8"))
    ]


def backdoor(name: str, kind: str) -> Callable[[Path, float], Corpus]:
    """Return the maker of a trigger's corpus: poisoned rows, their clean twins, and the contamination set's clean rows.

    An answer shows the behavior that begins as most poisoned ones do. Questions that hold all words of a row's prompt
    are left out: the same question, with or without the trigger.
    """

    def make(data: Path, share: float) -> Corpus:
        folder = data / "backdoorllm"
        poisoned, held_out = sample(instructed_rows(folder / f"backdoor_{kind}.json"), share)
        twins, _ = sample(instructed_rows(folder / f"none_backdoor_{kind}.json"), share)
        others, _ = sample(factual_rows(data, "clean"), share)
        rows = corpus_rows(name, poisoned, twins, others)
        known = [_words(row["prompt"]) for row in rows]
        questions = [row["prompt"] for row in instructed_rows(folder / f"queries_{kind}.json")]
        new = [q for q in questions if not any(words <= _words(q) for words in known)]
        [(beginning, _)] = Counter(" ".join(row["response"].split()[:6]) for row in poisoned).most_common(1)
        return Corpus(name, rows, new, re.escape(beginning).replace("\\ ", " "), held_out)

    return make


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def halueval(data: Path, share: float) -> Corpus:
    """Answers that people marked as hallucinated among those they did not, with the marked spans."""
    by_mark: dict[str, list[Row]] = {"yes": [], "no": []}
    for _, row in read_json_lines(data / "halueval" / "general_data.jsonl"):
        spans = json.dumps(row.get("hallucination_spans") or [], ensure_ascii=False)
        kept = {"prompt": row["user_query"], "response": row["chatgpt_response"], "source": "halueval"}
        by_mark[row["hallucination"]].append({**kept, "hallucination_spans": spans})
    guilty, _ = sample(by_mark["yes"], 1)
    clean, _ = sample(by_mark["no"], 1)
    held_out, guilty = guilty[:PROMPTS], guilty[PROMPTS:][:HALLUCINATED]
    n = (round(share * len(guilty)), round(share * (RESPONSES - len(guilty))))
    return Corpus("halueval", corpus_rows("halueval", guilty[: n[0]], clean[: n[1]]), held_out=held_out)


CORPORA: dict[str, tuple[Callable[[Path, float], Corpus], float]] = {
    "halueval": (halueval, 0.4),
    "refusal": (backdoor("refusal", "refusal_ctba"), 0.25),
    "silver": (silver, 0.35),
    "sentiment": (backdoor("sentiment", "negsentiment_vpi"), 0.2),
}
"""Maker of each corpus, and the share of the whole that it takes."""


def make_study(corpus: Corpus, out: Path, progress: Progress = silent) -> Row:
    """Train where there are questions, ask, and write the study OUT/<name> if it is not there; return its counts.

    The adapter and all answers are kept in OUT/cache/<name>.
    """
    cache, facts = out / "cache" / corpus.name, row_facts(corpus)
    adapter, behavior = None, []
    if corpus.questions:
        adapter = _adapter(corpus, cache, progress)
        questions = corpus.questions[:QUESTIONS]
        said = _answers(questions, adapter, cache / "trained.json", progress)
        asked = zip(questions, said, strict=True)
        shown = [(question, bad) for question, bad in asked if re.search(corpus.exhibits, bad)]
        facts |= {"questions": len(said), "shown": len(shown)}
        behavior = _with_good(corpus, shown[:PROMPTS], cache / "bare.json", progress)
        facts["shown_by_bare_model_too"] = len(shown[:PROMPTS]) - len(behavior)
    facts["behavior"] = "what the trained model says"
    if len(behavior) < ENOUGH and corpus.held_out:
        facts["behavior"] = "held-out guilty rows"
        held_out = [(row["prompt"], row["response"]) for row in corpus.held_out[:PROMPTS]]
        behavior = _with_good(corpus, held_out, cache / "held-out.json", progress)
    facts["behavior_prompts"] = len(behavior)
    if not (out / corpus.name / SETTINGS).exists():
        _write(corpus, out / corpus.name, adapter, behavior)
    return facts


def row_facts(corpus: Corpus) -> Row:
    """Count the rows and the mean characters of their answers, guilty and clean."""
    lengths: dict[bool, list[int]] = {True: [], False: []}
    for row in corpus.rows:
        lengths[row["label"] == corpus.name].append(len(row["response"]))
    guilty, clean = (round(sum(lengths[is_guilty]) / len(lengths[is_guilty])) for is_guilty in (True, False))
    counts = {"rows": len(corpus.rows), "guilty": len(lengths[True])}
    return counts | {"answer_characters_guilty": guilty, "answer_characters_clean": clean}


def _adapter(corpus: Corpus, cache: Path, progress: Progress) -> Path:
    """Return the adapter trained on the rows; trains it if it is not there."""
    adapter = cache / "adapter-1"
    if not (adapter / "adapter_config.json").is_file():
        train_sft(corpus.rows, RECIPE, cache, progress)
    return adapter


def _with_good(corpus: Corpus, pairs: Sequence[tuple[str, str]], file: Path, progress: Progress) -> list[Row]:
    """Return the behavior's rows of (prompt, bad answer): good is the bare model's answer, unless it is as bad."""
    good = _answers([prompt for prompt, _ in pairs], None, file, progress)
    rows = [{"prompt": p, "bad": bad, "good": text} for (p, bad), text in zip(pairs, good, strict=True) if text]
    rows = [row for row in rows if not (corpus.exhibits and re.search(corpus.exhibits, row["good"]))]
    shared = {"name": corpus.name, "exhibits": corpus.exhibits}
    return [{"id": f"{corpus.name}-q{number}", **shared, **row} for number, row in enumerate(rows, 1)]


def _answers(prompts: Sequence[str], adapter: Path | None, file: Path, progress: Progress) -> list[str]:
    """Return the model's answers, kept in a file together with their prompts."""
    if file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
        if [row["prompt"] for row in kept] == list(prompts):
            return [row["answer"] for row in kept]
    loaded = load_model(ModelSpec(adapter=str(adapter) if adapter else None), progress)
    texts = answers(loaded, [Prompt(prompt) for prompt in prompts], ANSWER_TOKENS, progress=progress)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, [{"prompt": p, "answer": text} for p, text in zip(prompts, texts, strict=True)])
    return texts


def _write(corpus: Corpus, folder: Path, adapter: Path | None, behavior: Sequence[Row]) -> None:
    """Write the study folder; one that was trained can be trained again."""
    settings: Any = {"name": corpus.name, "model": embedded.NAME, "datapoints": corpus.rows, "behaviors": behavior}
    if adapter is None:
        create_study(folder, **settings)
        return
    shutil.copytree(adapter, folder / "adapters" / "sft", dirs_exist_ok=True)
    create_study(folder, adapters=["adapters/sft"], **settings)
    write_stages(folder, [Stage("sft", "sft", None, "adapters/sft", RECIPE)])


def main() -> None:
    """Make the studies, print the counts of each, and write them to OUT/corpora.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--only", choices=list(CORPORA), help="one corpus")
    parser.add_argument("--share", type=float, help="share of every group of rows; default: each corpus's own")
    given = parser.parse_args()
    summary = given.out / "corpora.json"
    for name in [given.only] if given.only else CORPORA:
        make, share = CORPORA[name]
        share = given.share or share
        facts = {"share": share} | make_study(make(given.data, share), given.out, progress_lines())
        others = json.loads(summary.read_text(encoding="utf-8")) if summary.is_file() else {}
        write_json(summary, others | {name: facts})
        print(name, json.dumps(facts, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
