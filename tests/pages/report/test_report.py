"""The Report page and its button: this case in one click, views collected, ordered, commented, made into files."""

import io
import re

import pytest
from pypdf import PdfReader
from streamlit.testing.v1 import AppTest

from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.reports.blocks import Commands, Grid, Picture, Report, Text, Words
from explorer.reports.collection import Collection, View, change_collection, collection_file, read_collection
from explorer.reports.gather import report
from explorer.ui.report import gather
from tests.hostile import ALL
from tests.pages.app import open_study_page, texts
from tests.pages.data_study import LIVE, data_study
from tests.surveys.made import made_survey

BUTTON = "report-add"


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return data_study(tmp_path_factory.mktemp("report-page"))


def made_report(app: AppTest) -> Report:
    return app.session_state["report-made"][1]


def views(study: Study) -> tuple[View, ...]:
    return read_collection(study.folder).views


def collect(study: Study, *made: View, title: str = "") -> None:
    change_collection(study.folder, lambda now: Collection(title, made))


def collected_page(study: Study, **query: str) -> AppTest:
    return open_study_page("report", study, of="collected", judge="0", **query)


def make(app: AppTest) -> Report:
    app.button(key="report-make").click().run(timeout=300)
    assert not app.exception
    return made_report(app)


@pytest.mark.slow
def test_one_button_makes_the_report_of_the_case_that_the_python_call_makes(study):
    app = open_study_page("trace", study)
    app.button(key="report-case").click().run(timeout=300)
    assert not app.exception
    page, called = made_report(app), report(study, "f", judge=True)
    assert [section.title for section in page.sections] == [section.title for section in called.sections]
    assert page.missing == called.missing and page.title == called.title
    for mine, its in zip(page.sections, called.sections, strict=True):
        assert mine.case == its.case and mine.lead == its.lead
        for kind in (Commands, Words, Grid):
            of = [[block for block in section.blocks if isinstance(block, kind)] for section in (mine, its)]
            assert of[0] == of[1], kind
        verdicts = [[b for b in s.blocks if isinstance(b, Text) and b.kind == "verdict"] for s in (mine, its)]
        assert verdicts[0] == verdicts[1]
    said = " ".join(texts(app))
    assert "Left out" in said and "No measured repair" in said


def test_the_files_are_there_to_save(study):
    app = open_study_page("report", study, judge="0")
    assert not app.get("download_button")
    made = make(app)
    labels = [button.proto.label for button in app.get("download_button")]
    assert [label for label in labels if label.startswith("Save")] == ["Save HTML", "Save PDF"]
    assert len(PdfReader(io.BytesIO(made.file("pdf"))).pages) >= 2 and made.file("html").startswith(b"<!doctype html>")


@pytest.mark.parametrize("page", ("trace", "graph", "training_data", "compare", "behaviors"))
def test_every_page_adds_what_is_on_screen(study, page):
    app = open_study_page(page, study)
    app.button(key=BUTTON).click().run(timeout=300)
    assert not app.exception
    assert views(study) == (View(page, {"case": "f"}),)
    assert "This view is page 1 of the report." in "".join(texts(app)).replace("\\", "")
    app.button(key=BUTTON).click().run(timeout=300)
    assert len(views(study)) == 1
    assert "in the report already" in "".join(texts(app))


def test_the_pages_show_what_was_on_screen(study):
    rows = study.datapoints()["id"].to_pylist()
    collect(
        study,
        View("trace", {"case": "f", "rule": "cplrp", "compare": "1", "edits": "2-"}),
        View("graph", {"case": "f", "rule": "cplrp", "graph": "full"}),
        View("training_data", {"case": "f", "behavior": "swapped", "label": "swapped", "row": rows[11]}),
        View("training_data", {"case": "f", "method": "bm25"}),
        View("behaviors", {"case": "f", "clusters": "2"}),
    )
    made = make(collected_page(study))
    trace, graph, data, bm25, groups = made.sections
    assert not made.missing
    commands = [next(b for b in section.blocks if isinstance(b, Commands)).lines for section in made.sections]
    assert ["--rule cplrp" in line for line in commands[0]] == [True, False] and "--rule gradient" in commands[0][1]
    assert "--rule cplrp --layers all" in commands[1][0]
    assert "--behavior swapped" in commands[2][0] and "--method bm25" in commands[3][0]
    heads = [block.head for block in data.blocks if isinstance(block, Words)]
    assert all("label swapped" in head for head in heads[:5]) and rows[11] in heads[5] and len(heads) == 6
    assert data.case and data.case.rows[0] == ("Behavior", "swapped", "")
    assert bm25.lead.startswith("Not compared with unrelated prompts")
    assert "--clusters 2" in commands[4][0] and any(isinstance(block, Picture) for block in groups.blocks)
    assert trace.title.startswith("Which words") and graph.title.startswith("Which way")


def test_a_link_of_a_view_leads_to_it(study):
    collect(study, View("graph", {"case": "f", "rule": "cplrp"}))
    app = collected_page(study)
    app.button(key=f"report-show-{views(study)[0].key}").click().run(timeout=120)
    assert not app.exception
    assert "cplrp" in app.query_params["rule"] and any(button.label == "Undo" for button in app.button)


def test_pages_are_ordered_commented_and_removed(study):
    first, second = View("trace", {"case": "f"}), View("graph", {"case": "f"})
    collect(study, first, second)
    app = collected_page(study)
    assert app.button(key=f"report-up-{first.key}").disabled and app.button(key=f"report-down-{second.key}").disabled
    app.button(key=f"report-up-{second.key}").click().run(timeout=60)
    assert [view.page for view in views(study)] == ["graph", "trace"]
    app.text_area(key=f"report-comment-{first.key}").set_value("Look here").run(timeout=60)
    app.text_input(key="report-title").set_value("Mine").run(timeout=60)
    app.button(key=f"report-remove-{second.key}").click().run(timeout=60)
    assert read_collection(study.folder) == Collection("Mine", (View("trace", {"case": "f"}, "Look here"),))
    made = make(app)
    assert (made.title, made.sections[0].comment) == ("Mine", "Look here")
    app.text_area(key=f"report-comment-{first.key}").set_value("Other").run(timeout=60)
    assert any(button.key == "report-make" for button in app.button), "what was made is out of date"


def test_the_whole_case_is_one_of_the_pages(study):
    app = open_study_page("report", study)
    app.button(key="report-add-case").click().run(timeout=60)
    assert views(study) == (View("case", {"case": "f"}),)
    change_collection(study.folder, lambda now: now.commented(views(study)[0].key, "whole"))
    made = make(collected_page(study))
    assert len(made.sections) == 4 and [section.comment for section in made.sections] == ["whole", "", "", ""]


def test_attacks_are_texts(study):
    collect(study, View("trace", {"case": "f"}, ALL), View(ALL[:60], {"case": ALL}), title=ALL[:300])
    app = collected_page(study)
    for markup in texts(app):
        assert not LIVE.search(markup) and not re.search(r"(?<!\\)<(script|img|svg|iframe)", markup), markup
    made = make(app)
    assert b"<script" not in made.file("html") and len(made.missing) == 1


def test_what_is_gone_is_left_out_with_its_reason(study):
    gone = [
        View("trace", {"case": "gone"}),
        View("training_data", {"case": "f", "row": "gone"}),
        View("training_data", {"case": "f", "behavior": "gone"}),
        View("repair", {"case": "f", "repair": "gone"}),
        View("survey", {"case": "f", "survey": "gone"}),
        View("behaviors", {"case": "f", "cluster": "gone"}),
        View("nonsense", {"case": "f"}),
    ]
    collect(study, *gone)
    made = make(collected_page(study))
    whys = [missing.why for missing in made.missing]
    assert not made.sections and len(whys) == len(gone)
    for why, what in zip(whys, ("failure", "datapoint", "behavior", "repair", "survey", "cluster"), strict=False):
        assert f"names the {what} “gone”" in why or "has no repair" in why, why
    assert "no page 'nonsense'" in whys[-1]


def test_a_model_that_nobody_allowed_is_not_loaded(study, monkeypatch):
    loaded = []
    monkeypatch.setattr(gather, "load_model", loaded.append)
    collect(study, View("trace", {"case": "f", "model": "someone/hub-model"}))
    app = open_study_page("report", study, of="collected", judge="0")
    made = make(app)
    assert "someone/hub-model, which has not been allowed here" in made.missing[0].why
    assert not loaded


def test_a_repair_or_survey_on_screen_is_named(study):
    name = made_survey(study.folder / "surveys" / "capitals").name
    app = open_study_page("survey", study)
    app.button(key=BUTTON).click().run(timeout=120)
    assert views(study) == (View("survey", {"case": "f", "survey": name}),)
    made = make(collected_page(study))
    assert made.sections[0].title.startswith("Survey: ")
    app = open_study_page("repair", study)
    app.button(key=BUTTON).click().run(timeout=120)
    assert len(views(study)) == 1 and "nothing to add" in "".join(texts(app))


def test_a_damaged_file_is_told_and_kept(study):
    collection_file(study.folder).write_text("{")
    app = open_study_page("trace", study)
    app.button(key=BUTTON).click().run(timeout=60)
    assert "report" in "".join(texts(app)) and collection_file(study.folder).read_text() == "{"


def test_a_study_that_can_t_be_written_collects_in_the_session(study, monkeypatch):
    def refuse(*_: object) -> None:
        raise ExplorerError("read-only")

    monkeypatch.setattr("explorer.ui.report.kept.change_collection", refuse)
    app = open_study_page("trace", study)
    app.button(key=BUTTON).click().run(timeout=60)
    assert "as long as this session" in "".join(texts(app)) and not views(study)
    app.switch_page("../../pages/report.py")
    app.query_params["of"] = "collected"
    app.run(timeout=60)
    assert any("1. Trace" in text.replace("\\", "") for text in texts(app))


def test_a_prompt_too_long_for_a_link_is_not_collected(study):
    app = open_study_page("trace", study, case="own")
    said = "".join(texts(app))
    assert "too long for a link" in said
