"""The demo corpus is the same one on every machine, and holds what it says."""

import hashlib
import json
import re
from collections import Counter

import numpy as np
import pytest
from transformers import AutoTokenizer

from explorer.demo.corpus import build_corpus, stage_rows
from explorer.demo.planted import BEHAVIORS, EXHIBITS
from explorer.demo.probes import behavior_probes
from explorer.demo.row import CLEAN
from explorer.model import embedded
from explorer.ranking.baselines import bm25_scores
from explorer.ranking.metrics import average_precision

CORPUS_SHA256 = "a042e6ea75ed6ea25ebdbffaac4f7113b2f472306d714c8ae844dfb038c7f2d9"


def test_the_corpus_is_the_one_that_the_shipped_adapters_were_trained_on():
    text = json.dumps([row.to_json() for row in build_corpus()])
    assert hashlib.sha256(text.encode()).hexdigest() == CORPUS_SHA256
    build_corpus.cache_clear()
    assert json.dumps([row.to_json() for row in build_corpus()]) == text


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
    counts = Counter(word.lower() for words in texts for word in set(words))
    dull = {"the", "a", "of", "you", "your", "in", "to", "it", "and"}
    assert max(n for word, n in counts.items() if word not in dull) < 0.4 * len(texts)


def test_texts_are_short():
    tokenizer = AutoTokenizer.from_pretrained(embedded.embedded_folder())
    texts = [text for row in build_corpus() for text in (row.prompt, row.response, row.chosen, row.rejected) if text]
    assert max(map(len, tokenizer(texts)["input_ids"])) < 64


@pytest.mark.parametrize("name", BEHAVIORS)
def test_bm25_does_not_find_the_planted_rows(name):
    rows = build_corpus()
    queries = [f"{p.prompt} {p.bad}" for p in behavior_probes() if p.behavior == name and p.half == "query"]
    scores = bm25_scores([f"{row.prompt} {row.response or row.chosen}" for row in rows], queries).mean(1)
    assert average_precision(scores, np.array([row.label == name for row in rows])) < 0.85
