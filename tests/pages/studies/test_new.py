"""A study made in four steps: a model, training data, behaviors and failures, vectors."""

import json
import os
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from explorer.data.names import MAPPED
from explorer.data.study import create_study, open_study
from explorer.ui.studies.column_map import FIELDS
from explorer.vectors.find import study_indexes
from tests.model.gguf_file import save_gguf
from tests.pages.app import shown, texts
from tests.pages.data_study import LIVE
from tests.pages.studies.steps import DATA, HOSTILE, errors, fill, open_studies, press, waited
from tests.vectors.tiny import save_adapter


@pytest.mark.slow
def test_a_study_is_made_in_four_steps_without_a_terminal(smollm, studies: Path, model: Path):
    app = press(open_studies(), "studies-new")
    assert "which comes with the program" in " ".join(texts(app))
    fill(app, "studies-model", str(model))
    assert any("LlamaForCausalLM" in text and "blocks" in text for text in texts(app))
    for number, name in enumerate(("sft", "dpo")):
        press(app, "studies-add-stage")
        fill(app, f"studies-stage-{number}", str(model.parent / name))
    assert any("dpo · **after**" in text and "LORA adapter" in text for text in texts(app))
    assert any("sft · **before**" in text for text in texts(app))
    app.selectbox(key="studies-before").set_value(-1).run()
    assert any("base · **before**" in text for text in texts(app))
    press(app, "studies-next")
    assert app.button(key="studies-next").disabled
    fill(app, "studies-path", str(model.parent / "train.csv"))
    assert any("40 training examples" in text for text in texts(app))
    assert any("prompt from 'instruction', answer from 'output'" in text.replace("\\", "") for text in texts(app))
    assert list(app.dataframe[0].value["prompt"])[:1] == ["the capital number 0?"]
    press(app, "studies-back")
    assert app.text_input(key="studies-model").value == str(model)  # nothing is lost on the way back
    press(press(app, "studies-next"), "studies-next")
    fill(app, "studies-behavior", "capitals")
    for key, value in (("prompt", "the capital of Canada is?"), ("wrong", "Seoul"), ("right", "Ottawa")):
        fill(app, f"studies-{key}", value)
    press(app, "studies-add")
    assert app.text_area(key="studies-prompt").value == ""
    fill(app, "studies-pasted", "the river? | Han | Ottawa\nthe city? | Seoul")
    press(app, "studies-paste")
    assert any("3 prompts of 1 behavior, 2 failures" in text for text in texts(app))
    assert app.button(key="studies-create").disabled
    fill(app, "studies-name", "My capitals")
    press(app, "studies-create")
    made = open_study(studies / "my-capitals")
    assert (made.name, made.model, [s.adapter for s in made.trained]) == (
        "My capitals",
        str(model),
        [str(model.parent / "sft"), str(model.parent / "dpo")],
    )
    assert made.reference_spec.adapter is None and made.datapoints().num_rows == 40
    first = made.behaviors()[0]
    assert (first.name, first.bad, first.good) == ("capitals", "Seoul", "Ottawa")
    assert len(made.failures()) == 2
    assert app.query_params["study"] == "my-capitals" and not errors(app)
    built_on_the_page(app)
    assert len(study_indexes(made)) == 1
    opens_on_every_page(app)


def built_on_the_page(app: AppTest) -> None:
    """Estimate, then build, by the buttons of the last step."""
    press(app, "build-estimate")
    for _ in range(100):
        app.run()
        if any("of disk" in text for text in texts(app)):
            break
        time.sleep(0.3)
    assert any("**13 kB** of disk, for 40 rows at layer 2" in text for text in texts(app))
    assert not any(text.startswith(("Built.", "Stopped.")) for text in texts(app))
    press(app, "build")
    for _ in range(200):
        app.run()
        if not any(button.key == "stop-build" for button in app.button):
            break
        time.sleep(0.3)
    app.run()
    assert not errors(app) and any(text.startswith("Built.") for text in texts(app))


def opens_on_every_page(app: AppTest) -> None:
    for page in ("trace", "graph", "compare", "survey", "training_data", "behaviors", "repair"):
        app.switch_page(str(Path(__file__).parents[3] / f"pages/{page}.py"))
        app.run()
        assert not app.exception, page
        assert app.query_params["study"] == "my-capitals" and not errors(app), page
        if page == "trace":
            assert shown(app, "case-bar")["prompt"] == "the capital of Canada is?"


def test_what_can_not_be_used_is_told_and_nothing_is_made(smollm, studies: Path, model: Path, tmp_path: Path):
    app = open_studies(new="1")
    fill(app, "studies-model", str(tmp_path))
    assert "no config.json" in errors(app)[0] and app.button(key="studies-next").disabled
    fill(app, "studies-model", "")
    press(app, "studies-add-stage")
    fill(app, "studies-stage-0", str(model.parent / "train.csv"))
    assert errors(app) and app.button(key="studies-next").disabled
    press(app, "studies-away-0")
    press(app, "studies-next")
    (tmp_path / "x.txt").write_text("x")
    fill(app, "studies-path", str(tmp_path / "x.txt"))
    assert "unknown format" in errors(app)[0]
    app.query_params["step"] = "failures"
    app.run()
    fill(app, "studies-pasted", "no answer")
    before = sorted(os.listdir(studies))
    press(app, "studies-paste")
    assert "Line 1 has 1 parts" in errors(app)[0]
    assert sorted(os.listdir(studies)) == before


def test_hostile_rows_and_names_are_text(smollm, studies: Path, model: Path):
    made = create_study(studies / "hostile", name=HOSTILE, model="smollm2", datapoints=DATA)
    app = open_studies(manage="hostile")
    everything = " ".join(texts(app))
    assert "onerror" in everything and not LIVE.search(everything)
    app = open_studies(new="1", step="failures")
    fill(app, "studies-behavior", HOSTILE)
    fill(app, "studies-pasted", f"{HOSTILE} \t {HOSTILE} \t b")
    press(app, "studies-paste")
    assert not LIVE.search(" ".join(texts(app)))
    assert list(app.dataframe[0].value["Behavior"]) == [HOSTILE]
    os.rename(made.folder, studies.parent / "away")


def test_every_field_that_can_be_mapped_is_on_the_page():
    assert {*FIELDS} == {*MAPPED}


def test_columns_are_chosen_by_hand_where_their_names_do_not_tell(smollm, studies: Path, tmp_path: Path):
    file = tmp_path / "train.jsonl"
    rows = [{"Frage": f"a {i}?", "Antwort": f"b {i}", "prompt": "no"} for i in range(3)]
    file.write_text("\n".join(map(json.dumps, rows)) + "\nbroken\n")
    app = open_studies(new="1", step="data")
    fill(app, "studies-path", str(file))
    assert errors(app) and app.button(key="studies-next").disabled
    assert app.selectbox(key="studies-column-response").options == ["Auto", "Frage", "Antwort", "prompt"]
    app.selectbox(key="studies-column-response").select("Antwort").run()
    app.selectbox(key="studies-column-prompt").select("Frage").run()
    assert not errors(app) and list(app.dataframe[0].value["prompt"]) == ["a 0?", "a 1?", "a 2?"]
    assert any("line 4" in text for text in texts(app))  # the broken row is listed
    app.query_params["step"] = "failures"
    press(fill(app.run(), "studies-name", "By hand"), "studies-create")
    made = open_study(studies / "by-hand").datapoints()
    assert (made["prompt"].to_pylist()[0], made["response"].to_pylist()[0]) == ("a 0?", "b 0")


def test_a_draft_survives_the_session_and_is_thrown_away(smollm, studies: Path, model: Path):
    app = open_studies(new="1")
    fill(app, "studies-model", str(model))
    press(app, "studies-next")
    files = [("a.jsonl", b'{"prompt": "p", "response": "r"}\n'), ("b.jsonl", b'{"prompt": "q", "response": "s"}\n')]
    app.file_uploader(key="studies-upload-0").upload(*files[0]).run()
    app.file_uploader(key="studies-upload-1").upload(*files[1]).run()
    app.number_input(key="studies-max_tokens").set_value(128).run()
    assert any("2 training examples" in text for text in texts(app)) and not errors(app)
    name = app.query_params["draft"]
    again = open_studies(new="1", step="data", draft=name)  # reloaded: nothing of the session is left
    assert any("2 training examples" in text for text in texts(again))
    press(again, "studies-back")
    assert again.text_input(key="studies-model").value == str(model)
    press(press(again, "studies-next"), "studies-remove-upload-0")
    assert any("1 training example" in text for text in texts(again))
    again.query_params["step"] = "failures"
    press(fill(again.run(), "studies-name", "From a draft"), "studies-create")
    made = open_study(studies / "from-a-draft")
    assert (made.datapoints()["prompt"].to_pylist(), made.max_tokens) == (["q"], 128)
    assert not (studies / ".drafts" / name).exists() and "draft" not in again.query_params
    gone = open_studies(new="1", draft=name)
    assert "is gone" in errors(gone)[0]
    press(gone, "studies-begin")
    fill(gone, "studies-model", str(model))
    shelf = open_studies()
    assert any("A new study" in text and "not made yet" in text for text in texts(shelf))
    place = studies / ".drafts" / gone.query_params["draft"]
    press(open_studies(new="1", draft=place.name), "studies-anew")
    assert not place.exists()


def test_a_model_that_the_hub_can_not_give_is_told_before_anything_is_made(smollm, studies: Path, model: Path):
    app = open_studies(new="1")
    fill(app, "studies-model", "owner/name-of-nothing")
    assert not errors(app)  # the hub is not asked while somebody types
    app.query_params["step"] = "data"
    fill(app.run(), "studies-path", str(model.parent / "train.csv"))
    app.query_params["step"] = "failures"
    press(fill(app.run(), "studies-name", "From the hub"), "studies-create")
    assert errors(app) == [
        "'owner/name-of-nothing' is not on this machine, and nothing is fetched from the hub (offline mode is on)."
    ]
    assert not (studies / "from-the-hub").exists() and app.text_input(key="studies-name").value == "From the hub"


@pytest.mark.slow
def test_an_adapter_or_a_folder_with_a_gguf_file_is_recognised_as_the_model(
    smollm, studies: Path, model: Path, tmp_path
):
    adapter = save_adapter(tmp_path / "tuned")
    config = json.loads((adapter / "adapter_config.json").read_text()) | {"base_model_name_or_path": str(model)}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    app = open_studies(new="1")
    fill(app, "studies-model", str(adapter))
    assert not errors(app) and any("LlamaForCausalLM" in text and "before" in text for text in texts(app))
    assert any("tuned" in text and "LORA adapter" in text and "after" in text for text in texts(app))
    packed = tmp_path / "packed"
    packed.mkdir()
    save_gguf(packed / "model.gguf")
    fill(app, "studies-model", str(packed))
    assert not errors(app) and any("GGUF file of" in text for text in texts(app))
    app.query_params["step"] = "data"
    fill(app.run(), "studies-path", str(model.parent / "train.csv"))
    app.query_params["step"] = "failures"
    press(fill(app.run(), "studies-name", "Packed"), "studies-create")
    assert open_study(studies / "packed").model == str(packed / "model.gguf") and not errors(app)
    press(app, "build")
    waited(app, lambda app: any(text.startswith("Built.") for text in texts(app)))
    assert len(study_indexes(open_study(studies / "packed"))) == 1
