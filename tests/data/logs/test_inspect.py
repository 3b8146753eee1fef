"""What Inspect logs may hold beside the usual: attachments, scores of every kind, samples and runs that broke."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from explorer.data.logs.recognise import read_log
from explorer.data.logs.sample import LoggedSample
from explorer.errors import ExplorerError

SCORERS = [{"name": "match", "options": {"location": "exact"}}, {"name": "grader"}]
EVAL = {"task": "own", "model": "m", "packages": {"inspect_ai": "9"}, "config": {"epochs": 1}, "scorers": SCORERS}
LONG = "attachment://0123456789abcdef0123456789abcdef"


def sample(**changed: Any) -> dict[str, Any]:
    answer = {"role": "assistant", "content": "Rome"}
    return {
        "id": 1, "epoch": 1, "input": "ask", "target": "Paris",
        "messages": [{"role": "user", "content": "asked"}, answer],
        "output": {"choices": [{"message": answer}]}, "scores": {"match": {"value": "I", "answer": "Rome"}},
    } | changed  # fmt: skip


def log(folder: Path, *samples: dict[str, Any], **changed: Any) -> Path:
    """Write the same log as .eval and as .json; returns the zip."""
    header = {"version": 2, "status": "success", "eval": EVAL} | changed
    (folder / "a.json").write_text(json.dumps(header | {"samples": samples}))
    with zipfile.ZipFile(folder / "a.eval", "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("_journal/start.json", json.dumps(header))
        for number, value in enumerate(samples):
            new.writestr(f"samples/{value.get('id')}_{number}_epoch_{value.get('epoch')}.json", json.dumps(value))
        new.writestr("header.json", json.dumps(header))
    return folder / "a.eval"


def read(folder: Path, *samples: dict[str, Any], **changed: Any) -> list[LoggedSample]:
    """Read the log in both formats, which must say the same."""
    path = log(folder, *samples, **changed)
    zipped, plain = read_log(path), read_log(path.with_suffix(".json"))
    assert (zipped.problems, zipped.metric, zipped.model) == (plain.problems, plain.metric, plain.model)
    pairs = list(zip(zipped.samples(), plain.samples(), strict=True))
    assert all((a.id, a.prompt, a.said, a.failed) == (b.id, b.prompt, b.said, b.failed) for a, b in pairs)
    return [a for a, _ in pairs]


def problems(folder: Path) -> tuple[str, ...]:
    return read_log(folder / "a.eval").problems


@pytest.mark.parametrize(
    ("value", "score", "failed"),
    [
        ("C", 1, False), ("I", 0, True), ("N", 0, True), ("P", 0.5, None), (1, 1, False), (0.0, 0, True),
        (True, 1, False), (False, 0, True), ("yes", 1, False), ("0.25", 0.25, None), ("x", None, None),
        (float("nan"), None, None), ([1, 0], None, None), ({"correct": 0, "other": 1}, 0, True), (None, None, None),
    ],
)  # fmt: skip
def test_scores_of_every_kind(tmp_path: Path, value: Any, score: float | None, failed: bool | None):
    (read_sample,) = read(tmp_path, sample(scores={"match": {"value": value}}))
    assert (read_sample.score, read_sample.failed) == (score, failed)


def test_the_first_scorer_of_the_run_is_taken(tmp_path: Path):
    (read_sample,) = read(tmp_path, sample(scores={"grader": {"value": "C"}, "match": {"value": "I"}}))
    assert read_sample.failed is True and read_sample.check == "exact"  # match at the location "exact"
    assert problems(tmp_path) == ("Scored by several scorers: 'match' is taken, 'grader' left out.",)


def test_the_one_score_of_old_logs(tmp_path: Path):
    old = sample(score={"value": "I"})
    del old["scores"]
    (read_sample,) = read(tmp_path, old)
    assert read_sample.failed is True


def test_attachments_stand_in_their_places(tmp_path: Path):
    parts = [{"type": "text", "text": LONG}, {"type": "image", "image": "attachment://image"}]
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": parts}]
    turns += [{"role": "assistant", "content": LONG}]
    value = sample(messages=turns, attachments={LONG.removeprefix("attachment://"): "long text"})
    value["output"] = {"choices": [{"message": turns[-1]}]}
    (read_sample,) = read(tmp_path, value)
    assert (read_sample.prompt, read_sample.system, read_sample.said) == ("long text", "s", "long text")
    (read_sample,) = read(tmp_path, value | {"attachments": {}})
    assert read_sample.prompt == LONG and any("attachment is missing" in problem for problem in problems(tmp_path))


def test_reasoning_is_no_part_of_the_answer(tmp_path: Path):
    content = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "Rome"}]
    (read_sample,) = read(tmp_path, sample(output={"choices": [{"message": {"content": content}}]}))
    assert read_sample.said == "Rome"


def test_earlier_turns_stand_before_the_question(tmp_path: Path):
    turns = [{"role": role, "content": text} for role, text in (("user", "1"), ("assistant", "2"), ("user", "3"))]
    (read_sample,) = read(tmp_path, sample(messages=[*turns, {"role": "assistant", "content": "Rome"}]))
    assert read_sample.prompt == "1\n\n2\n\n3"
    assert problems(tmp_path) == ("1 sample with earlier turns: they stand before the question, in one text.",)


def test_epochs_are_samples_of_their_own(tmp_path: Path):
    epochs = EVAL | {"config": {"epochs": 2}}
    read_samples = read(tmp_path, sample(), sample(epoch=2), eval=epochs)
    assert [value.id for value in read_samples] == ["1#1", "1#2"]


def test_a_sample_that_broke_has_no_answer_and_is_counted(tmp_path: Path):
    error = {"message": "out of memory"}
    broken = sample(messages=[], output={"choices": [], "completion": ""}, scores={}, error=error)
    read_sample, _ = read(tmp_path, broken, sample(id=2), status="error")
    assert (read_sample.prompt, read_sample.said, read_sample.failed) == ("ask", None, None)
    assert {"1 sample ended with an error.", "The run ended with status 'error'."} <= set(problems(tmp_path))


def test_a_sample_without_a_target(tmp_path: Path):
    (read_sample,) = read(tmp_path, sample(target=""))
    assert read_sample.expected == () and "1 sample without an expected answer." in problems(tmp_path)


def test_choices_are_written_as_the_answer_is(tmp_path: Path):
    scorers = EVAL | {"scorers": [{"name": "inspect_ai/choice"}]}
    value = sample(choices=["x", "y"], target="A", scores={"inspect_ai/choice": {"value": "I"}})
    value["output"] = {"choices": [{"message": {"content": "Answer: B "}}]}
    (read_sample,) = read(tmp_path, value, eval=scorers)
    assert (read_sample.said, read_sample.choices) == ("Answer: B", ("Answer: A", "Answer: B"))
    assert (read_sample.expected, read_sample.check) == (("Answer: A",), "choice")


def test_a_run_that_was_killed_has_no_header(tmp_path: Path):
    log(tmp_path, sample())
    path = tmp_path / "killed.eval"
    with zipfile.ZipFile(tmp_path / "a.eval") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            if name != "header.json":
                new.writestr(name, old.read(name))
    killed = read_log(path)
    assert killed.total == 1 and killed.task == "own"
    assert killed.problems == ("The run did not end: the log has the samples up to then.",)


@pytest.mark.parametrize(
    ("value", "message"),
    [({"id": 1}, "field 'id' or 'input' is missing"), ([], "expected"), (7, "expected")],
)
def test_a_sample_of_another_kind_names_its_place(tmp_path: Path, value: Any, message: str):
    log(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.eval", "a") as new:
        new.writestr("samples/1_epoch_1.json", json.dumps(value))
    with pytest.raises(ExplorerError, match=rf"member samples/1_epoch_1.json.*{message}"):
        read_log(tmp_path / "a.eval")
    (tmp_path / "a.json").write_text(json.dumps({"version": 2, "eval": EVAL, "samples": [sample(), value]}))
    with pytest.raises(ExplorerError, match=rf"a.json, line 1.*{message}"):
        read_log(tmp_path / "a.json")


def test_another_version_of_the_log_is_refused_by_its_field(tmp_path: Path):
    log(tmp_path, sample(), eval={"name": "own"})
    with pytest.raises(ExplorerError, match=r"field 'eval.task' is missing"):
        read_log(tmp_path / "a.eval")
