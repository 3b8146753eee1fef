"""Which study, failure and model are on screen: the demo study at first, any other by link or by folder."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from explorer.data.failures import read_failures
from explorer.data.study import FAILURES, create_study
from explorer.demo.build import ASSETS
from explorer.model.load import LoadedModel
from explorer.ui import sidebar
from tests.model.hub import FakeHub
from tests.pages.app import choose_failure, offered, open_app, shown
from tests.vectors.tiny import save_adapter, save_tiny

PLANTED = {name: case for name, case in read_failures(ASSETS / "failures.jsonl").items() if case.kind == "planted"}
DATA = [{"id": "a", "prompt": "p", "response": "r"}]
FAILURE = {"id": "f", "prompt": "What is the capital of Turkey?", "wrong": "Istanbul", "right": "Ankara"}


@pytest.fixture
def demo(smollm: LoadedModel) -> AppTest:
    """The first screen."""
    return open_app().run()


@pytest.fixture
def folder(smollm: LoadedModel, tmp_path: Path) -> Path:
    """A study of one's own, of the bare embedded model."""
    return create_study(tmp_path / "mine", name="Mine", model="smollm2", datapoints=DATA, failures=[FAILURE]).folder


def adapter(app: AppTest) -> str:
    return Path(next(t for t in app.text_input if t.label == "PEFT adapter").value or "").name


def sentences(app: AppTest) -> list[str]:
    assert not app.exception
    return [error.value.replace("\\", "") for error in app.error]


def load(app: AppTest, field: str, value: str) -> AppTest:
    next(t for t in app.text_input if t.label == field).set_value(value).run()
    return next(b for b in app.button if b.label == "Load").click().run()


@pytest.mark.slow
def test_the_first_screen_explains_itself_and_planted_failures_come_next(demo):
    assert not demo.exception
    assert shown(demo, "case-bar")["prompt"].startswith("Lena has a dog")
    assert shown(demo, "case-bar")["gap"].startswith("Δℓ = +")
    said = "".join(text for text, _ in shown(demo, "trace-story")["parts"])
    assert said.startswith("Bella, which the wrong answer repeats, pushes hardest towards it")
    assert demo.sidebar.caption[0].value == "3,000 training examples · 4 behaviors"
    assert demo.sidebar.caption[1].value.replace("\\", "") == "Adapters: sft-half → sft → dpo-half → dpo"
    assert not dict(demo.query_params)
    demo.button(key="trace-next").click().run()
    assert demo.query_params["case"] in PLANTED
    assert adapter(demo) == "dpo"
    assert "Portugal" in shown(demo, "case-bar")["wrong"]
    said = "".join(text for text, _ in shown(demo, "trace-story")["parts"])
    assert said.startswith("The prompt alone does not explain Portugal") and said.endswith("is the training data.")


def test_the_picker_lists_every_failure_with_its_answers_and_its_model(demo):
    entries = offered(demo)
    assert next(iter(entries)) == "wrong-dog" == shown(demo, "failure-picker")["current"]
    assert list(entries)[1] in PLANTED
    dog, planted = entries["wrong-dog"], entries["demo-italy-to-portugal-036"]
    assert (dog["wrong"], dog["right"]) == ("Bella", "Rocky")
    assert dog["model"] == "SmolLM2-135M-Instruct" and planted["model"] == "SmolLM2-135M-Instruct + dpo"
    assert planted["group"] == "Planted in training"
    assert planted["title"] == PLANTED["demo-italy-to-portugal-036"].prompt


def test_what_the_picker_lists_is_computed_once_until_the_study_changes(folder, monkeypatch):
    listed: list[str] = []
    entry = sidebar._entry
    monkeypatch.setattr(sidebar, "_entry", lambda name, case: [listed.append(name), entry(name, case)][1])
    app = open_app(study=str(folder)).run()
    assert "f" in listed and len(listed) == len(offered(app))
    app.run()
    assert len(listed) == len(offered(app))
    (folder / FAILURES).write_text(json.dumps(FAILURE | {"wrong": "Izmir"}))
    assert offered(app.run())["f"]["wrong"] == "Izmir"


def test_a_failure_brings_the_model_that_it_is_a_failure_of(demo, monkeypatch):
    choose_failure(demo, next(iter(PLANTED)))
    monkeypatch.setattr("explorer.model.load._load", None)  # both models are kept: loading one again would now fail
    choose_failure(demo, "wrong-dog")
    assert adapter(demo) == ""
    for name in list(PLANTED)[::8]:
        choose_failure(demo, name)
        assert shown(demo, "case-bar")["gap"].startswith("Δℓ = +")
        assert adapter(demo) == "dpo"
    assert set(demo.query_params) == {"case"}
    assert adapter(open_app(case="wrong-dog").run()) == ""
    assert adapter(open_app(case=list(PLANTED)[-1]).run()) == "dpo"
    assert adapter(open_app(q="What is the capital of France?", wrong="The", right="Paris").run()) == ""


def test_checkpoints_of_every_kind_are_on_the_page_and_compared(tmp_path, monkeypatch):
    hub = FakeHub(tmp_path / "hub", monkeypatch)
    hub.put("org/sft", save_tiny(tmp_path / "sft", seed=1), "step-2")
    hub.put("org/other", save_tiny(tmp_path / "other", seed=2), "v1")
    case = FAILURE | {"prompt": "the capital of Canada is?", "wrong": "Seoul", "right": "Ottawa"}
    checkpoints = ["org/sft@step-2", str(save_adapter(tmp_path / "tuned"))]
    made = create_study(
        tmp_path / "mine",
        name="Mine",
        model=str(save_tiny(tmp_path / "base")),
        datapoints=DATA,
        failures=[case],
        checkpoints=checkpoints,
    )
    app = open_app(study=str(made.folder), case="f", model="org/other@v1").run()
    app.button(key="ask-open").click().run()  # the study names a model on the hub
    assert not app.exception and not app.error
    assert app.sidebar.caption[1].value.replace("\\", "") == "sft@step-2 (full model) → tuned (adapter)"
    assert next(t for t in app.text_input if t.label == "Model").value == "org/other@v1"
    app.switch_page("../../pages/compare.py").run()
    assert not app.exception and not app.error
    rows = [name for name, *_ in shown(app, "compare-gaps")["groups"][0]["rows"]]
    assert rows == ["base", "sft@step-2", "tuned", "other@v1"]
    gaps = [low + high for _, low, high, *_ in shown(app, "compare-gaps")["groups"][0]["rows"]]
    assert len(set(gaps)) == 4
    load(app, "Model", "org/other@gone")
    assert "'org/other@gone' was not found" in sentences(app)[0]
    load(app, "Model", "org/sft@step-2")
    assert app.query_params["model"] == "org/sft@step-2"


@pytest.mark.slow
def test_a_model_of_ones_own_stays_until_a_failure_is_chosen(demo):
    choose_failure(demo, next(iter(PLANTED)))
    load(demo, "PEFT adapter", "")
    assert adapter(demo) == ""
    assert any("explained here with another model" in caption.value for caption in demo.caption)
    demo.query_params.clear()  # as Streamlit does when a page is changed
    demo.switch_page("../../pages/graph.py").run()
    assert adapter(demo) == ""
    demo.button(key="graph-next").click().run()
    assert adapter(demo) == "dpo"
    assert "model" not in demo.query_params


def test_an_own_prompt_stays_with_the_studys_model_and_so_does_its_link(demo):
    choose_failure(demo, next(iter(PLANTED)))
    demo.button(key="trace-new").click().run()
    demo.text_area(key="trace-prompt").set_value("Which country has Siena?").run()
    demo.text_input(key="trace-wrong").set_value("Portugal").run()
    demo.text_input(key="trace-right").set_value("Italy").run()
    next(b for b in demo.button if b.label == "Explain").click().run()
    assert adapter(demo) == "dpo"
    linked = open_app(**demo.query_params).run()
    assert adapter(linked) == "dpo"
    assert shown(linked, "case-bar") == shown(demo, "case-bar")


def test_a_study_by_link_travels_and_leads_back(folder):
    app = open_app(study=str(folder)).run()
    assert shown(app, "case-bar")["prompt"] == FAILURE["prompt"]
    assert app.sidebar.caption[0].value == "1 training example · 0 behaviors"
    app.query_params.clear()  # as Streamlit does when a page is changed
    app.switch_page("../../pages/graph.py").run()
    assert app.query_params["study"] == str(folder)
    assert shown(app, "case-bar")["prompt"] == FAILURE["prompt"]
    demo = app.selectbox(key="study").options.index("Demo: planted failures")
    app.selectbox(key="study").select_index(demo).run()
    assert "study" not in app.query_params
    assert shown(app, "case-bar")["prompt"].startswith("Lena has a dog")


def broken_study(folder: Path) -> str:
    return str(folder / "nowhere")


def broken_failures(folder: Path) -> str:
    (folder / FAILURES).write_text(json.dumps(FAILURE | {"title": ["x"]}))
    return str(folder)


def broken_data(folder: Path) -> str:
    (folder / "datapoints.parquet").write_text("no parquet")
    return str(folder)


def missing_adapter(folder: Path) -> str:
    with (folder / "study.toml").open("a") as settings:
        settings.write('reference = "adapters/gone"\n')
    text = (folder / "study.toml").read_text().replace("checkpoints = []", 'checkpoints = ["adapter:adapters/gone"]')
    (folder / "study.toml").write_text(text)
    return str(folder)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (broken_study, "nowhere: no study.toml; expected a study folder."),
        (broken_failures, "failures.jsonl, line 1: field 'title' is [\"x\"]; expected text."),
        (broken_data, "datapoints.parquet: not readable as Parquet"),
        (missing_adapter, "adapters/gone: no such adapter folder."),
        (lambda folder: "\0", "'x00': holds control characters; expected a path or a hub id."),
        (lambda folder: "/" + "x" * 5000, "5,001 characters; a path or hub id has at most 4,096."),
        (lambda folder: "/" + "x" * 300, "a name in it is longer than 255 bytes, which no folder has."),
        (lambda folder: "~nobody-here", "'~nobody-here': there is no such user"),
    ],
)
def test_a_study_that_can_not_be_used_says_a_sentence_and_leads_back(folder, broken, complaint):
    app = open_app(study=broken(folder)).run()
    said = sentences(app)
    assert len(said) == 1 and complaint in said[0] and "\n" not in said[0]
    app.button(key="back").click().run()
    assert not sentences(app)
    assert shown(app, "case-bar")["prompt"].startswith("Lena has a dog")


def test_a_folder_is_opened_and_a_wrong_one_loses_nothing(demo, folder, tmp_path):
    before = shown(demo, "case-bar")
    last = len(demo.selectbox(key="study").options) - 1
    demo.selectbox(key="study").select_index(last).run()
    demo.text_input(key="study-path").set_value(str(tmp_path)).run()
    assert sentences(demo) == [f"{tmp_path}: no study.toml; expected a study folder."]
    assert shown(demo, "case-bar") == before
    demo.text_input(key="study-path").set_value(str(folder)).run()
    assert not sentences(demo)
    assert shown(demo, "case-bar")["prompt"] == FAILURE["prompt"]
    assert "Mine" in demo.selectbox(key="study").options


def test_a_hostile_study_is_shown_as_text(smollm, tmp_path):
    hostile = '<img src=x onerror="alert(1)"> ![x](http://example.com/x.png) **b** $x$'
    failure = FAILURE | {"title": hostile, "kind": hostile}
    made = create_study(tmp_path / "![x](y)", name=hostile, model="smollm2", datapoints=DATA, failures=[failure])
    app = open_app(study=str(made.folder)).run()
    assert not app.exception
    assert hostile in app.selectbox(key="study").options
    assert offered(app)["f"]["title"] == hostile == offered(app)["f"]["group"]
    everything = [*app.markdown, *app.caption, *app.header, *app.subheader, *app.error]
    assert not any("<img" in node.value or "![x]" in node.value for node in everything)


def test_failures_with_the_same_title_are_told_apart(smollm, tmp_path):
    twins = [FAILURE | {"id": name, "title": "Twin"} for name in ("one", "two")]
    made = create_study(tmp_path / "s", name="S", model="smollm2", datapoints=DATA, failures=twins)
    app = open_app(study=str(made.folder)).run()
    assert [offered(app)[name]["title"] for name in ("one", "two")] == ["Twin (one)", "Twin (two)"]
