"""The Behaviors page where answers, vectors or prompts are missing, broken or too few."""

from __future__ import annotations

import shutil
from pathlib import Path

from explorer.data.study import Study, open_study
from explorer.files import write_json_lines
from explorer.vectors.build import build_index
from tests.pages.app import shown
from tests.pages.behaviors.opening import open_page, said
from tests.pages.data_study import BEHAVIORS, data_rows
from tests.vectors.tiny import save_tiny, tiny_study


def test_answers_still_to_be_made_wait_for_a_button(study: Study, tmp_path: Path):
    shutil.copytree(study.folder, tmp_path / "s")
    kept = tmp_path / "s" / "answers" / "base.jsonl"
    kept.unlink()
    made = open_study(tmp_path / "s")
    app = open_page(made)
    assert "6 by base are still to be made" in said(app)
    assert not any("similarity" in node.proto.id for node in app.get("bidi_component"))
    app.button(key="known-alone").click().run()
    assert app.query_params["prompts"] == "behaviors" and shown(app, "similarity")
    app = open_page(made)
    app.button(key="discover").click().run()
    assert not app.exception and not app.error
    assert len([line for line in kept.read_text().split("\n") if line]) == 6
    assert shown(app, "similarity")["total"] == shown(open_page(study), "similarity")["total"]


def test_what_is_missing_is_said(tmp_path: Path):
    made = tiny_study(tmp_path / "s", save_tiny(tmp_path / "model"), data_rows())
    app = open_page(made)
    assert app.code[0].value.startswith("python -m explorer build")
    build_index(made, "base", layers=[1])
    app = open_page(made)
    assert "nothing to cluster. Put prompts into discovery.jsonl" in said(app)
    write_json_lines(made.folder / "behaviors.jsonl", BEHAVIORS[:1])
    app = open_page(made)
    assert not app.error and "One prompt is one cluster." in said(app)
    assert shown(app, "cluster-list")["cards"][0]["chip"] == "too few prompts to test"
    write_json_lines(made.folder / "discovery.jsonl", [{"id": "x", "prompt": "one?"}])
    app = open_page(made)
    assert not app.error and app.selectbox(key="behaviors-prompts").options == ["Known behaviors"]
    (made.folder / "behaviors.jsonl").unlink()
    assert "is the model under study itself; nothing differs from it" in said(open_page(made))


def test_a_broken_file_of_prompts(study: Study, tmp_path: Path):
    shutil.copytree(study.folder, tmp_path / "s")
    (tmp_path / "s" / "discovery.jsonl").write_text("{")
    assert "discovery.jsonl, line 1: not JSON" in said(open_page(open_study(tmp_path / "s")))


def test_one_datapoint_and_alike_ones(tmp_path: Path):
    model = save_tiny(tmp_path / "model")
    for name, rows in (("one", data_rows()[:1]), ("alike", [row | {"prompt": "a?", "response": "b", "chosen": None,
                       "rejected": None} for row in data_rows()[:9]])):  # fmt: skip
        made = tiny_study(tmp_path / name, model, rows, behaviors=BEHAVIORS)
        build_index(made, "base", layers=[1])
        app = open_page(made)
        assert not app.error
        assert shown(app, "similarity")["total"] == [6, len(rows)]
