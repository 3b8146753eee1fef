"""Plain tables, promptfoo, OpenAI evals and HELM: the forms that the logs of real runs do not have."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer.data.logs import openai_evals
from explorer.data.logs.recognise import read_log
from explorer.data.logs.sample import LoggedSample
from explorer.errors import ExplorerError


def read(path: Path) -> list[LoggedSample]:
    return [*read_log(path).samples()]


def table(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "a.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


# --- plain tables -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["prompt", "question", "input"])
@pytest.mark.parametrize("expected", ["expected", "target", "gold", "ideal", "right", "answer"])
@pytest.mark.parametrize("said", ["said", "output", "response", "completion", "prediction", "wrong"])
def test_columns_go_by_many_names(tmp_path: Path, prompt: str, expected: str, said: str):
    (sample,) = read(table(tmp_path, {prompt: "p", expected: "e", said: "s"}))
    assert (sample.prompt, sample.expected, sample.said) == ("p", ("e",), "s")
    assert sample.failed is (True if said == "wrong" else None) and sample.check is None


def test_the_same_table_in_every_format(tmp_path: Path):
    rows = [{"id": f"r{n}", "prompt": f"p, {n}", "expected": "e", "category": "c", "correct": n % 2} for n in range(5)]
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=1))
    (tmp_path / "b.json").write_text(json.dumps({"name": "x", "rows": rows}))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    lines = [",".join(rows[0]), *(",".join(f'"{value}"' for value in row.values()) for row in rows)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    wanted = [(row["id"], row["prompt"], ("e",), "c", row["correct"] == 0) for row in rows]
    for path in (table(tmp_path, *rows), *(tmp_path / name for name in ("a.json", "b.json", "a.parquet", "a.csv"))):
        assert [(s.id, s.prompt, s.expected, s.category, s.failed) for s in read(path)] == wanted, path


def test_choices_are_named_by_text_index_or_letter(tmp_path: Path):
    for answer, expected in (("b", "b"), (1, "b"), ("1", "b"), ("B", "b"), ("z", "z"), (["a", "b"], None)):
        (sample,) = read(table(tmp_path, {"question": "q", "choices": ["a", "b"], "answer": answer}))
        assert sample.expected == (("a", "b") if expected is None else (expected,))
        assert sample.check == (None if expected == "z" else "choice")


def test_a_chat_a_system_prompt_and_raw_text(tmp_path: Path):
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    first, second = read(
        table(tmp_path, {"input": chat, "ideal": ["a", "b"]}, {"input": "t", "ideal": "", "raw": True})
    )
    assert (first.prompt, first.system, first.expected) == ("u", "s", ("a", "b"))
    assert (second.raw, second.expected) == (True, ())


def test_what_a_row_lacks_is_counted(tmp_path: Path):
    path = table(
        tmp_path, {"prompt": "p", "expected": "e"}, {"prompt": "", "expected": "e"}, {"prompt": "q", "said": "s"}
    )
    log = read_log(path)
    assert log.total == 2 and set(log.problems) == {
        "1 sample left out: without a question.",
        "1 sample without an expected answer.",
        "1 sample without the model's answer.",
    }


@pytest.mark.parametrize(
    ("columns", "failed"),
    [({"correct": True}, False), ({"passed": "no"}, True), ({"score": 1}, False), ({"score": 0.3}, None), ({}, None)],
)
def test_what_a_row_says_of_its_failure(tmp_path: Path, columns: dict[str, Any], failed: bool | None):
    (sample,) = read(table(tmp_path, {"prompt": "p", "expected": "e", "check": "exact"} | columns))
    assert sample.failed is failed and sample.check == "exact"


# --- promptfoo ----------------------------------------------------------------------------------------------------


def result(**changed: Any) -> dict[str, Any]:
    test = {"assert": [{"type": "contains", "value": "{{ right }}"}], "metadata": {}}
    return {
        "prompt": {"raw": "ask"}, "vars": {"right": "Paris"}, "response": {"output": "Rome"}, "success": False,
        "score": 0, "testCase": test, "testIdx": 0, "promptIdx": 0, "provider": {"id": "p"},
    } | changed  # fmt: skip


def output(folder: Path, *results: dict[str, Any]) -> Path:
    path = folder / "output.json"
    path.write_text(json.dumps({"results": {"version": 3, "results": results}, "config": {"description": "own"}}))
    return path


def test_variables_of_an_assertion_are_filled_in(tmp_path: Path):
    (sample,) = read(output(tmp_path, result()))
    assert sample.expected == ("Paris",) and sample.check == "contains" and sample.failed is True


@pytest.mark.parametrize(
    ("asserted", "check", "expected"),
    [
        ([{"type": "llm-rubric", "value": "good"}], None, ()),
        ([{"type": "not-contains", "value": "x"}], None, ()),
        ([{"type": "is-json"}, {"type": "equals", "value": "x"}], "exact", ("x",)),
        ([{"type": "contains-any", "value": ["x", "y"]}], "contains", ("x", "y")),
        ([{"type": "equals", "value": {"a": 1}}], "exact", ('{"a": 1}',)),
        ("x", None, ()),
    ],
)
def test_assertions_of_other_types(tmp_path: Path, asserted: Any, check: Any, expected: Any):
    (sample,) = read(output(tmp_path, result(testCase={"assert": asserted})))
    assert (sample.check, sample.expected) == (check, expected)


def test_a_result_that_broke_is_no_failure(tmp_path: Path):
    broken = result(response=None, error="no route", failureReason=2)
    (sample,) = read(output(tmp_path, broken))
    assert (sample.said, sample.failed) == (None, None)
    assert "1 sample ended with an error." in read_log(output(tmp_path, broken)).problems


def test_results_as_json_lines_are_the_same_samples(tmp_path: Path):
    results = [result(), result(testIdx=1, success=True)]
    whole, lines = read_log(output(tmp_path, *results)), read_log(table(tmp_path, *results))
    assert lines.harness == "promptfoo" and (lines.total, lines.failed) == (2, 1) and lines.model == whole.model
    fields = [[(s.id, s.prompt, s.said, s.expected, s.failed) for s in log.samples()] for log in (whole, lines)]
    assert fields[0] == fields[1]


def test_an_output_without_results_has_no_sample(tmp_path: Path):
    path = tmp_path / "output.json"
    path.write_text(json.dumps({"results": {"version": 3, "results": [], "stats": {}}, "config": {}}))
    with pytest.raises(ExplorerError, match="no sample in this log of promptfoo"):
        read_log(path)


def test_providers_and_outputs_that_are_objects(tmp_path: Path):
    other = result(provider={"id": "q", "label": "other"}, promptIdx=1, response={"output": {"city": "Rome"}})
    log = read_log(output(tmp_path, result(), other))
    assert log.model == "p, other" and any("2 providers" in problem for problem in log.problems)
    assert [(sample.id, sample.said) for sample in log.samples()] == [("0.0", "Rome"), ("0.1", '{"city": "Rome"}')]
    with pytest.raises(ExplorerError, match=r"output.json, line 1: field 'prompt.raw' is missing"):
        read_log(output(tmp_path, result(), result(prompt={})))


# --- OpenAI evals -------------------------------------------------------------------------------------------------

SPEC = {"spec": {"eval_name": "own", "completion_fns": ["m"]}}


def event(sample: str, kind: str, **data: Any) -> dict[str, Any]:
    return {"run_id": "r", "event_id": 0, "sample_id": sample, "type": kind, "data": data}


def test_an_eval_that_gives_scores(tmp_path: Path):
    path = table(tmp_path, SPEC, event("a", "sampling", prompt="p", sampled="s"), event("a", "metrics", score=0.0))
    (sample,) = read(path)
    assert (sample.prompt, sample.said, sample.failed, sample.expected) == ("p", "s", True, ())
    assert read_log(path).metric == "score"


def test_samples_whose_verdict_never_comes_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = [event(f"{n}", "sampling", prompt=f"p{n}", sampled=["s"]) for n in range(5)]
    path = table(tmp_path, SPEC, *asked, event("4", "match", correct=True, expected="e", picked="e", sampled="e"))
    wanted = [("0", None), ("1", None), ("2", None), ("3", None), ("4", False)]
    assert sorted((sample.id, sample.failed) for sample in read(path)) == wanted
    monkeypatch.setattr(openai_evals, "_OPEN_SAMPLES", 2)  # the oldest are given before the end, each once
    assert sorted((sample.id, sample.failed) for sample in read(path)) == wanted


def test_an_event_without_its_fields_names_the_line(tmp_path: Path):
    with pytest.raises(ExplorerError, match=r"line 2: field 'type' or 'data' is missing"):
        read_log(table(tmp_path, SPEC, {"sample_id": "a"}))
    with pytest.raises(ExplorerError, match=r"no sample .* \(1 sample left out: no event says what was asked"):
        read_log(table(tmp_path, SPEC, event("a", "match", correct=True)))


# --- HELM ---------------------------------------------------------------------------------------------------------


def request(id: str, **changed: Any) -> dict[str, Any]:
    references = [{"output": {"text": "Rome"}, "tags": []}, {"output": {"text": "Paris"}, "tags": ["correct"]}]
    return {
        "instance": {"id": id, "input": {"text": "ask"}, "references": references, "split": "test"},
        "train_trial_index": 0, "request": {"prompt": "ask it"}, "result": {"completions": [{"text": " A"}]},
    } | changed  # fmt: skip


def stat(score: int) -> dict[str, Any]:
    return {"name": {"name": "exact_match"}, "count": 1, "sum": score}


def helm(folder: Path, *requests: dict[str, Any], stats: Any = None, method: str = "generation") -> Path:
    state = {"adapter_spec": {"model": "m", "method": method}, "request_states": requests}
    (folder / "scenario_state.json").write_text(json.dumps(state))
    if stats is not None:
        (folder / "per_instance_stats.json").write_text(json.dumps(stats))
    return folder


def test_joint_choices_are_letters(tmp_path: Path):
    (sample,) = read(helm(tmp_path, request("a", output_mapping={"A": "Rome", "B": "Paris"})))
    assert (sample.said, sample.expected, sample.choices, sample.check) == ("A", ("B",), ("A", "B"), "choice")
    free = request("a", output_mapping={"A": "Rome", "B": "Paris"}, result={"completions": [{"text": "It is A"}]})
    (sample,) = read(helm(tmp_path, free))
    assert (sample.said, sample.choices, sample.check) == ("It is A", (), "contains")


def test_the_references_of_the_first_releases_are_texts(tmp_path: Path):
    instance = {"id": "a", "input": "ask", "references": [{"output": "Paris", "tags": ["correct"]}]}
    (sample,) = read(helm(tmp_path, request("a", instance=instance)))
    assert (sample.prompt, sample.expected) == ("ask it", ("Paris",))


def test_trials_and_perturbations_have_scores_of_their_own(tmp_path: Path):
    typos = {"name": "typos"}
    changed = request("a", instance=request("a")["instance"] | {"perturbation": typos})
    stats = [
        {"instance_id": "a", "train_trial_index": trial, "stats": [stat(score)]} | where
        for trial, where, score in ((0, {}, 0), (1, {}, 1), (0, {"perturbation": typos}, 1))
    ]
    log = read_log(helm(tmp_path, request("a"), request("a", train_trial_index=1), changed, stats=stats))
    assert [(s.id, s.failed) for s in log.samples()] == [("a", True), ("a#1", False), ("a~typos", False)]
    assert log.metric == "exact_match"


def test_without_scores_and_with_requests_about_single_answers(tmp_path: Path):
    log = read_log(helm(tmp_path, request("a"), request("b", reference_index=0), method="ranking_binary"))
    assert (log.total, log.undecided) == (1, 1) and any("alone (ranking)" in problem for problem in log.problems)
    assert any("does not say what failed" in problem for problem in log.problems)
    chat = {"prompt": "", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}
    (sample,) = read(helm(tmp_path, request("a", request=chat)))
    assert (sample.prompt, sample.system) == ("u", "s")
    with pytest.raises(ExplorerError, match=r"line 1: field 'instance.input' or 'request.prompt' is missing"):
        read(helm(tmp_path, request("a"), {"instance": {}}))


def choice_requests(id: str, question: str = "ask: ") -> list[dict[str, Any]]:
    """A request for each choice, and what HELM asks to calibrate them."""
    choices = list(enumerate(("Rome", "Paris")))
    asked = [request(id, reference_index=n, request={"prompt": question + text}) for n, text in choices]
    calibrated = [request(id, reference_index=n, request={"prompt": f"A: {text}"}) for n, text in choices]
    return [row | {"request_mode": "original"} for row in asked] + [
        row | {"request_mode": "calibration"} for row in calibrated
    ]


@pytest.mark.parametrize(("predicted", "said"), [(0, " Rome"), (1, " Paris"), (7, None), (None, None)])
def test_choices_that_are_requests_of_their_own_are_one_question(tmp_path: Path, predicted: int | None, said: str):
    likeliest = {"name": {"name": "predicted_index"}, "count": 1, "sum": predicted}
    stats = [{"instance_id": "a", "train_trial_index": 0, "stats": [stat(predicted == 1), likeliest]}]
    log = read_log(helm(tmp_path, *choice_requests("a"), stats=stats, method="multiple_choice_separate_calibrated"))
    (sample,) = log.samples()
    assert (sample.prompt, sample.raw, sample.choices) == ("ask:", True, (" Rome", " Paris"))
    assert (sample.said, sample.expected, sample.check) == (said, (" Paris",), "choice")
    assert sample.failed == (predicted != 1) and log.metric == "exact_match"


def test_a_choice_that_does_not_end_its_request_is_counted(tmp_path: Path):
    bare = request("b", reference_index=0) | {"instance": {"id": "b", "input": {}}}
    odd = [request("c", reference_index=0), bare]
    log = read_log(helm(tmp_path, *choice_requests("a"), *odd, method="multiple_choice_separate_original"))
    assert log.total == 1 and "2 samples left out: the first choice does not end its request." in log.problems
