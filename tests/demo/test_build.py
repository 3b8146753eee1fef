"""Where the demo study is laid out, and when it is laid out again."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from explorer.behaviors import prompt_vectors, prompts
from explorer.behaviors.agreement import label_agreement
from explorer.behaviors.clusters import cluster
from explorer.behaviors.prompts import PromptKind
from explorer.behaviors.significance import DRAWS, RESAMPLES, evidence_path
from explorer.data.study import DATAPOINTS, FAILURES, SETTINGS, Study, create_study
from explorer.demo.adapters import ADAPTERS, ASSETS
from explorer.demo.build import NAME, STAMP, build_demo, default_folder
from explorer.errors import ExplorerError
from explorer.repair.plan import read_plan, repair_folders
from explorer.vectors import fingerprint
from explorer.vectors.find import study_indexes


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """Shipped assets that a test may change."""
    return shutil.copytree(ASSETS, tmp_path / "assets")


def test_the_demo_study_is_laid_out(tmp_path):
    study = build_demo(tmp_path / "demo")
    assert study.spec.adapter and study.spec.adapter.endswith(ADAPTERS[-1])
    assert study.datapoints().num_rows == 3000 and len(study.behaviors()) >= 240 and study.failures()
    assert {f.kind for f in study.failures().values()} == {"planted", "own"}
    assert build_demo(tmp_path / "demo") == study
    assert sum(f.stat().st_size for f in (ASSETS / "adapters").rglob("*") if f.is_file()) < 25e6
    assert [index.manifest.checkpoint for index in study_indexes(study)] == ["base"]
    assert not [f for f in ASSETS.rglob("*") if f.suffix in (".bin", ".pt", ".pkl")]


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


def test_the_shipped_repair_with_the_most_trainings_comes_first(tmp_path):
    trainings = [len(read_plan(folder).arms) for folder in repair_folders(build_demo(tmp_path / "demo"))]
    assert trainings[0] == max(trainings) > trainings[-1]


def test_one_without_a_stamp_or_cut_short_is_laid_out_again(tmp_path):
    folder = build_demo(tmp_path / "demo").folder
    (folder / STAMP).unlink()
    (folder / DATAPOINTS).unlink()
    assert build_demo(folder).datapoints().num_rows == 3000
    (folder / SETTINGS).unlink()
    assert build_demo(folder).name == NAME


def test_another_study_is_left_alone(tmp_path):
    data = [{"id": "a", "prompt": "p", "response": "r"}]
    folder = create_study(tmp_path / "mine", name="Mine", model="smollm2", datapoints=data).folder
    with pytest.raises(ExplorerError, match=r"another study \(Mine\)"):
        build_demo(folder)


def test_sessions_that_start_at_once_do_not_collide(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        studies = list(pool.map(build_demo, [tmp_path / "demo"] * 4))
    assert studies == [studies[0]] * 4 and studies[0].datapoints().num_rows == 3000


def test_a_read_only_installation_uses_the_cache_folder(tmp_path, monkeypatch):
    assert default_folder() == ASSETS.parents[1] / "studies" / "demo"
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert default_folder() == tmp_path / "studies" / "demo"


def test_a_folder_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExplorerError, match="file/demo can't be written"):
        build_demo(tmp_path / "file" / "demo")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return build_demo(tmp_path_factory.mktemp("laid-out") / "demo")


@pytest.mark.parametrize(
    ("kind", "committed"), (("all", "clusters"), ("discovery", "clusters-discovery"), ("behaviors", ""))
)
def test_the_shipped_study_shows_its_clusters_without_a_model(
    demo: Study, kind: PromptKind, committed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers, vectors and figures are shipped, and give what is committed: every planted behavior stands on its own.

    Figures of a tree that comes out otherwise on this machine would be made here, without a model too.
    """
    for module in (fingerprint, prompt_vectors, prompts):
        monkeypatch.setattr(module, "load_model", lambda *_: pytest.fail("a model was loaded"))
    clusters = cluster(demo, prompts=kind)
    evidence = evidence_path(clusters.index, clusters.matrix, clusters.tree, 0, DRAWS, RESAMPLES)
    assert (ASSETS / evidence.relative_to(demo.folder)).is_file(), "ship the figures of 'explorer cluster' again"
    agreed = label_agreement(clusters.cut(), demo.datapoints()["label"].to_pylist())
    assert len(agreed.matches) == 4 and agreed.rand >= 0.8
    assert all(m.exclusive and m.cluster and m.cluster.emergent for m in agreed.matches)
    if committed:
        kept = json.loads((ASSETS / f"{committed}.json").read_text(encoding="utf-8"))["agreement"]
        assert agreed.rand == pytest.approx(kept["adjusted_rand"], abs=0.01)
        for match, row in zip(agreed.matches, kept["labels"], strict=True):
            assert (match.label, match.total) == (row["label"], row["datapoints"])
            assert match.recall == pytest.approx(row["recall"], abs=0.02)
            assert match.precision == pytest.approx(row["precision"], abs=0.02)
