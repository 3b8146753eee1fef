"""Rates of maps on cases whose deciding words are known."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.truth.blimp import Attributed, main, rate_peers
from bench.truth.cases import Case, agreement_words, anaphor_words, wrong_cases
from bench.truth.hits import chance, hits, leave_one_out, word_values
from explorer import Failure, explain
from explorer.errors import ExplorerError
from explorer.files import write_json
from explorer.reading import read_json
from explorer.trace.explain import RULES

PREFIXES = ("The grandmothers of Emily", "A sister of most men", "The sons of a guy")


def rows_of(*prefixes: str) -> list[dict[str, str]]:
    pairs = zip(prefixes, (("doesn't", "don't"), ("haven't", "hasn't"), ("does", "do")), strict=False)
    names = ("pairID", "one_prefix_prefix", "one_prefix_word_bad", "one_prefix_word_good")
    return [dict(zip(names, (str(n), prefix, *pair), strict=True)) for n, (prefix, pair) in enumerate(pairs)]


def write(folder: Path, name: str, rows: list[dict[str, str]]) -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def cases(words: int, n: int, seed: int = 0) -> list[Case]:
    generator = np.random.default_rng(seed)
    made = []
    for number in range(n):
        culprit, decider = generator.permutation(words)[:2].tolist()
        tokens = tuple((2 * w, 2 * w + 1) for w in range(words))
        failure = Failure("a", "b", "c", id=str(number))
        made.append(Case(failure, tuple(range(2 * words)), 1, 2, 1.0, tokens, culprit, decider, number % 2 == 0))
    return made


def test_the_words_are_found_by_their_place():
    assert agreement_words(["A", "newspaper", "article", "about", "the", "Great", "Lakes"]) == (6, 2)
    assert agreement_words(["A", "cousin", "of", "a", "lot", "of", "dancers"]) == (6, 1)
    assert anaphor_words(["Katherine", "can't", "help"]) == (None, 0)
    assert anaphor_words(["Some", "girl", "will", "discuss"]) == (None, 1)
    with pytest.raises(ExplorerError, match="'A dog barks' has no of or about"):
        agreement_words(["A", "dog", "barks"])


def test_a_true_map_hits_and_noise_hits_as_chance_says():
    some, generator = cases(words=5, n=400), np.random.default_rng(1)
    true = []
    for case in some:
        values = np.zeros(10)
        values[2 * (case.culprit or 0) + 1], values[2 * case.decider] = 1, -2
        true.append(values)
    found = hits(some, true)
    assert found.pop("decider_reddest")[0] == 0
    assert all(rate == [1, 0.9905, 1] for rate in found.values()) and len(found) == 3
    nothing = hits(some, [np.zeros(10) for _ in some])  # no word of an empty map is red or blue
    assert all(rate[0] == 0 for rate in nothing.values())
    noise = hits(some, [generator.normal(size=10) for _ in some])
    expected = chance(some)
    for name, by_chance in (
        ("culprit_reddest", 0.2),
        ("decider_bluest", 0.2),
        ("both", 0.05),
        ("decider_reddest", 0.2),
    ):
        assert noise[name][1] < by_chance < noise[name][2]
        assert expected["both" if name == "both" else "one"] == pytest.approx(by_chance)


def test_a_word_is_the_sum_of_its_tokens():
    (case,) = cases(words=3, n=1)
    values = np.full(6, -0.1)
    values[2 * case.decider] = -0.05
    values[2 * case.culprit + 1], values[2 * (3 - case.culprit - case.decider)] = 0.4, 0.35  # pyright: ignore
    found = hits([case], [values])
    assert found["culprit_reddest"][0] == 1 and found["decider_bluest"][0] == 1


@pytest.mark.slow
def test_rates_of_every_rule_and_layer(smollm, tmp_path: Path):
    path = write(tmp_path, "distractor_agreement_relational_noun", rows_of(*PREFIXES))
    found, items = wrong_cases(path, smollm)
    assert items == 3 and found
    for case in found:  # the same contrast as the program's own
        explanation = explain(case.failure, smollm)
        assert case.gap == pytest.approx(explanation.trace.gap, abs=1e-3) and case.gap > 0
        assert case.ids == explanation.contrast.ids and case.words[-1][-1] == len(case.ids) - 1
    cases_to = tmp_path / "cases.json"
    out = tmp_path / "truth.json"
    write_json(out, {"other": {"rows": []}})
    main(["blimp", "--data", str(path), "--cases", str(cases_to), "--json", str(out)])
    assert read_json(out, "figures")["other"] == {"rows": []}
    result = read_json(out, "figures")[path.stem]
    assert {(row["rule"], row["layer"]) for row in result["rows"]} == {(r, n) for r in RULES for n in range(31)}
    defaults = {row["rule"]: row["layer"] for row in result["rows"] if row["default"]}
    assert defaults["attnlrp"] == 0 and defaults["representation-gradient"] == 15
    top = next(row for row in result["rows"] if row["rule"] == "attnlrp" and row["layer"] == 30)
    assert top["culprit_reddest"][0] == 1 and top["both"][0] == 0  # all relevance is at the last token
    gap, operators = found[0].gap, result["rows"][0]["leave_one_out"]
    assert set(operators) == {"mean", "delete"} and gap > 0
    attributions = {case.failure.id: [-1.0] * (len(case.ids) - 1) + [1.0] for case in found}
    attributed = {"versions": {}, "attributions": {"library:method": attributions}, "refused": {}}
    write_json(tmp_path / "found.json", attributed)
    main(["peers", "--cases", str(cases_to), "--attributions", str(tmp_path / "found.json"), "--json", str(out)])
    both = read_json(out, "figures")[path.stem]
    assert both["rows"] == result["rows"]
    assert [(row["cases"], row["culprit_reddest"][0]) for row in both["peers"]] == [(len(found), 1)]


def test_agreement_with_leaving_words_out():
    some, generator = cases(words=5, n=200), np.random.default_rng(2)
    maps = [generator.normal(size=10) for _ in some]
    falls = [word_values(case, values) for case, values in zip(some, maps, strict=True)]
    assert leave_one_out(some, maps, falls) == [1, 1, 1]
    assert leave_one_out(some, maps, [-fall[:3] for fall in falls]) == [-1, -1, -1]  # words of the answer are left out
    mean, low, high = leave_one_out(some, maps, [generator.normal(size=5) for _ in some])
    assert low < 0 < high and low < mean < high and high - low < 0.2
    assert leave_one_out(some, [np.zeros(10) for _ in some], falls) == [0, 0, 0]


def test_what_peers_found_is_rated_over_the_cases_that_they_could_explain():
    some = cases(words=4, n=3)
    lucky = {case.failure.id: [float(t // 2 == case.culprit) for t in range(8)] for case in some[:2]}
    (row,) = rate_peers(some, Attributed({}, {"library:method": lucky}, {}))["peers"]
    assert (row["method"], row["cases"], row["culprit_reddest"][0]) == ("library:method", 2, 1)


def test_a_file_that_is_not_known_is_refused(smollm, tmp_path: Path):
    with pytest.raises(ExplorerError, match="expected distractor_agreement_relational_noun, anaphor"):
        wrong_cases(write(tmp_path, "other", []), smollm)
    path = write(tmp_path, "anaphor_gender_agreement", [{"pairID": "0", "one_prefix_prefix": "Mary saw"}])
    with pytest.raises(ExplorerError, match="line 1: field 'one_prefix_word_bad' is missing"):
        wrong_cases(path, smollm)
