"""Logs are told apart by what is in them; what is none, or broken, ends in one sentence; large ones are streamed."""

import json
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explorer.data.logs import json_stream, recognise, rows
from explorer.data.logs.recognise import read_log
from explorer.errors import ExplorerError
from tests.data.logs.test_inspect import log as inspect_log
from tests.data.logs.test_inspect import sample as inspect_sample
from tests.data.logs.test_lm_eval import choice as lm_eval_choice
from tests.data.logs.test_lm_eval import row as lm_eval_row

HERE = Path(__file__).parent
LM_EVAL = next(HERE.glob("lm_eval-0.4.13-plain/samples_own_choice*"))
OLD_LM_EVAL = next(HERE.glob("lm_eval-0.4.2-plain/*choice*"))
INSPECT = HERE / "inspect-0.3.285" / "mock-choice.eval"
PROMPTFOO = next(HERE.glob("promptfoo-*"))
OPENAI_EVALS = HERE / "openai-evals-3.0.1.post1" / "match.jsonl"
HELM = HERE / "helm-0.5.16" / "own_generation"


@pytest.mark.parametrize(
    ("source", "harness", "name"),
    [
        (LM_EVAL, "lm-evaluation-harness", "a.txt"),
        (LM_EVAL, "lm-evaluation-harness", "a.json"),
        (OLD_LM_EVAL, "lm-evaluation-harness", "output.json"),
        (INSPECT, "Inspect", "samples_a.jsonl"),
        (INSPECT.with_suffix(".json"), "Inspect", "samples_a.jsonl"),
        (PROMPTFOO, "promptfoo", "a.jsonl"),
        (OPENAI_EVALS, "OpenAI evals", "a.json"),
        (HELM / "scenario_state.json", "HELM", "a.jsonl"),
    ],
)
def test_the_name_says_nothing(tmp_path: Path, source: Path, harness: str, name: str):
    shutil.copy(source, tmp_path / name)
    assert read_log(tmp_path / name).harness == harness


def test_json_on_one_line_is_the_same_log(tmp_path: Path):
    for source in (PROMPTFOO, INSPECT.with_suffix(".json"), OLD_LM_EVAL):
        path = tmp_path / "a.json"
        path.write_text(json.dumps(json.loads(source.read_text())))
        assert read_log(path).harness == read_log(source).harness and read_log(path).total == read_log(source).total


def test_a_table_on_one_line_longer_than_a_sample_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for module in (rows, json_stream):
        monkeypatch.setattr(module, "LOG_SAMPLE_BYTES", 2_000)
    monkeypatch.setattr(json_stream, "_CHUNK", 500)
    path = tmp_path / "a.json"
    table = [{"prompt": f"{n}", "expected": "e"} for n in range(200)]
    for value in (table, {"rows": table}):
        path.write_text(json.dumps(value))
        assert read_log(path).total == 200
    path.write_text("\n".join(json.dumps(row) for row in [*table, {"prompt": "p" * 3_000, "expected": "e"}]))
    with pytest.raises(ExplorerError, match="line 201: more than 2,000 bytes"):
        read_log(path)


BROKEN: list[tuple[str, bytes, str]] = [
    ("a.jsonl", b"", "the file is empty"),
    ("a.jsonl", b"\n \n", "the file is empty"),
    ("a.jsonl", b'{"a": 1}\n', "no known log; found 'a'; expected a log of lm-eval"),
    ("a.json", b"[1, 2]", "line 1: expected an object, found int"),
    ("a.json", b"7", "no evaluation log (neither JSON nor a zip); expected"),
    ("a.json", b"[]", "no known log; found none"),
    ("a.jsonl", b"\xff\xfe{}", "neither JSON nor a zip"),
    ("a.jsonl", b"hello\n", "neither JSON nor a zip"),
    ("a.csv", b"name,age\nx,3\n", "no question; found 'name', 'age'; expected prompt"),
    ("a.png", b"\x89PNG\r\n", "neither JSON nor a zip"),
    ("a.jsonl", b'{"prompt": "p", "expected": "e"}\n{"prompt": "p", "expec', "line 2: not JSON"),
    ("a.jsonl", b'{"prompt": "p", "expected": "e"}\n[1]\n', "line 2: expected an object, found list"),
    ("a.jsonl", b'{"prompt": {"a": 1}, "expected": "e"}\n', "line 1: field 'prompt' is dict"),
    ("a.json", b'{"results": {"own": {}}, "configs": {}}', "expected the samples_*.jsonl beside it"),
    ("a.jsonl", b'{"prompt": "\xff"}', "not UTF-8"),
    ("a.jsonl", b"{prompt: 1}\n", "line 1: not JSON"),
    ("a.zip", b"PK\3\4 nothing", "not readable as a zip of a log"),
]


@pytest.mark.parametrize(("name", "data", "message"), BROKEN, ids=lambda value: str(value)[:30])
def test_what_is_no_log_ends_in_a_sentence(tmp_path: Path, name: str, data: bytes, message: str):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ExplorerError) as error:
        read_log(tmp_path / name)
    assert message in str(error.value) and name in str(error.value)


def test_a_zip_or_folder_of_something_else(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as new:
        new.writestr("readme.txt", "hello")
    with pytest.raises(ExplorerError, match=r"no log of Inspect \(no member header.json\)"):
        read_log(tmp_path / "a.zip")
    with pytest.raises(ExplorerError, match="a folder without a log"):
        read_log(tmp_path)
    with pytest.raises(ExplorerError, match="no such file"):
        read_log(tmp_path / "gone.jsonl")


@pytest.mark.parametrize("source", [LM_EVAL, OLD_LM_EVAL, INSPECT, INSPECT.with_suffix(".json"), PROMPTFOO])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_log_that_is_cut_off_ends_in_a_sentence(tmp_path: Path, source: Path, share: float):
    data = source.read_bytes()
    path = tmp_path / source.name
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ExplorerError, match=r"(not JSON|zip of a log|no known log|empty)") as error:
        read_log(path)
    assert source.name in str(error.value)


def test_a_log_without_a_failed_sample_is_a_log(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(lm_eval_row(exact_match=1.0)))
    assert (read_log(path).total, read_log(path).failed) == (1, 0)


def test_a_log_without_any_sample_says_why(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(lm_eval_row(arguments={"gen_args_0": {"arg_0": "a text"}})))
    with pytest.raises(ExplorerError, match=r"no sample in this log of lm-evaluation-harness \(1 sample left out"):
        read_log(path)


def test_hostile_text_is_text(tmp_path: Path):
    hostile = "<script>alert(1)</script>\x1b[31m\u202e\ud800 ![](http://x/y)"
    path = tmp_path / "a.jsonl"
    path.write_text(
        json.dumps({"prompt": hostile, "expected": [hostile], "said": hostile, "id": hostile, "task": "\ud800"})
    )
    (sample,) = read_log(path).samples()
    assert sample.prompt == hostile.replace("\ud800", "?") == sample.said == sample.expected[0] == sample.id
    for text in (sample.prompt, sample.category, sample.id):
        text.encode()


def test_ids_are_made_unique(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    ids = ("x", "x", "x#2", "x", " ", "")
    path.write_text("\n".join(json.dumps({"id": id, "prompt": "p", "expected": "e"}) for id in ids))
    log = read_log(path)
    assert [sample.id for sample in log.samples()] == ["x", "x#2", "x#2#2", "x#3", "5", "6"]
    assert "3 samples under an id that another one has: a number is added." in log.problems


def test_a_sample_that_asks_nothing_is_left_out(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    empty = lm_eval_row(doc_id=1, arguments={"gen_args_0": {"arg_0": " \n", "arg_1": {}}})
    path.write_text("\n".join(map(json.dumps, [lm_eval_row(), empty])))
    assert read_log(path).total == 1 and "1 sample left out: without a question." in read_log(path).problems


def test_more_samples_than_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recognise, "LOG_SAMPLES", 2)
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([json.dumps({"prompt": "p", "expected": "e"})] * 3))
    with pytest.raises(ExplorerError, match="more than 2 samples"):
        read_log(path)


def large_lm_eval(path: Path, size: int) -> Path:
    return _lines(path / "a.jsonl", lambda n: lm_eval_choice([-1, -2, -3], doc_id=n, doc={"text": "x" * 9_000}), size)


def large_table(path: Path, size: int) -> Path:
    return _lines(path / "a.jsonl", lambda n: {"prompt": "p" * 4_000, "expected": "e" * 4_000, "id": n}, size)


def large_promptfoo(path: Path, size: int) -> Path:
    one = json.loads(PROMPTFOO.read_text())
    (result,) = one["results"]["results"][:1]
    result["response"]["raw"] = "x" * 9_000
    results = ",".join(json.dumps(result | {"testIdx": n}) for n in range(size // len(json.dumps(result)) + 1))
    (path / "a.json").write_text(f'{{"results": {{"version": 3, "results": [{results}]}}, "config": {{}}}}')
    return path / "a.json"


def large_inspect(path: Path, size: int) -> Path:
    events = [{"event": "model", "text": "x" * 900} for _ in range(10)]
    inspect_log(path, *(inspect_sample(id=n, events=events) for n in range(size // 9_500)))
    return path / "a.json"


def large_zipped(path: Path, size: int) -> Path:
    return large_inspect(path, size).with_suffix(".eval")


def _lines(path: Path, row: Callable[[int], dict[str, Any]], size: int) -> Path:
    with path.open("w") as file:
        for number in range(size // len(json.dumps(row(0)))):
            file.write(json.dumps(row(number)) + "\n")
    return path


@pytest.mark.parametrize("make", [large_lm_eval, large_table, large_promptfoo, large_inspect, large_zipped])
def test_a_large_log_never_lies_in_memory(tmp_path: Path, make: Callable[[Path, int], Path]):
    peaks = []
    for size in (2_000_000, 12_000_000):
        path = make(tmp_path, size)
        read_log(make(tmp_path, 10_000))  # what is imported on the way
        path = make(tmp_path, size)
        tracemalloc.start()
        log = read_log(path)
        assert sum(1 for _ in log.samples()) == log.total > size // 20_000
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 3_000_000 < 9_000_000  # other threads of a long test run allocate too


def test_a_harness_s_folder_stands_for_its_one_log(tmp_path: Path):
    shutil.copytree(HELM, tmp_path / "runs" / "capitals")
    assert read_log(tmp_path / "runs").path == tmp_path / "runs" / "capitals"
    (tmp_path / "out" / "smollm2").mkdir(parents=True)
    one = shutil.copy(LM_EVAL, tmp_path / "out" / "smollm2")
    assert read_log(tmp_path / "out").path == Path(one)
    shutil.copy(LM_EVAL, tmp_path / "out" / "samples_b.jsonl")
    with pytest.raises(ExplorerError, match=r"a folder of 2 logs; name one of them \(.*samples_b.jsonl"):
        read_log(tmp_path / "out")
    with pytest.raises(ExplorerError, match="a folder without a log; expected"):
        read_log(HERE.parent)
