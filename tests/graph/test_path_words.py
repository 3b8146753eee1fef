"""The way in words, against loops over dense edges; every figure that is told is one of them."""

import re
from dataclasses import replace

import numpy as np
import pytest

from explorer.graph.edges import split_edge
from explorer.graph.path_words import HEADS, SPREAD, Way, handed_to, path_words, strongest_way
from explorer.model.prompts import Token
from explorer.trace.explain import Explanation
from tests.graph.tiny import Tiny, explanation, tiny

TEXTS = ("<s>", " Alpha", " Be", "ta", ",", " Gamma", " Delta", " Eps", "ilon", " Zeta", " Alpha", " is")
WORDS = {"Alpha": (1,), "Beta": (2, 3), "Gamma": (5,), "Delta": (6,), "Epsilon": (7, 8), "Zeta": (9,), "Alpha ": (10,)}
FAMILIES = ("llama", "gpt2", "gemma3", "qwen2")


def told(graph: Tiny, sign: int) -> tuple[Way, Explanation]:
    about = explanation(graph, TEXTS)
    way = strongest_way(graph.view, about, graph.pairs, sign)
    assert way
    return way, about


@pytest.mark.parametrize("rule", ("attnlrp", "cplrp"))
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("sign", (1, -1))
def test_the_strongest_way_against_loops_over_dense_edges(family, rule, sign):
    graph = tiny(family, rule=rule)
    way, _ = told(graph, sign)
    brought = {name: sum(m[11, t] for m in graph.dense for t in own) for name, own in WORDS.items()}
    best = max(brought, key=lambda name: sign * brought[name])
    own = WORDS[best]
    assert way.word.tokens == own
    assert way.word.relevance == pytest.approx(brought[best], rel=1e-6)
    arriving = [sum(m[11, t] for m in graph.dense) for t in range(11)] + [graph.trace.relevance[0, 11]]
    total = sum(sign * value for value in arriving if sign * value > 0)
    assert way.share == pytest.approx(sign * brought[best] / total, rel=1e-5)
    assert way.template == pytest.approx(max(sign * arriving[0], 0) / total, rel=1e-5)
    steps = [sign * sum(m[11, t] for t in own) for m in graph.dense]
    assert way.layer == int(np.argmax(steps)) + 1
    assert way.part == pytest.approx(max(steps) / sum(steps), rel=1e-5)
    assert way.column == pytest.approx([graph.trace.relevance[layer, list(own)].sum() for layer in range(way.layer)])
    splits = [split_edge(graph.view, graph.trace, way.layer - 1, 11, t) for t in own]
    heads = sign * sum(split.value + split.key for split in splits)
    assert sum(heads) == pytest.approx(max(steps), rel=1e-5)
    positive, chosen = sum(h for h in heads if h > 0), sorted(range(4), key=lambda h: -heads[h])
    fewest = next(n for n in range(1, 5) if sum(heads[h] for h in chosen[:n]) >= positive / 2 - 1e-12)
    assert list(way.heads) == chosen[: min(HEADS, fewest)]
    handed = {
        n: sum(m[j, i] for m in graph.dense[: way.layer - 1] for j in own for i in w)
        for n, w in WORDS.items()
        if n != best
    }
    giver = max(handed, key=lambda name: sign * handed[name])
    more = sign * handed[giver] > max(sign * way.column[0], 0)
    assert (way.giver is not None) == more
    if way.giver:
        assert way.giver.tokens == WORDS[giver]
        assert way.giver.relevance == pytest.approx(handed[giver], rel=1e-5)


def test_what_is_handed_to_tokens_leaves_themselves_out():
    graph = tiny()
    handed = handed_to((2, 3), graph.pairs, 12)
    for layer, matrix in enumerate(graph.dense):
        wanted = matrix[2] + matrix[3]
        wanted[[2, 3]] = 0
        assert handed[layer] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rule", ("attnlrp", "cplrp"))
def test_every_figure_in_the_sentences_is_the_ways(family, rule):
    graph = tiny(family, rule=rule)
    about = explanation(graph, TEXTS)
    parts = path_words(graph.view, about, graph.pairs)
    text = "".join(part for part, _ in parts)
    first = 1 if about.trace.gap > 0 else -1
    main, against = told(graph, first)[0], told(graph, -first)[0]
    assert (main.word.text, "wrong" if first > 0 else "right") == (parts[0][0], parts[0][1])
    assert f"{main.word.relevance:+.2f} logits" in text
    assert f"block {main.layer}" in text
    assert f"{main.share:.0%}" in text
    assert ("spread over many ways" in text) == (main.share < SPREAD)
    assert "to “is”, the last token before the answer" in text
    known = {f"{value:+.2f}" for value in (*main.column, main.word.relevance, against.word.relevance)}
    known |= {f"{main.giver.relevance:+.2f}"} if main.giver else set()
    assert set(re.findall(r"[+-]\d+\.\d\d", text)) <= known
    shares = {f"{value:.0%}" for value in (main.share, main.part, main.template)}
    assert set(re.findall(r"\d+%", text)) <= shares
    assert ("Against it" in text) == (abs(against.word.relevance) >= 0.2 * abs(main.word.relevance))


def test_words_that_read_alike_are_told_apart():
    graph = tiny()
    about = explanation(graph, (*TEXTS[:1], *[" same"] * 10, " is"))
    way = strongest_way(graph.view, about, graph.pairs, 1)
    assert way
    assert f" ({way.word.tokens[0]} of 10)" in "".join(t for t, _ in path_words(graph.view, about, graph.pairs))


def test_a_spread_way_is_not_told_as_the_way(monkeypatch):
    monkeypatch.setattr("explorer.graph.path_words.SPREAD", 1.1)
    graph = tiny()
    text = "".join(t for t, _ in path_words(graph.view, explanation(graph, TEXTS), graph.pairs))
    assert "is spread over many ways: this largest single one has only" in text
    assert "arrives straight" not in text


def test_a_prompt_without_words_has_no_way():
    graph = tiny()
    about = explanation(graph, TEXTS)
    tokens = tuple(Token(t.index, t.id, t.text, "template") for t in about.contrast.tokens)
    bare = replace(about, contrast=replace(about.contrast, tokens=tokens))
    assert strongest_way(graph.view, bare, graph.pairs, 1) is None
    assert "No word of the prompt hands anything" in "".join(t for t, _ in path_words(graph.view, bare, graph.pairs))


def test_hostile_texts_are_parts_and_cut():
    graph = tiny()
    parts = path_words(graph.view, explanation(graph, (" " + "x" * 500,)), graph.pairs)
    assert all(len(text) < 200 for text, _ in parts)
