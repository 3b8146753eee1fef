"""Every form of a sample that releases of lm-evaluation-harness have written."""

import json
from pathlib import Path
from typing import Any

import pytest

from explorer.data.logs.recognise import read_log
from explorer.data.logs.sample import LoggedSample
from explorer.errors import ExplorerError

CHOICES = ["red", "green", "blue"]


def row(**changed: Any) -> dict[str, Any]:
    """A generated answer as 0.4.13 logs it."""
    return {
        "doc_id": 0, "doc": {"question": "q"}, "target": "Paris", "filter": "none", "metrics": ["exact_match"],
        "arguments": {"gen_args_0": {"arg_0": "Q: q\nA:", "arg_1": {"until": ["\n"]}}},
        "resps": [[" Rome"]], "filtered_resps": [" Rome"], "exact_match": 0.0,
    } | changed  # fmt: skip


def choice(likelihoods: list[float], **changed: Any) -> dict[str, Any]:
    """A question with choices."""
    arguments = {f"gen_args_{n}": {"arg_0": "Q:", "arg_1": f" {text}"} for n, text in enumerate(CHOICES)}
    resps = [[[f"{value}", "False"]] for value in likelihoods]
    filtered = [response[0] for response in resps]
    return row(arguments=arguments, resps=resps, filtered_resps=filtered, metrics=["acc"], acc=0.0) | changed


def read(folder: Path, *rows: dict[str, Any]) -> list[LoggedSample]:
    path = folder / "samples_own_2026.jsonl"
    path.write_text("\n".join(json.dumps(value) for value in rows))
    return [*read_log(path).samples()]


def problems(folder: Path) -> tuple[str, ...]:
    return read_log(folder / "samples_own_2026.jsonl").problems


@pytest.mark.parametrize(
    ("target", "score", "expected"),
    [
        ("1", 0.0, (" green",)),  # an index
        (1, 0.0, (" green",)),
        ("blue", 0.0, (" blue",)),  # the text
        (" blue", 0.0, (" blue",)),
        ("C", 0.0, (" blue",)),  # the letter
        ("[1, 2]", 0.0, (" green", " blue")),  # several
        ("0", 1.0, (" red",)),
        ("nothing of these", 0.0, ()),
        ("ß", 0.0, ()),
    ],
)
def test_the_right_choice_is_an_index_a_text_or_a_letter(tmp_path: Path, target: Any, score: float, expected: Any):
    (sample,) = read(tmp_path, choice([-1, -2, -3], target=target, acc=score))
    assert (sample.said, sample.expected, sample.failed) == (" red", expected, score == 0)


@pytest.mark.parametrize(("score", "expected"), [(1.0, " 2"), (0.0, " 3")])
def test_where_the_choices_are_numbers_the_score_tells_an_index_from_a_text(
    tmp_path: Path, score: float, expected: str
):
    arguments = {f"gen_args_{n}": {"arg_0": "Q:", "arg_1": f" {n + 1}"} for n in range(3)}
    (sample,) = read(tmp_path, choice([-3, -1, -2], arguments=arguments, target="2", acc=score))
    assert (sample.said, sample.expected) == (" 2", (expected,))  # "2" is the second choice's text, the third's index


def test_acc_norm_divides_by_the_choice_s_length(tmp_path: Path):
    (sample,) = read(tmp_path, choice([-4.0, -4.2, -9.0], target="0", metrics=["acc_norm"], acc_norm=0.0))
    assert (sample.said, sample.expected, sample.failed) == (" green", (" red",), True)
    # -6 / 3 against -9.5 / 5 letters; with the blanks before them it would be -6 / 4 against -9.5 / 6
    (sample,) = read(tmp_path, choice([-6.0, -9.5, -99.0], target="1", metrics=["acc_norm"], acc_norm=1.0))
    assert sample.said == " green"


def test_the_arguments_of_old_releases_are_lists_and_likelihoods_numbers(tmp_path: Path):
    old = choice([-2, -1, -3], arguments=[["Q:", f" {text}"] for text in CHOICES], target=1, acc=1.0)
    old |= {"resps": [[[-2.0, False]], [[-1.0, False]], [[-3.0, False]]], "filtered_resps": [[-2.0, False]] * 3}
    del old["filtered_resps"], old["metrics"], old["exact_match"]
    (sample,) = read(tmp_path, old)
    assert (sample.said, sample.expected, sample.failed) == (" green", (" green",), False)
    (sample,) = read(tmp_path, row(arguments=[["Q: q\nA:", {"until": ["\n"]}]]))
    assert (sample.prompt, sample.said, sample.raw) == ("Q: q\nA:", " Rome", True)


def test_the_requests_without_a_prompt_of_mutual_information_are_no_choices(tmp_path: Path):
    arguments = {f"gen_args_{n}": {"arg_0": "Q:" * (n < 3), "arg_1": f" {CHOICES[n % 3]}"} for n in range(6)}
    both = choice([-1, -2, -3, -9, -9, -9], arguments=arguments, target="2", metrics=["acc", "acc_mutual_info"])
    (sample,) = read(tmp_path, both)
    assert (sample.prompt, sample.choices, sample.expected) == ("Q:", (" red", " green", " blue"), (" blue",))


def test_one_filter_is_taken_and_named(tmp_path: Path):
    strict, flexible = row(filter="strict", exact_match=0.0), row(filter="flexible", exact_match=1.0)
    (sample,) = read(tmp_path, strict, flexible)
    assert sample.failed is True
    assert problems(tmp_path) == ("Scored under several filters: 'strict' is taken, 'flexible' left out.",)


def test_filters_without_a_name_repeat_a_question_and_other_questions_stay(tmp_path: Path):
    plain = {name: value for name, value in row().items() if name != "filter"}
    other = plain | {"arguments": [["Q: other\nA:", {}]]}
    read_rows = read(tmp_path, plain, other, plain | {"exact_match": 1.0})
    assert [(sample.id, sample.prompt, sample.failed) for sample in read_rows] == [
        ("0", "Q: q\nA:", True), ("0#2", "Q: other\nA:", True),
    ]  # fmt: skip
    assert any("does not name" in problem for problem in problems(tmp_path))


def test_a_chat_for_a_server_becomes_system_and_prompt(tmp_path: Path):
    chat = json.dumps([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}])
    for logged in (chat, [chat], json.loads(chat)):
        (sample,) = read(tmp_path, row(arguments={"gen_args_0": {"arg_0": logged, "arg_1": {}}}))
        assert (sample.prompt, sample.system, sample.raw) == ("u", "s", False)


def test_several_answers_and_targets(tmp_path: Path):
    (sample,) = read(tmp_path, row(target="['Paris', 'Lutetia']", resps=[["Rome", "Paris"]]))
    assert (sample.said, sample.expected) == ("Rome", ("Paris", "Lutetia"))
    assert problems(tmp_path) == ("1 sample with several answers: the first one is taken.",)
    (sample,) = read(tmp_path, row(target="Two and two.\n#### 4"))
    assert sample.expected == ("4",)
    (sample,) = read(tmp_path, row(target="[1, 2]"))
    assert sample.expected == ("[1, 2]",)


def test_the_target_of_a_metric_that_does_not_compare_is_no_answer(tmp_path: Path):
    followed = row(metrics=["prompt_level_strict_acc"], prompt_level_strict_acc=False, target="0")
    (sample,) = read(tmp_path, followed)
    assert (sample.expected, sample.failed) == ((), True)


def test_an_answer_that_a_filter_cut_is_compared_in_part(tmp_path: Path):
    (sample,) = read(tmp_path, row(filtered_resps=["Rome"]))
    assert (sample.said, sample.check) == (" Rome", "contains")
    (sample,) = read(tmp_path, row())
    assert sample.check == "exact"


def test_what_asks_nothing_is_left_out_and_counted(tmp_path: Path):
    rolling = row(arguments={"gen_args_0": {"arg_0": "a text"}})
    contexts = {f"gen_args_{n}": {"arg_0": f"{who} said", "arg_1": " yes"} for n, who in enumerate(("he", "she"))}
    winogrande = choice([-1, -2], arguments=contexts)
    assert len(read(tmp_path, row(), rolling, winogrande)) == 1
    assert [problem.partition(":")[0] for problem in problems(tmp_path)] == ["1 sample left out"] * 2


def test_a_likelihood_of_one_continuation_expects_it(tmp_path: Path):
    lambada = row(arguments={"gen_args_0": {"arg_0": "the last", "arg_1": " word"}}, resps=[[["-3.2", "False"]]])
    (sample,) = read(tmp_path, lambada | {"metrics": ["perplexity", "acc"], "perplexity": -3.2, "acc": 0.0})
    assert (sample.said, sample.expected, sample.failed) == (None, (" word",), True)
    assert "1 sample without the model's answer." in problems(tmp_path)


@pytest.mark.parametrize(("value", "failed"), [(1, False), (0, True), (0.5, None), ([1], None), (999, None)])
def test_what_is_neither_right_nor_wrong_is_undecided(tmp_path: Path, value: Any, failed: bool | None):
    (sample,) = read(tmp_path, row(exact_match=value))
    assert sample.failed is failed


@pytest.mark.parametrize(
    "changed",
    [{"arguments": "x"}, {"arguments": {}}, {"arguments": {"a": {}}}, {"arguments": [[1, 2]]}, {"arguments": [7]}],
)
def test_fields_of_another_kind_name_line_and_field(tmp_path: Path, changed: dict[str, Any]):
    with pytest.raises(ExplorerError, match=r"line 2: field 'arguments' is not what was asked"):
        read(tmp_path, row(), row(**changed))


def test_without_results_the_name_says_the_task(tmp_path: Path):
    path = tmp_path / "samples_own_task_2026-11-22T10-21-10.235371.jsonl"
    path.write_text(json.dumps(row()))
    assert (read_log(path).task, read_log(path).model) == ("own_task", "")


def test_results_beside_the_log_that_are_broken_or_of_another_run(tmp_path: Path):
    (tmp_path / "results_2026.json").write_text("{")
    read(tmp_path, row())
    assert any("results beside the log were not read" in problem for problem in problems(tmp_path))
    results = {"configs": {"own": {}, "owner": {}}, "model_name": "m", "lm_eval_version": "9"}
    (tmp_path / "results_2026.json").write_text(json.dumps(results))
    (tmp_path / "results_2025.json").write_text(json.dumps(results | {"model_name": "other"}))
    log = read_log(tmp_path / "samples_own_2026.jsonl")
    assert (log.task, log.model, log.version) == ("own", "m", "9")
    (tmp_path / "results_2026.json").write_text(json.dumps(results | {"configs": {"another": {}}}))
    assert read_log(tmp_path / "samples_own_2026.jsonl").model == ""
