"""Whole studies: opened, renamed, copied, thrown away and sent on."""

import os
from pathlib import Path

from explorer.data.study import create_study, open_study
from explorer.data.study_zip import export_study
from explorer.serving import Serving
from explorer.ui.places import ALLOWED
from tests.pages.app import open_link, texts
from tests.pages.studies.steps import DATA, errors, fill, open_studies, press


def test_whole_studies_are_renamed_copied_thrown_away_and_taken_back(smollm, studies: Path):
    folder = create_study(studies / "one", name="One", model="smollm2", datapoints=DATA).folder
    app = open_studies(study="one", manage="one")
    fill(app, f"studies-name-{folder}", "First")
    press(app, "studies-rename")
    assert open_study(folder).name == "First" and "First" in app.selectbox(key="study").options
    press(app, "studies-duplicate")
    assert open_study(studies / "first-copy").name == "First (copy)"
    app.query_params["manage"] = "one"
    press(app.run(), "studies-trash")
    assert not folder.exists() and "study" not in app.query_params
    press(app, "studies-undo-trash")
    assert open_study(folder).name == "First"
    app.query_params["manage"] = "first-copy"
    press(app.run(), "studies-trash")
    press(press(app, "studies-gone-0"), "studies-new")
    assert not (studies / "first-copy").exists() and not list((studies / ".trash").iterdir())


def test_the_demo_is_neither_renamed_nor_thrown_away(smollm, studies: Path):
    app = open_studies(manage="demo")
    assert app.button(key="studies-rename").disabled and app.button(key="studies-trash").disabled
    assert not app.button(key="studies-duplicate").disabled


def test_a_zip_is_brought_in_and_its_models_are_asked_for(smollm, studies: Path, model: Path, tmp_path: Path):
    sent = create_study(tmp_path / "sent", name="Sent", model=str(model), datapoints=DATA).folder
    path = export_study(sent, tmp_path / "sent.zip")
    app = open_link()
    open_studies(app)
    press(app, "studies-bring")
    assert errors(app) == ["No zip was chosen; expected a file or a path."]
    fill(app, "studies-zip-path", str(path))
    press(app, "studies-bring")
    assert open_study(studies / "sent").name == "Sent"
    assert any("Open this?" in text for text in texts(app))  # its model lies elsewhere: nobody typed it here
    assert str(model) in [code.value for code in app.code]


def test_a_shared_app_opens_and_writes_nothing_outside(smollm, studies: Path, model: Path, tmp_path: Path, monkeypatch):
    outside = create_study(tmp_path / "outside", name="Outside", model="smollm2", datapoints=DATA).folder
    path = export_study(outside, tmp_path / "outside.zip")
    for name, value in Serving(share=True).environment().items():
        monkeypatch.setenv(name, value)
    app = open_studies(new="1")
    fill(app, "studies-model", str(model))
    assert "this app is shared and opens only what lies below" in errors(app)[0]
    app.query_params["step"] = "data"
    fill(app.run(), "studies-path", str(model.parent / "train.csv"))
    assert "this app is shared and opens only what lies below" in errors(app)[0]
    app = open_studies(study=str(outside), manage=str(outside))
    press(app, "studies-trash")
    assert "this app is shared and changes only what lies below" in errors(app)[0] and outside.exists()
    fill(app, "studies-zip-path", str(path))
    press(app, "studies-bring")
    assert "this app is shared and opens only what lies below" in errors(app)[0]
    inside = studies / "links"
    inside.mkdir(exist_ok=True)
    os.symlink(model.parent / "train.csv", inside / "train.csv")
    for typed in ("train.csv", "*.csv", ""):  # a link, a pattern and a folder that lead outside
        app = open_studies(new="1", step="data")
        fill(app, "studies-path", f"{inside}/{typed}")
        assert "this app is shared and opens only what lies below" in errors(app)[0], typed
    monkeypatch.setenv("EXPLORER_ALLOW", f'["{model.parent}"]')
    app = open_studies(new="1")
    fill(app, "studies-model", str(model))
    assert not errors(app)


def test_a_link_to_the_page_makes_and_changes_nothing(smollm, studies: Path):
    before = {path: path.stat().st_mtime_ns for path in studies.rglob("*") if path.is_file()}
    for query in ({"new": "1", "step": "vectors"}, {"new": "1", "step": "nonsense"}, {"manage": "../x"}):
        app = open_link(**query)
        open_studies(app)
        assert ALLOWED not in app.session_state or not app.session_state[ALLOWED]
    assert {path: path.stat().st_mtime_ns for path in studies.rglob("*") if path.is_file()} == before


def test_a_copy_opens_no_model_that_its_study_does_not(smollm, studies: Path, model: Path):
    made = create_study(studies / "foreign", name="Foreign", model=str(model), datapoints=DATA)
    app = open_link(manage="foreign")
    open_studies(app)
    press(app, "studies-duplicate")
    app.query_params["study"] = "foreign-copy"
    app.run()
    assert open_study(studies / "foreign-copy").model == made.model
    assert any("Open this?" in text for text in texts(app)) and str(model) in [code.value for code in app.code]
