"""What a link may open: nothing outside the allowed folders, however the path is spelt."""

import os
from pathlib import Path

import pytest

from explorer.errors import ExplorerError
from explorer.model.spec import ModelSpec
from explorer.serving import Serving
from explorer.ui import places
from explorer.ui.places import Place, allow, is_allowed, place_name, places_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder that the server was started with; a session without anything confirmed."""
    allowed = tmp_path / "allowed"
    (allowed / "study").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    for name, value in Serving((str(allowed),)).environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(places.st, "session_state", {})
    return allowed


def may(name: str, kind: str = "study") -> bool:
    return is_allowed(Place(kind, os.path.abspath(place_name(name)) if kind == "study" else place_name(name)))


def test_what_lies_below_an_allowed_folder_is_opened(folder):
    assert may(str(folder)) and may(f"{folder}/study") and may(f"{folder}/study/../study/")
    assert may("smollm2", "model")
    assert places_of(ModelSpec()) == []


@pytest.mark.parametrize("name", ["{}/..", "{}/../secret", "{}/study/../../secret", "{}x", "/", "{}/link", "relative"])
def test_ways_out_are_not(folder, name):
    (folder / "link").symlink_to(folder.parent / "secret")
    assert not may(name.format(folder))
    assert not may(name.format(folder), "model")


def test_an_allowed_folder_may_be_a_link_itself(folder, monkeypatch):
    (folder.parent / "shortcut").symlink_to(folder)
    monkeypatch.setenv("EXPLORER_ALLOW", Serving((str(folder.parent / "shortcut"),)).environment()["EXPLORER_ALLOW"])
    assert may(f"{folder.parent}/shortcut/study") and may(f"{folder}/study")
    assert not may(f"{folder.parent}/secret")


def test_the_disk_is_not_asked_about_what_lies_outside(folder, monkeypatch):
    asked = []
    look = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path, *a, **k: asked.append(os.fspath(path)) or look(path, *a, **k))
    assert not may("/net/elsewhere/study", "model")
    assert not any("elsewhere" in path for path in asked)


def test_the_hub_is_always_asked_for_and_what_was_confirmed_no_more(folder):
    for name in ("owner/name", "owner/name@main", "gpt2"):
        place = Place("model", place_name(name))
        assert place.on_hub and not is_allowed(place)
        allow([place])
        assert is_allowed(place)
        assert not is_allowed(Place("model", f"{name}-other"))
    secret = str(folder.parent / "secret")
    allow([Place("study", secret)])
    assert may(f"{secret}/adapters/dpo", "adapter")
    assert not may(str(folder.parent))


@pytest.mark.parametrize(
    "text", ["\0", "/a\nb", "~nobody-here/x", "x" * 10_000, "/" + "é" * 128, "\udcff", "a/\x1b[31m", "/../" * 2_000]
)
def test_what_can_be_no_place_is_one_sentence(folder, text):
    with pytest.raises(ExplorerError) as caught:
        place_name(text)
    assert len(str(caught.value)) < 400 and str(caught.value).isprintable()


def test_paths_are_spelled_out_and_hub_ids_left_alone(folder):
    assert place_name("~/models") == str(Path.home() / "models")
    assert place_name("/a/../b/./c/") == "/b/c"
    assert place_name("x.gguf") == str(Path.cwd() / "x.gguf")
    assert place_name("owner/name@v1.0") == "owner/name@v1.0"
    assert place_name("../up").startswith("/")
