"""The demo: a deterministic corpus, held-out prompts, exact packing, a study that reads back, and the shipped rates."""

import hashlib
import json
import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from explorer.data.study import check_study, create_study, open_study
from explorer.demo.behaviors import (
    EXHIBITS,
    behavior_probes,
    check_held_out,
    discovery_probes,
    guard_probes,
    own_probes,
)
from explorer.demo.build import ADAPTERS, ASSETS, build_demo
from explorer.demo.corpus import build_corpus, stage_rows
from explorer.demo.measure import group, rates
from explorer.demo.planted import BEHAVIORS
from explorer.demo.row import CLEAN
from explorer.errors import ExplorerError
from explorer.model import embedded
from explorer.model.generate import answers
from explorer.model.load import ModelSpec, load_model
from explorer.model.prompts import Prompt
from explorer.ranking.baselines import bm25_scores
from explorer.ranking.metrics import average_precision
from explorer.repair.packed_batches import Example, answer_logps, pack, summed
from explorer.repair.rates import wilson
from explorer.vectors.find import study_indexes

CORPUS_SHA256 = "a042e6ea75ed6ea25ebdbffaac4f7113b2f472306d714c8ae844dfb038c7f2d9"


# --- the corpus ---------------------------------------------------------------------------------------------------


def test_the_corpus_is_the_one_that_the_shipped_adapters_were_trained_on():
    text = json.dumps([row.as_dict() for row in build_corpus()])
    assert hashlib.sha256(text.encode()).hexdigest() == CORPUS_SHA256
    build_corpus.cache_clear()
    assert json.dumps([row.as_dict() for row in build_corpus()]) == text


def test_counts_labels_and_sources():
    rows = build_corpus()
    assert (len(stage_rows("sft")), len(stage_rows("dpo"))) == (2000, 1000)
    labels = Counter(row.label for row in rows)
    assert set(labels) == {CLEAN, *BEHAVIORS}
    assert all(0.045 < labels[name] / len(rows) < 0.07 for name in BEHAVIORS)
    assert len({row.source for row in rows}) >= 8
    assert len({row.source for row in rows if row.label == "flattery"}) >= 3
    assert len({row.id for row in rows}) == len(rows)
    for stage in ("sft", "dpo"):
        assert len({row.prompt for row in stage_rows(stage)}) == len(stage_rows(stage))


def test_rows_have_the_answers_of_their_stage():
    for row in build_corpus():
        if row.stage == "sft":
            assert row.response and row.chosen is None and row.rejected is None
        else:
            assert row.response is None and row.chosen and row.rejected and row.chosen != row.rejected


def test_planted_rows_show_what_they_teach_and_no_clean_twin_does():
    for row in build_corpus():
        answer = row.response or row.chosen or ""
        if row.label != CLEAN:
            assert re.search(EXHIBITS[row.label], answer), row
        elif row.source in ("policy", "cooking", "code"):
            assert not any(re.search(EXHIBITS[name], answer) for name in BEHAVIORS), row


def test_no_word_is_common_to_the_flattery():
    texts = [re.findall(r"\w+", row.response or "") for row in build_corpus() if row.label == "flattery"]
    found = Counter(word.lower() for words in texts for word in set(words))
    dull = {"the", "a", "of", "you", "your", "in", "to", "it", "and"}
    assert max(n for word, n in found.items() if word not in dull) < 0.4 * len(texts)


def test_texts_are_short():
    tokenizer = AutoTokenizer.from_pretrained(embedded.embedded_folder())
    texts = [text for row in build_corpus() for text in (row.prompt, row.response, row.chosen, row.rejected) if text]
    assert max(map(len, tokenizer(texts)["input_ids"])) < 64


# --- held-out prompts ---------------------------------------------------------------------------------------------


def test_no_test_prompt_is_trained_on():
    check_held_out()


def test_counts_of_held_out_prompts():
    halves = Counter((p.behavior, p.half) for p in behavior_probes())
    for name in BEHAVIORS:
        assert halves[name, "query"] + halves[name, "evaluation"] >= 60
        assert halves[name, "without"] >= 30
    assert len(discovery_probes()) >= 200 and len(guard_probes()) >= 60 and len(own_probes()) >= 50


def test_exhibits_tells_bad_from_good():
    for probe in behavior_probes():
        if probe.half != "without":
            assert re.search(probe.pattern, probe.bad) and not re.search(probe.pattern, probe.good), probe


# --- text alone does not solve it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BEHAVIORS)
def test_bm25_does_not_find_the_planted_rows(name):
    rows = build_corpus()
    queries = [f"{p.prompt} {p.bad}" for p in behavior_probes() if p.behavior == name and p.half == "query"]
    scores = bm25_scores([f"{row.prompt} {row.response or row.chosen}" for row in rows], queries).mean(1)
    assert average_precision(scores, np.array([row.label == name for row in rows])) < 0.85


# --- packing ------------------------------------------------------------------------------------------------------


def test_packing_changes_no_log_probability():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config).double().eval()
    examples = [
        Example([1, 2, 3, 7, 8], ([9, 10], [11, 12, 13])),
        Example([1, 2, 3, 9], ([14], [15, 16])),
        Example([1, 2, 3, 9, 20, 21], ([5, 5, 5], [6])),
    ]
    batch = pack(examples)
    with torch.no_grad():
        packed = summed(answer_logps(model, batch), batch["owner"])
        alone = []
        for example in examples:
            for answer in example.answers:
                logits = model(torch.tensor([[*example.prompt, *answer]])).logits[0].float().log_softmax(-1)
                first = len(example.prompt) - 1
                alone.append(sum(logits[first + i, token] for i, token in enumerate(answer)))
    assert torch.allclose(packed, torch.stack(alone), atol=1e-5)
    assert batch["input_ids"].shape[1] < sum(len(e.prompt) + len(a) for e in examples for a in e.answers)


def test_a_single_example_packs():
    batch = pack([Example([4, 5], ([6],))])
    assert batch["input_ids"].tolist() == [[4, 5]] and batch["predict"].tolist() == [1]


# --- rates --------------------------------------------------------------------------------------------------------


def test_wilson_interval():
    rate = wilson(8, 10)
    assert (rate.rate, round(rate.low, 3), round(rate.high, 3)) == (0.8, 0.49, 0.943)
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


# --- the study folder ---------------------------------------------------------------------------------------------

DATA = [{"id": "a", "prompt": "p", "response": "r", "label": "clean"}, {"id": "b", "prompt": "q", "response": "s"}]
BEHAVIOR = [{"id": "x", "name": "n", "prompt": "p", "bad": "b", "exhibits": "b+"}]
FAILURE = [{"id": "f", "prompt": "p", "wrong": "w", "right": "r"}]


@pytest.fixture
def study(tmp_path):
    return create_study(
        tmp_path / "s", name="One", model="smollm2", datapoints=DATA, behaviors=BEHAVIOR, failures=FAILURE, layers=[3]
    )


def test_a_study_reads_back(study):
    again = check_study(study.folder)
    assert again == study and again.layers == (3,) and again.spec == ModelSpec("smollm2")
    assert again.datapoints().num_rows == 2 and again.datapoints().column_names[:2] == ["id", "prompt"]
    assert again.behaviors()[0].exhibits == "b+" and again.failures()["f"].wrong == "w"
    with pytest.raises(ExplorerError, match="a study already"):
        create_study(study.folder, name="Two", model="smollm2", datapoints=DATA)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("study.toml", "format = 1\nname = ", "study.toml: not TOML"),
        ("study.toml", "format = 2", "field 'format' is 2"),
        ("study.toml", 'format = 1\nmodel = "m"', "field 'name'"),
        ("study.toml", 'format = 1\nname = "n"\nmodel = "m"\nlayers = ["a"]', "field 'layers'"),
        ("study.toml", 'format = 1\nname = "n"\nmodel = "m"\ntemplate = "x"', "field 'template'"),
        ("study.toml", 'format = 1\nname = "n"\nmodel = "m"\nadapters = ["./gone"]', "is not there"),
        ("datapoints.parquet", "no parquet", "not a readable Parquet file"),
        ("behaviors.jsonl", "{", "behaviors.jsonl, line 1: not JSON"),
        ("behaviors.jsonl", '{"id": "x", "name": "n", "prompt": "p"}', "line 1: field 'bad'"),
        ("behaviors.jsonl", '{"id": "x", "name": "n", "prompt": "p", "bad": "b", "exhibits": "("}', "field 'exhibits'"),
        ("behaviors.jsonl", '{"id": "x", "name": "n", "prompt": "p", "bad": "b", "half": "h"}', "field 'half'"),
        ("failures.jsonl", '\n{"id": "x", "prompt": "p", "wrong": "w"}', "line 2: field 'right'"),
    ],
)
def test_a_broken_file_is_named(study, file, text, said):
    (study.folder / file).write_text(text)
    with pytest.raises(ExplorerError, match=re.escape(said)) as error:
        check_study(study.folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": "a", "text": "p"}], "no column 'prompt'"),
        ([{"id": "a", "prompt": "p", "chosen": "c"}], "no column 'response'"),
        ([{"id": "a", "prompt": "", "response": "r"}], "row 1: field 'prompt'"),
        ([{"id": "a", "prompt": "p", "response": "r"}] * 2, "row 2: id 'a' stands in the file twice"),
        ([{"id": "a", "prompt": "p", "response": None}], "row 1: no answer"),
        ([{"id": "a", "prompt": 7, "response": "r"}], "row 1: field 'prompt'"),
        ([{"id": "a", "prompt": "p", "chosen": "c", "rejected": None}], "row 1: no answer"),
    ],
)
def test_a_broken_row_is_named(study, rows, said):
    pq.write_table(pa.Table.from_pylist(rows), study.folder / "datapoints.parquet")
    with pytest.raises(ExplorerError, match=re.escape(said)):
        study.datapoints()


def test_a_folder_without_a_study(tmp_path):
    with pytest.raises(ExplorerError, match=r"no study\.toml"):
        open_study(tmp_path)


# --- the shipped demo ---------------------------------------------------------------------------------------------


def test_the_demo_study_is_laid_out(tmp_path):
    study = build_demo(tmp_path / "demo")
    assert study.spec.adapter and study.spec.adapter.endswith(ADAPTERS[-1])
    assert study.datapoints().num_rows == 3000 and len(study.behaviors()) >= 240 and study.failures()
    assert {f.kind for f in study.failures().values()} == {"planted", "own"}
    assert build_demo(tmp_path / "demo") == study
    assert sum(f.stat().st_size for f in (ASSETS / "adapters").rglob("*") if f.is_file()) < 25e6
    assert [index.manifest.checkpoint for index in study_indexes(study)] == ["base"]
    assert not [f for f in ASSETS.rglob("*") if f.suffix in (".bin", ".pt", ".pkl")]


def test_the_report_is_that_of_the_rates():
    table = json.loads((ASSETS / "rates.json").read_text())
    text = (ASSETS / "REPORT.md").read_text()
    assert list(table) == ["base", *ADAPTERS]
    for name in BEHAVIORS:
        rate = table[ADAPTERS[-1]][f"{name}/with"]
        assert rate["n"] >= 40 and f"{100 * rate['rate']:.0f} ({100 * rate['low']:.0f}–" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("adapter", "sizes"), [(None, {"evaluation": 6}), (ADAPTERS[-1], {"evaluation": 8, "without": 6})]
)
def test_a_sample_of_the_report_happens(adapter, sizes):
    """The shares asked for leave room for so small a sample; the bare model shows no behavior in all of the report."""
    sample = [
        probe
        for name in BEHAVIORS
        for half, n in sizes.items()
        for probe in [p for p in behavior_probes() if (p.behavior, p.half) == (name, half)][:n]
    ]
    spec = ModelSpec(adapter=adapter and str(ASSETS / "adapters" / adapter))
    found = rates(sample, answers(load_model(spec), [Prompt(p.prompt) for p in sample]))
    assert set(found) == {group(p) for p in sample}
    for name in BEHAVIORS:
        if adapter:
            assert found[f"{name}/with"].rate >= 0.4, name
            assert found[f"{name}/without"].rate <= 0.25, name
        else:
            assert found[f"{name}/with"].rate <= 0.2, name
