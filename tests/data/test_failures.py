from dataclasses import replace

import pytest

from explorer.data.failures import read_failures
from explorer.errors import ExplorerError
from explorer.model.generate import greedy_answer
from explorer.model.prompts import encode_prompt
from explorer.trace.contrast import make_contrast
from explorer.trace.trace import trace_ids

GALLERY = read_failures()


def test_a_place_is_read(tmp_path):
    path = tmp_path / "failures.jsonl"
    path.write_text('{"id": "a", "prompt": "p", "wrong": "w", "right": "r", "place": 0}')
    (failure,) = read_failures(path).values()
    assert failure.place == 0
    assert failure.question != replace(failure, place=None).question


def test_gallery_is_varied():
    kinds = {failure.kind for failure in GALLERY.values()}
    assert len(GALLERY) >= 12
    assert kinds >= {"fact", "arithmetic", "format", "false-premise", "distraction", "negation"}
    assert all(failure.title for failure in GALLERY.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", list(GALLERY))
def test_every_failure_really_happens(smollm, name):
    """The model itself produces the wrong answer: greedily, and with a positive logit gap over the right one."""
    failure = GALLERY[name]
    encoded = encode_prompt(smollm, failure.as_prompt())
    contrast = make_contrast(smollm, encoded, failure.wrong, failure.right, failure.place)
    trace = trace_ids(smollm.view("gradient"), contrast.ids, contrast.target, contrast.foil)
    assert trace.gap > 0.1
    common = len(contrast.ids) - len(encoded.ids)
    answer = greedy_answer(smollm, encoded, max_tokens=common + 1)
    assert answer.ids == (*contrast.ids[len(encoded.ids) :], contrast.target)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "line 1: not JSON"),
        ("[1]", "line 1: expected an object, found list"),
        ('{"id": "a", "prompt": "p", "wrong": "w"}', "line 1: field 'right' is missing"),
        ('{"id": "a", "prompt": "p", "wrong": "w", "right": ""}', "field 'right' is missing or empty"),
        ('{"id": "a", "prompt": "p", "wrong": "w", "right": "r"}\n' * 2, "line 2: id 'a' stands in the file twice"),
        ('{"id": "a", "prompt": "p", "wrong": "w", "right": "r", "kind": [1]}', "'kind' is \\[1\\]; expected text"),
        (
            '{"id": "a", "prompt": "p", "wrong": "w", "right": "r", "raw": "no"}',
            "'raw' is .no.; expected true or false",
        ),
        *(
            (
                f'{{"id": "a", "prompt": "p", "wrong": "w", "right": "r", "place": {place}}}',
                "'place' is .*; expected a whole number from 0",
            )
            for place in ("-1", "true", "1.0", '"1"')
        ),
    ],
)
def test_broken_files_are_named(tmp_path, text, complaint):
    path = tmp_path / "failures.jsonl"
    path.write_text(text)
    with pytest.raises(ExplorerError, match=complaint):
        read_failures(path)
    with pytest.raises(ExplorerError, match="no such file"):
        read_failures(tmp_path / "other.jsonl")
