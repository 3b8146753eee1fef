"""Long jobs in the sidebar of every page: how far they are, a way to stop them, and the way to where they are shown."""

from pathlib import Path

from filelock import FileLock

from explorer import jobs as engine
from explorer.data.study import Study
from tests.pages.app import open_study_page, texts
from tests.pages.data_study import data_study
from tests.ui.test_jobs import repair, survey


def running(study: Study) -> Path:
    """A survey of the study, running."""
    folder = survey(study.folder)
    engine.write_progress(folder, engine.RUNNING, what="Measuring", done=1, total=4, left=60.0)
    return folder


def test_a_running_job_is_shown_on_another_page_stopped_and_gone_to(smollm, tmp_path: Path):
    study = data_study(tmp_path, built=False)
    folder = running(study)
    with FileLock(folder / engine.LOCK):
        app = open_study_page("repair", study)
        assert "Jobs: 1 at work" in [box.label for box in app.sidebar.expander]
        assert any("My survey" in text for text in texts(app))
        app.button(key="job-0-stop").click().run()
        assert engine.told_to_stop(folder) and not app.exception
        app.button(key="job-0-show").click().run()
        assert not app.exception
        assert (app.query_params["survey"], app.query_params["study"]) == ("one", str(study.folder))
    app.run()
    assert "Jobs: 1 not at work" in [box.label for box in app.sidebar.expander]
    assert not any(button.key == "job-0-stop" for button in app.button)


def test_there_is_no_list_where_nothing_runs(smollm, tmp_path: Path):
    study = data_study(tmp_path, built=False)
    repair(study.folder)
    app = open_study_page("studies", study)
    assert not any(box.label.startswith("Jobs") for box in app.sidebar.expander)
