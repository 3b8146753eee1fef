"""Logs that the harnesses wrote (see ``bench/logs.py``), held against what the harnesses counted themselves."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from explorer.data.logs.archive import Archive
from explorer.data.logs.recognise import read_log
from explorer.data.logs.sample import LoggedSample

HERE = Path(__file__).parent
INSPECT = HERE / "inspect-0.3.285"
LM_EVAL = sorted(path for path in HERE.glob("lm_eval-*/*.jsonl"))
OPENAI_EVALS = sorted(HERE.glob("openai-evals-*/*"))
HELM = sorted(HERE.glob("helm-*/*"))
LOGS = [
    *LM_EVAL,
    *sorted(HERE.glob("inspect-*/*")),
    *HERE.glob("promptfoo-*.json"),
    *OPENAI_EVALS,
    *HELM,
]


def results_of(path: Path) -> dict[str, Any]:
    """The file of results that lm-evaluation-harness wrote beside a log."""
    (results,) = path.parent.glob("results*.json")
    return json.loads(results.read_text())


def header_of(path: Path) -> dict[str, Any]:
    """What an Inspect log says of the run."""
    if path.suffix == ".json":
        return json.loads(path.read_text())
    with Archive(path) as archive:
        return json.loads(archive.read("header.json"))


def samples(path: Path) -> list[LoggedSample]:
    return [*read_log(path).samples()]


@pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_log_reads_the_same_twice_and_counts_itself(path: Path):
    log = read_log(path)
    first, again = [*log.samples()], [*log.samples()]
    assert first == again and len({sample.id for sample in first}) == len(first) == log.total > 0
    assert log.failed == sum(sample.failed is True for sample in first)
    assert log.undecided == sum(sample.failed is None for sample in first)
    assert log.harness and log.task is not None and log.model and log.metric
    for sample in first:
        assert sample.prompt and sample.said is not None and sample.expected and sample.where.count("/") < 3
        assert not sample.choices or {sample.said, *sample.expected} <= set(sample.choices)


@pytest.mark.parametrize("path", LM_EVAL, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_lm_eval_counts_as_its_results_say(path: Path):
    log, results = read_log(path), results_of(path)
    scores = results["results"][log.task]
    assert log.task in path.name and log.model == "smollm2" and log.version == results.get("lm_eval_version", "")
    taken = "none" if log.task == "own_choice" else "last-word"
    assert log.total - log.failed == pytest.approx(scores[f"{log.metric},{taken}"] * log.total)
    assert log.undecided == 0 and log.total == 6


@pytest.mark.parametrize("path", [p for p in LM_EVAL if "choice" in p.name], ids=lambda path: path.parent.name)
def test_lm_eval_says_the_likeliest_choice_and_expects_the_right_one(path: Path):
    text = path.read_text()
    rows = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    for row, sample in zip(rows, samples(path), strict=True):
        likelihoods = [float(response[0][0]) for response in row["resps"]]
        space = "" if "chat" in path.parent.name else " "
        assert sample.said == space + row["doc"]["choices"][likelihoods.index(max(likelihoods))]
        assert sample.expected == (space + row["doc"]["answer"],) and sample.check == "choice"
        assert sample.failed == (row["acc"] == 0) == (sample.said not in sample.expected)


@pytest.mark.parametrize("path", [p for p in LM_EVAL if "generation" in p.name], ids=lambda path: path.parent.name)
def test_lm_eval_keeps_one_row_a_question_and_the_text_as_the_model_read_it(path: Path):
    log, read = read_log(path), samples(path)
    assert any("filters" in problem for problem in log.problems)
    assert [sample.id for sample in read] == [f"{n}" for n in range(6)]
    assert all(sample.raw and "Question: " in sample.prompt for sample in read)
    rendered = all("<|im_start|>system\nBe brief." in sample.prompt for sample in read)
    assert rendered == ("chat" in path.parent.name)
    assert all(sample.expected == (answer,) for sample, answer in zip(read, ANSWERS, strict=True))


ANSWERS = ("Paris", "Canberra", "8", "yellow", "Mercury", "180")


@pytest.mark.parametrize("path", sorted(INSPECT.iterdir()), ids=lambda path: path.name)
def test_inspect_counts_as_its_results_say(path: Path):
    log, header = read_log(path), header_of(path)
    score = next(score for score in header["results"]["scores"] if score["name"] == log.metric)
    assert log.total - log.failed == pytest.approx(score["metrics"]["accuracy"]["value"] * log.total)
    # total_samples counts epochs too
    assert (log.total, log.version) == (header["results"]["total_samples"], "0.3.285")
    assert (log.task, log.model) == (header["eval"]["task"], header["eval"]["model"])


def test_inspect_reads_what_was_asked_after_the_solvers():
    free = samples(INSPECT / "mock-generation.eval")
    assert [sample.id for sample in free[:2]] == ["q0#1", "q1#1"] and len(free) == 12  # two epochs
    assert free[0].system == "You answer briefly." and free[0].prompt.startswith("What is the capital of France?")
    assert free[0].said == "It is London, I think." and free[0].check == "contains" and free[0].category == "own"
    choice = samples(INSPECT / "mock-choice.eval")[0]
    assert "A) London\nB) Paris\nC) Rome" in choice.prompt and choice.check == "choice"
    assert (choice.said, choice.expected, choice.failed) == ("ANSWER: A", ("ANSWER: B",), True)
    free_choice = samples(INSPECT / "embedded-choice.eval")[0]  # said as it liked
    assert free_choice.said and free_choice.check == "contains" and not free_choice.choices


def test_inspect_json_has_what_eval_has():
    for name in ("mock-generation", "mock-choice"):
        plain = {sample.id: sample for sample in samples(INSPECT / f"{name}.json")}
        zipped = {sample.id: sample for sample in samples(INSPECT / f"{name}.eval")}
        assert plain and plain.keys() <= zipped.keys()
        for id, sample in plain.items():
            assert (sample.prompt, sample.said, sample.failed) == (
                zipped[id].prompt,
                zipped[id].said,
                zipped[id].failed,
            )


def test_inspect_in_parts_has_what_the_log_had_before():
    whole, parts = samples(INSPECT / "mock-generation.eval"), samples(INSPECT / "mock-generation-parts.eval")
    assert [replace(sample, where="") for sample in parts] == [replace(sample, where="") for sample in whole]
    with Archive(INSPECT / "mock-generation-parts.eval") as archive:
        assert "samples/q0_epoch_1/messages/2.json" in archive.names
        assert b"attachment://0" in archive.read("samples/q0_epoch_1/messages/0.json")
    assert all("attachment://" not in sample.prompt for sample in parts)


def test_promptfoo_counts_as_its_stats_say():
    (path,) = HERE.glob("promptfoo-*.json")
    log, stats = read_log(path), json.loads(path.read_text())["results"]["stats"]
    assert (log.total - log.failed, log.failed) == (stats["successes"], stats["failures"])
    assert path.name == f"promptfoo-{log.version}.json" and log.model == "own-script"
    read = samples(path)
    assert {sample.check for sample in read} == {"contains", "exact", "regex"}
    assert read[0].prompt == "Question: What is the capital of France?" and read[0].system is None
    assert (read[1].prompt, read[1].system) == ("What is the capital of France?", "Be brief.")
    assert (read[0].said, read[0].expected, read[0].failed) == ("It is London.", ("Paris",), True)


@pytest.mark.parametrize("path", OPENAI_EVALS, ids=lambda path: path.stem)
def test_openai_evals_counts_as_its_report_says(path: Path):
    log, rows = read_log(path), [json.loads(line) for line in path.read_text().splitlines()]
    (report,) = (row["final_report"] for row in rows if "final_report" in row)
    assert log.total - log.failed == pytest.approx(report["accuracy"] * log.total)
    assert (log.total, log.task, log.model) == (6, rows[0]["spec"]["eval_name"], "own/script")


def test_openai_evals_joins_the_events_of_a_sample():
    match, includes, fuzzy = (
        {sample.id: sample for sample in samples(HERE / "openai-evals-3.0.1.post1" / f"{name}.jsonl")}
        for name in ("match", "includes", "fuzzy_match")
    )
    for number, (answer, said) in enumerate(zip(ANSWERS, SAID, strict=True)):
        for read, check in ((match, "exact"), (includes, "contains"), (fuzzy, "contains")):  # of the class in the spec
            sample = read[f"own.test.{number}"]
            assert (sample.system, sample.said, sample.check) == ("Be brief.", said, check)
            assert sample.expected == ((answer,) if number % 2 or answer.isdecimal() else (answer, answer.upper()))


SAID = ("London", "Canberra", "10", "yellow", "Earth", "300")


def stats_of(folder: Path, metric: str) -> dict[str, float]:
    """What HELM measured of each instance, changed or not."""
    rows = json.loads((folder / "per_instance_stats.json").read_text())
    return {
        row["instance_id"] + "~" * ("perturbation" in row): stat["sum"]
        for row in rows
        for stat in row["stats"]
        if stat["name"]["name"] == metric
    }


@pytest.mark.parametrize("path", HELM, ids=lambda path: path.name)
def test_helm_counts_as_its_stats_say(path: Path):
    log, right = read_log(path), stats_of(path, "exact_match")
    spec = json.loads((path / "run_spec.json").read_text())
    assert (log.metric, log.total, log.undecided) == ("exact_match", len(right), 0)
    assert log.failed == sum(value == 0 for value in right.values())
    assert (log.task, log.model) == (spec["name"], "huggingface/smollm2") and not log.problems
    assert samples(path / "scenario_state.json") == [*log.samples()]


def test_helm_s_small_letters_are_samples_of_their_own():
    read = {sample.id: sample for sample in samples(HERE / "helm-0.5.16" / "own_generation")}
    assert len(read) == 12 and "capital of France?" in read["id0"].prompt
    assert "capital of france?" in read["id0~lowercase"].prompt


def test_helm_s_letters_and_its_requests_for_one_choice_alone():
    joint, separate = (
        HERE / "helm-0.5.16" / f"own_choice-multiple_choice_{name}" for name in ("joint", "separate_original")
    )
    for sample, answer in zip(samples(joint), ("B", "B", "B", "A", "C", "A"), strict=True):
        assert (sample.expected, sample.choices, sample.check) == ((answer,), ("A", "B", "C"), "choice")
        assert sample.failed == (sample.said != answer) and not sample.raw
    likeliest = stats_of(separate, "predicted_index")
    for sample, answer in zip(samples(separate), ANSWERS, strict=True):
        assert sample.raw and sample.prompt.endswith("?") and sample.expected == (f" {answer}",)
        assert sample.said == sample.choices[int(likeliest[sample.id])] and len(sample.choices) == 3


def test_the_docs_name_the_versions_of_the_logs():
    docs = (HERE.parents[2] / "docs" / "logs.md").read_text(encoding="utf-8")
    names = [path.name.removesuffix(".json").removeprefix("openai-") for path in HERE.glob("*-*")]
    versions = {name.split("-")[1] for name in names}
    assert versions == {"0.4.13", "0.4.2", "0.3.285", "0.123.1", "3.0.1.post1", "0.5.16"}
    assert all(version in docs for version in versions)
