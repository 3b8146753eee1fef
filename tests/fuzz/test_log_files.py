"""Evaluation logs of every harness, broken in thousands of ways."""

import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

from hypothesis import given

from explorer.data.logs.recognise import read_log
from tests.data.logs.test_archive import zstd_zip
from tests.data.logs.test_inspect import EVAL
from tests.data.logs.test_inspect import sample as inspect_sample
from tests.data.logs.test_lm_eval import choice, row
from tests.data.logs.test_other_readers import SPEC, event, request, result
from tests.fuzz.harness import broken_bytes, check, contents, fuzz, mutated_bytes, seeds

LM_EVAL = [row(), choice([-1, -2, -3], target="[1, 2]"), row(doc_id=1, filter="other"), row(doc_id=2)]
OLD_LM_EVAL = [choice([-1, -2], arguments=[["q", " a"], ["q", " b"]], target=1)]
PLAIN = [
    {"id": "a", "prompt": "p", "expected": ["e"], "said": "s", "choices": ["e", "s"], "category": "c", "score": 1},
    {"question": [{"role": "user", "content": "q"}], "answer": 1, "check": "regex", "correct": "no"},
]
EVENTS = [SPEC, event("a", "sampling", prompt="p", sampled=["s"]), event("a", "match", correct=True, expected="e")]
INSPECT = {"version": 2, "status": "success", "eval": EVAL, "samples": [inspect_sample(), inspect_sample(id=2)]}
PROMPTFOO = {"results": {"version": 3, "results": [result(), result(testIdx=1)]}, "config": {}, "metadata": {}}
HELM = {"adapter_spec": {"model": "m"}, "request_states": [request("a"), request("b", output_mapping={"A": "x"})]}
STATS = [
    {"instance_id": "a", "train_trial_index": 0, "stats": [{"name": {"name": "exact_match"}, "count": 1, "sum": 0}]}
]
RESULTS = {"configs": {"own": {}}, "config": {"model_args": "pretrained=m"}, "model_name": "m"}


def read(folder: Path, name: str, data: bytes, kind: str) -> None:
    """Hold the readers against a file of that name and content."""
    path = folder / name
    path.write_bytes(data)
    check(f"log {kind}", lambda: _whole(path))


def _whole(path: Path) -> None:
    """Read a log; what comes out must be text that can be written and shown."""
    log = read_log(path)
    for sample in log.samples():
        json.dumps(
            [sample.id, sample.prompt, sample.said, sample.expected, sample.choices], ensure_ascii=False
        ).encode()
        assert sample.score is None or abs(sample.score) < float("inf")
    " ".join([log.task, log.model, log.metric, log.version, *log.problems]).encode()


@fuzz(1_500)
@given(data=contents(LM_EVAL, lines=True))
def test_lm_eval(tmp_path: Path, data: bytes):
    read(tmp_path, "samples_own_1.jsonl", data, "lm-eval")


@fuzz(500)
@given(data=contents(OLD_LM_EVAL))
def test_the_array_of_old_lm_eval(tmp_path: Path, data: bytes):
    read(tmp_path, "a.jsonl", data, "old lm-eval")


@fuzz(400)
@given(data=contents(RESULTS))
def test_results_beside_a_log(tmp_path: Path, data: bytes):
    (tmp_path / "results_1.json").write_bytes(data)
    read(tmp_path, "samples_own_1.jsonl", json.dumps(LM_EVAL[0]).encode(), "lm-eval results")


@fuzz(1_000)
@given(data=contents(PLAIN, lines=True))
def test_plain_lines(tmp_path: Path, data: bytes):
    read(tmp_path, "a.jsonl", data, "plain")


@fuzz(500)
@given(data=contents({"rows": PLAIN}))
def test_plain_json(tmp_path: Path, data: bytes):
    read(tmp_path, "a.json", data, "plain JSON")


@fuzz(400)
@given(data=mutated_bytes(b'id,question,answer,said\na,"p, q",e,s\nb,"two\nlines",e,\n'))
def test_plain_csv(tmp_path: Path, data: bytes):
    read(tmp_path, "a.csv", data, "plain CSV")


@fuzz(1_000)
@given(data=contents(EVENTS, lines=True))
def test_openai_evals(tmp_path: Path, data: bytes):
    read(tmp_path, "a.jsonl", data, "OpenAI evals")


@fuzz(1_500)
@given(data=contents(INSPECT))
def test_inspect_json(tmp_path: Path, data: bytes):
    read(tmp_path, "a.json", data, "Inspect")


@fuzz(1_000)
@given(data=contents(PROMPTFOO))
def test_promptfoo(tmp_path: Path, data: bytes):
    read(tmp_path, "a.json", data, "promptfoo")


@fuzz(600)
@given(state=contents(HELM), stats=contents(STATS))
def test_helm(tmp_path: Path, state: bytes, stats: bytes):
    (tmp_path / "scenario_state.json").write_bytes(state)
    (tmp_path / "per_instance_stats.json").write_bytes(json.dumps(STATS).encode())
    check("log HELM", lambda: _whole(tmp_path))
    (tmp_path / "scenario_state.json").write_bytes(json.dumps(HELM).encode())
    (tmp_path / "per_instance_stats.json").write_bytes(stats)
    check("log HELM scores", lambda: _whole(tmp_path))


def _zips() -> list[bytes]:
    """A log of Inspect in the zips of three methods."""
    members = {"header.json": INSPECT, "samples/1_epoch_1.json": inspect_sample()}
    packed = {name: json.dumps(value).encode() for name, value in members.items()}
    out = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(file := io.BytesIO(), "w", method) as new:
            for name, data in packed.items():
                new.writestr(name, data)
        out.append(file.getvalue())
    return out


@fuzz(1_500)
@given(rng=seeds())
def test_inspect_zips(tmp_path: Path, rng: random.Random):
    zstd_zip(tmp_path / "zstd", {name: json.dumps(value).encode() for name, value in _MEMBERS.items()})
    valid = rng.choice([*_ZIPS, (tmp_path / "zstd").read_bytes()])
    read(tmp_path, "a.eval", broken_bytes(valid, rng), "Inspect zip")


@fuzz(600)
@given(data=contents(inspect_sample()))
def test_inspect_members(tmp_path: Path, data: bytes):
    zstd_zip(tmp_path / "a.eval", {"header.json": json.dumps(INSPECT).encode(), "samples/1_epoch_1.json": data})
    check("log Inspect member", lambda: _whole(tmp_path / "a.eval"))


_MEMBERS: dict[str, Any] = {"header.json": INSPECT, "samples/1_epoch_1.json": inspect_sample()}
_ZIPS = _zips()
