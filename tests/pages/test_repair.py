"""The Repair page through Streamlit's AppTest: a tiny study, mostly with results written by hand; one real tiny job."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from streamlit.testing.v1 import AppTest

from explorer.data.basket import read_basket
from explorer.data.study import Study
from explorer.figures.save import FORMATS
from explorer.files import write_json, write_json_lines
from explorer.jobs import log_tail
from explorer.ranking.questions import AboutBehavior
from explorer.ranking.rank import rank
from explorer.repair.choose import plan_repair
from explorer.repair.job import status
from explorer.repair.plan import PRESETS, Plan, repair_folders, save_plan
from explorer.repair.results import Result, read_result, row, verdict
from explorer.ui.text import duration
from tests.pages.app import open_app, open_study_page, shown
from tests.pages.app import texts as sentences
from tests.pages.data_study import HOSTILE, LIVE, data_study
from tests.repair.conftest import started, tiny  # noqa: F401  (fixtures)
from tests.repair.conftest import study as tiny_study  # noqa: F401

PAGE = "../../pages/repair.py"
open_page = partial(open_study_page, "repair")
RATES = {"none": 3, "top": 0, "random": 3, "bottom": 4}


@pytest.fixture
def study(tiny_study: Study) -> Study:  # noqa: F811
    """The tiny study with a failure of its own, so that its own model is on screen."""
    case = {"id": "f", "kind": "planted", "prompt": "Say owl.", "wrong": "owl", "right": "no"}
    write_json_lines(tiny_study.folder / "failures.jsonl", [case])
    return tiny_study


def plan_of(
    study: Study, ks: list[int], edit: str = "drop", train: str = "sft", chosen: Sequence[str] = (), **preset: Any
) -> Plan:
    size = replace(PRESETS["full"], **{"seeds": 1} | preset)
    return plan_repair(study, "vowels", edit, ks, preset=size, train=train, chosen=chosen, method="bm25")


def write_result(study: Study, plan: Plan, done: int | None = None, sentence: str = "") -> Path:
    """A result as a job writes it, with rates that are made up; ``done``: of so many arms."""
    folder = save_plan(study, plan)
    rows = []
    for arm in plan.arms[:done]:
        counts = {"behavior": (RATES[arm.arm] * 10, 40), "control": (1, 10), "guard": (9, 10)}
        rows.append(row(arm.arm, arm.k, arm.seed, counts, "00"))
    prompts = [b.prompt for b in study.behaviors() if b.half == "evaluation"]
    result = Result(
        rows,
        behavior=plan.behavior,
        edit=plan.edit,
        stage=plan.stage,
        k=4,
        ranking=plan.ranking,
        share=plan.share,
        rows=plan.rows,
        of=len(plan.arms),
        verdict=sentence or verdict(rows, plan.by_hand),
        examples=[{"prompt": p, "answers": {"none-0": "owl", "top-4": "hm.", "random-4": HOSTILE}} for p in prompts],
    )
    write_json(folder / "result.json", result.to_json())
    return folder


def texts(app: AppTest) -> list[str]:
    infos = [n.value for n in app.info]
    return [text.replace("\\", "") for text in (*sentences(app), *infos)]


def table(app: AppTest, column: str):
    return next(t.value for t in app.dataframe if column in t.value.columns)


def test_without_a_repair_the_set_up_is_open(study):
    app = open_page(study)
    assert not any(box.key == "repair-repair" for box in app.selectbox)
    assert any("vectors of this study are not built" in text for text in texts(app))
    assert app.selectbox(key="repair-behavior").options == ["vowels"]  # the other has no held-out prompt
    app.text_input(key="repair-top").set_value("3, 6").run()
    app.selectbox(key="repair-train").set_value("sft").run()
    assert app.selectbox(key="repair-edit").options == ["Drop", "Replace"]
    scores = rank(study, AboutBehavior("vowels"), method="bm25").scores
    small = plan_of(study, [3, 6], share=0.3, arms=("none", "top", "random"))
    ids = study.datapoints()["id"].to_pylist()
    best = sorted(small.arms[2].ids, key=lambda name: -scores[ids.index(name)])
    assert table(app, "prompt")["id"].tolist() == best
    assert any("5 trainings of stage 'sft' on 7 rows (drop)" in text for text in texts(app))
    assert any("4 held-out prompts, 2 controls, 2 ordinary tasks" in text for text in texts(app))
    app.selectbox(key="repair-size").set_value("full").run()
    app.selectbox(key="repair-edit").set_value("replace").run()
    assert any("17 trainings of stage 'sft' on 24 rows (replace)" in text for text in texts(app))
    line = (
        f"python -m explorer repair {study.folder} --behavior vowels --edit replace --top 3,6 --method bm25 --train sft"
    )
    assert app.code[0].value == line
    link = {name: value for name, value in dict(app.query_params).items() if name != "study"}
    again = open_page(study, **{name: "".join(value) for name, value in link.items()})
    assert again.code[0].value == line
    app.selectbox(key="repair-train").set_value("dpo").run()
    assert app.selectbox(key="repair-edit").options == ["Drop", "Swap"]
    assert not app.exception and not app.error


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"top": "500"}, "k is 500"),
        ({"top": "0"}, "Nothing to edit: k is 0"),
        ({"top": "x"}, "k is 'x'; expected whole numbers"),
        ({"behavior": "nothing"}, "no held-out prompt"),
        ({"by": "basket"}, "The basket is empty"),
    ],
)
def test_bad_input_is_one_sentence(study, query, said):
    app = open_page(study, size="full", train="sft", **query)
    assert len(app.error) == 1 and said in texts(app)[-1]
    assert app.selectbox(key="repair-behavior") and not any(b.key == "start" for b in app.button)


def test_the_basket(study):
    app = open_page(study)
    ids = [r["id"] for r in study.datapoints().to_pylist() if r["stage"] == "dpo"][:3]
    app.session_state["baskets"] = {str(study.folder): dict.fromkeys(ids)}
    app.selectbox(key="repair-by").set_value("basket").run()
    app.selectbox(key="repair-size").set_value("full").run()
    assert table(app, "chosen")["id"].tolist() == ids
    assert any("9 trainings of stage 'dpo'" in text for text in texts(app))
    assert app.selectbox(key="repair-edit").options == ["Drop", "Swap"]


def test_a_result_says_its_verdict_first(study):
    folder = write_result(study, plan_of(study, [2, 4], seeds=2))
    app = open_page(study, **{"side-by-side": "1", "what": "true"})
    first = next(text for text in texts(app) if text.startswith("###"))
    assert "The ranking found causes" in first and "−100 %" in first and "Ordinary tasks are kept" in first
    arms = table(app, "shows it")
    assert arms["arm"].tolist() == ["Unedited", "Top 2", "Top 4", "2 at random", "4 at random", "Last 2", "Last 4"]
    assert arms["shows it"].tolist() == ["75%", "0%", "0%", "75%", "75%", "100%", "100%"]
    assert arms["seeds"].tolist() == ["2: 75–75 %", *["2: 0–0 %"] * 2, *["2: 75–75 %"] * 2, "1", "1"]
    assert arms["elsewhere"].unique() == ["10%"] and arms["tasks"].unique() == ["90%"]
    charts = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    drawn = [trace for trace in charts[0]["data"] if "error_x" in trace]
    assert [trace["x"][0] for trace in drawn] == [0.75, 0.0, 0.75, 1.0]  # of k = 4
    assert len([trace for trace in charts[0]["data"] if len(trace["x"]) == 2]) == 3  # seeds of all but the bottom
    dose = {trace["name"]: trace["customdata"] for trace in charts[1]["data"]}
    assert dose["top k"] == [0, 2, 4]
    answers = table(app, "Unedited")
    assert set(answers["Unedited"]) == {"● owl"} and set(answers["Top 4"]) == {"hm."}
    assert len(table(app, "response")) == 4  # what was edited
    assert not any(LIVE.search(text) for text in [m.value for m in app.markdown])
    assert any("not on this machine" in text for text in texts(app))  # the models
    assert any("95 % Wilson" in text and "MOVER-R" in text for text in texts(app))
    assert app.selectbox(key="repair-repair").value == folder.name
    app.button(key="again").click().run()
    assert app.text_input(key="repair-top").value == "2,4" and app.selectbox(key="repair-train").value == "sft"


def test_one_training_an_arm_is_no_proof(study):
    write_result(study, plan_of(study, [4]))
    first = next(text for text in texts(open_page(study)) if text.startswith("###"))
    assert first.startswith("### :material/help: The ranking found causes, on one training an arm, which can't tell")
    assert "run 3 seeds" in first.split("\n")[0]


def test_several_repairs_the_latest_first(study):
    plans = [plan_of(study, [3]), plan_of(study, [4], chosen=["sft-0001"], edit="replace")]
    folders = [write_result(study, plan) for plan in plans]
    (study.folder / "repairs/broken").mkdir()
    (study.folder / "repairs/broken/plan.json").write_text("{")
    for age, folder in enumerate([*folders, study.folder / "repairs/broken"]):
        path = folder / "plan.json"
        os.utime(path, (1e9 + age, 1e9 + age))
    app = open_page(study)
    assert app.selectbox(key="repair-repair").options[0] == "broken (broken)"
    assert len(app.error) == 1 and "plan.json, line 1: not JSON" in texts(app)[-1]
    app.selectbox(key="repair-repair").set_value(folders[1].name).run()
    assert not app.error and "".join(app.query_params["repair"]) == folders[1].name
    assert any("chosen datapoints are causes" in text for text in texts(app))
    (folders[0] / "result.json").write_text('{"arms": [{"x": 1}]}')
    app.selectbox(key="repair-repair").set_value(folders[0].name).run()
    assert len(app.error) == 1 and "the result of a repair" in texts(app)[-1]


def test_a_job_at_work_is_watched_and_stopped(study, monkeypatch):
    plan = plan_of(study, [4])
    folder = write_result(study, plan, done=1)
    (study.folder / "repairs/runs/11").mkdir(parents=True)
    lines = "".join(json.dumps({"step": s, "loss": 2 - s / 10, "seconds": s}) + "\n" for s in (5, 10))
    (study.folder / "repairs/runs/11/loss.jsonl").write_text(lines)
    (folder / "log.txt").write_text(f"going on\n{HOSTILE}\n")
    now = {"state": "running", "done": 1, "of": 4, "run": "11", "began": time.time() - 30, "pace": 60.0,
           "arm": {"arm": "top", "k": 4, "seed": 0}, "what": "training", "step": 3, "steps": 6}  # fmt: skip
    write_json(folder / "progress.json", now)
    with FileLock(folder / ".lock"):
        app = open_page(study, log="true")
        bar = app.get("progress")[0].proto
        assert bar.text.startswith("Training 2 of 4: top 4, seed 0 · step 3 of 6 · about 2 min left")
        assert bar.value == int(100 * (1 + 0.85 / 2) / 4)
        assert any("Not shown yet" in text for text in texts(app))
        charts = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
        assert any(trace.get("y") == [1.5, 1.0] for trace in charts[-1]["data"])
        assert HOSTILE in app.code[-1].value
        app.button(key="cancel").click().run()
        assert (folder / "stop").exists() and app.button(key="cancel").disabled
        write_json(folder / "progress.json", {"state": "queued", "of": 4})
        (folder / "stop").unlink()
        app.run()
        assert "Queued: another repair is training" in app.get("progress")[0].proto.text
    app.run()  # no process holds it: it was begun a moment ago
    assert "Starting" in app.get("progress")[0].proto.text
    os.utime(folder / "progress.json", (1e9, 1e9))
    begun = []
    monkeypatch.setattr("explorer.ui.repair.job.start", lambda _study, where: begun.append(where))
    app.run()
    assert any("Stopped." in text and "1 of 4 trainings are done" in text for text in texts(app))
    app.button(key="resume").click().run()
    assert begun == [folder]
    write_json(folder / "progress.json", {"state": "failed", "error": f"No space left {HOSTILE}"})
    app.run()
    assert any("It failed: No space left" in text for text in texts(app))
    assert not any(LIVE.search(error.value) for error in app.error)


def test_a_study_that_can_not_be_repeated_exports(study):
    (study.folder / "training.json").unlink()
    app = open_page(study, top="5", edit="swap")
    assert any("can't be repeated" in text for text in texts(app)) and not app.error
    assert app.selectbox(key="repair-behavior").options == ["vowels", "nothing"]
    assert len(table(app, "prompt")) == 5
    assert [b.proto.label for b in app.get("download_button")] == ["Edited data and a script"]
    assert not any(b.key == "start" for b in app.button)
    app.text_input(key="repair-top").set_value("500").run()
    assert [e.value for e in app.error] and "k is 500" in app.error[0].value


def test_corrections_are_made_before_the_export_or_said_to_be_missing(study):
    app = open_page(study, top="3", edit="replace", train="sft", size="full")
    labels = lambda: [b.proto.label for b in app.get("download_button")]  # noqa: E731
    assert not labels() and app.button(key="make-corrections").label == "Make 3 corrected answers to export"
    app.button(key="make-corrections").click().run()
    assert labels() == ["Edited data and a script"] and not app.exception
    (study.folder / "training.json").unlink()
    table = study.datapoints()
    corrected = pa.array(["Yes." if i % 2 else None for i in range(len(table))])
    pq.write_table(table.append_column("corrected", corrected), study.folder / "datapoints.parquet")
    app = open_page(study, top="48", edit="replace")
    assert any("24 datapoints without a corrected answer will be left out" in text for text in texts(app))


@pytest.mark.slow
def test_from_the_form_to_the_verdict(study, tmp_path, monkeypatch):
    """A real job of three tiny trainings, begun on the page; its model is opened in Trace."""
    app = open_page(study, top="4", train="sft")
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))  # a queue and a pace of its own
    app.button(key="estimate").click().run()
    deadline = time.time() + 120
    while not any("About **" in text for text in texts(app)) and time.time() < deadline:
        time.sleep(0.2)  # measured behind the page
        app.run()
    assert app.button(key="estimate").label == "Measure again"
    again = open_page(study, top="4", train="sft")  # at once
    assert any("About **" in text for text in texts(again))
    app.button(key="start").click().run()
    assert not app.exception and not app.error
    (folder,) = repair_folders(study)
    assert "Starting" in app.get("progress")[0].proto.text
    assert "".join(app.query_params["repair"]) == folder.name
    deadline = time.time() + 120
    while status(folder).state != "done" and time.time() < deadline:
        time.sleep(0.2)
    assert status(folder).state == "done", log_tail(folder)
    monkeypatch.undo()
    app.run()
    result = read_result(folder)
    assert result is not None
    head, _, _ = result.verdict.partition(": ")
    assert any(text.startswith("###") and head in text for text in texts(app))
    labels = [b.proto.label for b in app.get("download_button")]
    assert labels[0] == "Adapter (zip)" and {"Result (JSON)", *map(str.upper, FORMATS)} <= set(labels)
    runs = {r.arm: r.run for r in result.arms}
    app.button(key="open-in-compare").click().run()
    assert not app.exception
    assert app.query_params["models"] == f"{runs['none']},{runs['top']}"
    assert [row[0].partition(" (")[0] for row in shown(app, "compare-gaps")["groups"][0]["rows"]] == [
        "unedited, seed 0", "top 4, seed 0"
    ]  # fmt: skip
    app.switch_page(PAGE).run()
    app.button(key="open-in-trace").click().run()
    assert not app.exception
    assert f"{runs['top']}/adapter" in str(app.query_params["adapter"])


def test_the_training_data_page_leads_here(tmp_path):
    made = data_study(tmp_path, built=False)
    app = open_app(study=str(made.folder), behavior="swapped", method="random")
    app.switch_page("../../pages/training_data.py").run()
    assert not app.exception
    links = [link.proto.query_string for link in app.get("page_link")]
    assert links == ["repair=new&behavior=swapped&method=random"]


def test_times_in_words():
    assert [duration(s) for s in (0.2, 40, 100, 3000, 8000)] == ["1 s", "40 s", "2 min", "50 min", "2 h 13 min"]


def test_rebasket(study):
    folder = write_result(study, plan_of(study, [1], chosen=["sft-0001", "sft-0002"]))
    app = open_page(study, what="true")
    app.button(key="rebasket").click().run()
    assert read_basket(study.folder) == ["sft-0001", "sft-0002"]
    assert app.selectbox(key="repair-repair").value == folder.name
