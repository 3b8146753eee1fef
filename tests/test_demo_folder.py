"""Where the demo study is laid out, and when it is laid out again."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from explorer.demo import build
from explorer.demo.build import ASSETS, STAMP, build_demo, default_folder
from explorer.errors import ExplorerError
from explorer.study import DATAPOINTS, FAILURES, SETTINGS, create_study


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """Shipped assets that a test may change."""
    return shutil.copytree(ASSETS, tmp_path / "assets")


def test_an_outdated_study_gets_its_files_anew_and_keeps_what_is_the_users(tmp_path, assets):
    folder = build_demo(tmp_path / "demo", assets).folder
    for name in ("vectors", "repairs"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "mine").write_text("mine")
    written = (folder / SETTINGS).stat().st_mtime_ns
    assert build_demo(folder, assets).failures() and (folder / SETTINGS).stat().st_mtime_ns == written
    (assets / FAILURES).write_text('{"id": "f", "prompt": "p", "wrong": "w", "right": "r"}\n')
    weights = assets / "adapters" / "dpo" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[::-1])
    assert list(build_demo(folder, assets).failures()) == ["f"]
    assert (folder / "adapters" / "dpo" / weights.name).read_bytes() == weights.read_bytes()
    assert all((folder / name / "mine").read_text() == "mine" for name in ("vectors", "repairs"))
    assert not list(folder.glob(".*"))


def test_one_without_a_stamp_or_cut_short_is_laid_out_again(tmp_path):
    folder = build_demo(tmp_path / "demo").folder
    (folder / STAMP).unlink()
    (folder / DATAPOINTS).unlink()
    assert build_demo(folder).datapoints().num_rows == 3000
    (folder / SETTINGS).unlink()
    assert build_demo(folder).name == build.NAME


def test_another_study_is_left_alone(tmp_path):
    data = [{"id": "a", "prompt": "p", "response": "r"}]
    folder = create_study(tmp_path / "mine", name="Mine", model="smollm2", datapoints=data).folder
    with pytest.raises(ExplorerError, match=r"another study \(Mine\)"):
        build_demo(folder)


def test_sessions_that_start_at_once_do_not_collide(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(build_demo, [tmp_path / "demo"] * 4))
    assert made == [made[0]] * 4 and made[0].datapoints().num_rows == 3000


def test_a_read_only_installation_uses_the_cache_folder(tmp_path, monkeypatch):
    assert default_folder() == ASSETS.parents[1] / "studies" / "demo"
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert default_folder() == tmp_path / "studies" / "demo"


def test_a_folder_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExplorerError, match="can't be written there"):
        build_demo(tmp_path / "file" / "demo")
