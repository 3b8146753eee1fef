"""Values of other libraries' methods are kept over runs: what is there is not computed again."""

import json
from pathlib import Path

import pytest

from bench.truth import peers

CASES = [{"failure": {"id": str(number)}, "ids": [number]} for number in range(60)]


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Calls of two methods, which stand in for the libraries; the second reads no odd case, and none after 39."""
    calls: list[tuple[str, int]] = []

    def plain(case: peers.Case) -> list[float]:
        calls.append(("plain", case["ids"][0]))
        return [float(case["ids"][0])]

    def odd(case: peers.Case) -> list[float] | None:
        calls.append(("odd", case["ids"][0]))
        if case["ids"][0] == 40:
            raise RuntimeError("no more")
        return [1.0] if case["ids"][0] % 2 else None

    monkeypatch.setattr(peers, "inseq_methods", lambda _folder: {"inseq:plain": plain})
    monkeypatch.setattr(peers, "captum_methods", lambda _folder: {"captum:odd": odd})
    monkeypatch.setattr(peers, "version", lambda library: f"{library} 1")
    return calls


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *more: str) -> dict:
    """Run the script on the cases; what it wrote."""
    (folder / "cases.json").write_text(json.dumps({"folder": "model", "cases": CASES}))
    given = ["--cases", str(folder / "cases.json"), "--json", str(folder / "values.json"), *more]
    monkeypatch.setattr("sys.argv", ["peers.py", *given])
    peers.main()
    return json.loads((folder / "values.json").read_text())


def test_a_second_run_adds_what_is_missing(tmp_path, monkeypatch, computed):
    first = run(monkeypatch, tmp_path, "--items", "30", "--methods", "inseq:plain")
    assert list(first["attributions"]) == ["inseq:plain"]
    assert list(first["attributions"]["inseq:plain"].items())[-1] == ("29", [29.0])
    computed.clear()
    again = run(monkeypatch, tmp_path, "--items", "39")
    assert [number for name, number in computed if name == "plain"] == list(range(30, 39))
    assert len(again["attributions"]["inseq:plain"]) == 39
    assert list(again["attributions"]["captum:odd"]) == [str(number) for number in range(1, 39, 2)]


def test_a_method_that_fails_is_refused_in_words_and_the_others_stay(tmp_path, monkeypatch, computed):
    written = run(monkeypatch, tmp_path)
    assert written["refused"] == {"captum:odd": "RuntimeError('no more')"}
    assert list(written["attributions"]) == ["inseq:plain"]
    monkeypatch.setattr(peers, "version", lambda library: f"{library} 2")
    computed.clear()
    run(monkeypatch, tmp_path, "--methods", "inseq:plain")
    assert len(computed) == len(CASES)  # values of other versions are not mixed in
