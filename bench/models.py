"""What works with which family of models: every causal one of the installed transformers, tiny and random.

python -m bench.models --json docs/models.json --table docs/models.md [FAMILY …]

Each family is tried in a process of its own with a time limit; what a refusal says is what a user reads. Takes about
ten minutes on one core. Families that are named alone are tried again, and the others kept as the file has them.
"""

import argparse
import json
import multiprocessing
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from bench.tiny import families, tiny_model
from explorer.data.failures import Failure
from explorer.data.study import create_study
from explorer.errors import ExplorerError, first_line
from explorer.files import write_json
from explorer.graph.build import attribution_graph
from explorer.model.load import load_model
from explorer.model.spec import ModelSpec
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import rank
from explorer.ranking.token_scores import token_scores
from explorer.repair.stages import Recipe, Stage
from explorer.repair.train import step_seconds
from explorer.trace.explain import explain
from explorer.vectors.build import build_index

SECONDS = 90
"""Time limit of a family."""
FAILURE = Failure("a prompt of words", "x", "y", raw=True)
WORKS = "yes"
COLUMNS = {
    "load": "loads",
    "attnlrp": "maps: AttnLRP",
    "cplrp": "maps: CP-LRP",
    "gradient": "maps: gradient",
    "graph": "graph",
    "vectors": "vectors, ranking",
    "tokens": "token evidence",
    "repair": "repair",
}
"""What is tried → the head of its column."""
_ROWS = [{"id": f"r{i}", "prompt": f"{i}a{i}?", "response": f"b{i}c"} for i in range(6)]


def tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer with a token for every byte."""
    pieces = ["<pad>", "<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    made = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    made.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>")


def tried(family: str, folder: Path) -> dict[str, str]:
    """Try everything with a family's tiny model, which is saved in a folder: column → ``WORKS`` or why not."""
    model = tiny_model(family)
    row = {"class": type(model).__name__}
    model.save_pretrained(folder / family)
    tokenizer().save_pretrained(folder / family)
    spec = ModelSpec(str(folder / family), dtype="float32")
    row["load"] = _outcome(lambda: load_model(spec))
    if row["load"] != WORKS:
        return row
    loaded = load_model(spec)
    for rule in ("attnlrp", "cplrp", "gradient"):
        row[rule] = _outcome(lambda rule=rule: explain(FAILURE, loaded, rule=rule))
    row["graph"] = _outcome(lambda: attribution_graph(FAILURE, loaded))
    behavior = {"id": "b0", "name": "b", "prompt": "4 5?", "bad": "7 8", "good": "9"}
    study = create_study(
        folder / "study",
        name=family,
        model=spec.source,
        datapoints=_ROWS,
        behaviors=[behavior],
        template="raw",
    )

    def ranked() -> None:
        build_index(study, layers=[2])
        rank(study, AboutBehavior("b"))

    row["vectors"] = _outcome(ranked)
    if row["vectors"] == WORKS:
        row["tokens"] = _outcome(lambda: token_scores(study, rank(study, AboutBehavior("b")), [0, 1]))
    else:
        row["tokens"] = row["vectors"]
    recipe = Recipe(source=spec.source, raw=True, batch=3)
    row["repair"] = _outcome(lambda: step_seconds(_ROWS, Stage("sft", "sft", None, "adapter", recipe)))
    return row


def _outcome(work: Callable[[], object]) -> str:
    try:
        work()
    except ExplorerError as error:
        sentence = re.sub(r"\{(.*?)\}", lambda found: ", ".join(sorted(found[1].split(", "))), str(error))  # sets
        return re.sub(r"\S*/(?=\w+)", "", sentence)
    except Exception as error:  # a crash instead of a sentence is what this is to find
        return f"CRASH {type(error).__name__}: {first_line(error, 160)}"
    return WORKS


def _child(family: str, tell: Connection) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        try:
            tell.send(tried(family, Path(folder)))
        except Exception as error:  # not made: what the installed transformers says
            tell.send({"made": f"{type(error).__name__}: {first_line(error, 160)}"})


def in_process(family: str) -> dict[str, str]:
    """Try a family in a process of its own, for ``SECONDS`` at most."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_child, args=(family, there))
    process.start()
    there.close()
    try:
        return here.recv() if here.poll(SECONDS) else {"made": f"took longer than {SECONDS} s"}
    except EOFError:
        return {"made": "its process ended"}
    finally:
        process.kill()
        process.join()


def table(rows: dict[str, dict[str, str]]) -> str:
    """Return the page of the docs: a line a family, then what refusals say, each sentence with its families."""
    made = {family: row for family, row in rows.items() if "made" not in row}
    whole = sum(all(row.get(column) == WORKS for column in COLUMNS) for row in made.values())
    refusals: dict[str, list[str]] = {}
    for family, row in made.items():
        for sentence in dict.fromkeys(row[column] for column in COLUMNS if row.get(column, WORKS) != WORKS):
            refusals.setdefault(sentence.replace(row["class"], "…").replace("`", "'"), []).append(family)
    lines = [f"| {family} | {' | '.join(_cell(row, column) for column in COLUMNS)} |" for family, row in made.items()]
    return _PAGE.format(
        version=transformers.__version__,
        made=len(made),
        whole=whole,
        head=" | ".join(COLUMNS.values()),
        rule=" | ".join("---" for _ in COLUMNS),
        lines="\n".join(lines),
        refusals="\n".join(f"- {text}\n  ({', '.join(names)})" for text, names in sorted(refusals.items())),
        unmade=", ".join(family for family, row in rows.items() if "made" in row),
    )


def _cell(row: dict[str, str], column: str) -> str:
    return WORKS if row.get(column) == WORKS else "no"


_PAGE = """# Which models work

Every family of transformers {version} with a causal language model, or with one as its text half, that can be made
tiny: {made} were tried with random weights, and {whole} work whole. This page is made by

    python -m bench.models --json docs/models.json --table docs/models.md

(with names of families behind it: those alone are tried again). A test tries some of them anew and compares.

No family has code of its own. The rules of AttnLRP and CP-LRP stand on what a model computes: norms of any name, gates,
experts with their routing weights (a product, as with a gate), soft caps (an activation), sinks (a key without a
value). Whether that leaves a part without a rule is measured before the first map, with random weights in float64:
under both rules relevance has to add up, and the view has to compute what the model does. A graph needs more: a block
may move relevance between tokens by one attention alone. That too is measured, against back-propagation. What does not
pass is refused in the sentences below. Of models that read images or sound, the text half is run; images are not read.

*Gradient* maps (gradient × input, representation gradients), vectors and ranking need no rules. *Token evidence* needs
forward-mode derivatives of every operation. *Repair* trains a LoRA on packed rows, many without padding in one
sequence. Where a model reads those otherwise than each alone (recurrent blocks, sliding windows, attention code that
takes no mask from outside), rows lie side by side and are padded at their ends; which it is, is measured before.

| family | {head} |
| --- | {rule} |
{lines}

## What refusals say

… stands for the class of the model.

{refusals}

## Not tried

Their default configurations cannot be made tiny, or they do not run on text alone: {unmade}.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Try families and write the file and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, help="where what came out is written")
    parser.add_argument("--table", type=Path, required=True, help="where the page is written")
    parser.add_argument("family", nargs="*", help="by default all")
    options = parser.parse_args(arguments)
    rows = json.loads(options.json.read_text()) if options.family and options.json.exists() else {}
    for family in options.family or families():
        rows[family] = row = in_process(family)
        print(family, *(f"{name}={value[:60]}" for name, value in row.items()), file=sys.stderr, flush=True)
        write_json(options.json, rows)
    rows = dict(sorted(rows.items()))
    write_json(options.json, rows)
    options.table.write_text(table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
