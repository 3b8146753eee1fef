"""A new study is read and checked without a command line, and nothing is written before it is asked for."""

import json

import pytest

from explorer.data.new_study import prepare_study
from explorer.errors import ExplorerError
from explorer.model.load import load_model
from explorer.vectors.build import build_index
from explorer.vectors.items import study_items
from explorer.vectors.tokenize import encode_exchanges
from tests.vectors.tiny import save_adapter, save_tiny, tiny_tokenizer


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"question": "q", "answer": "r"}) + "\n")
    return path


def test_it_is_read_first_and_written_on_demand(tmp_path, data):
    behaviors = tmp_path / "behaviors.jsonl"
    behaviors.write_text('{"id": "x", "name": "n", "prompt": "p", "bad": "b", "note": 1}\n')
    new = prepare_study(
        str(tmp_path / "mine"), model="owner/name", data=str(data), behaviors=behaviors, template="chat"
    )
    assert not (tmp_path / "mine").exists()
    assert new.lines() == [
        "--model owner/name: no such folder, taken as a hub id",
        "JSON lines, 1 row; prompt from 'question', answer from 'answer'",
        "behaviors: 1",
    ]
    assert (new.name, new.behaviors and new.behaviors[0]["note"], new.failures) == ("mine", 1, None)
    study = new.write()
    assert (study.name, study.model, study.trained) == ("mine", "owner/name", ())
    assert (study.template, study.turns, study.end_of_turn) == ("chat", "all", True)
    assert study.datapoints().equals(new.data.table) and study.behaviors()[0].bad == "b"
    with pytest.raises(ExplorerError, match=r"there is a study\.toml already"):
        prepare_study(tmp_path / "mine", model="smollm2", data=data)


def test_an_adapter_that_is_given_as_the_model_is_recognised(tmp_path, data):
    base, adapter, later = save_tiny(tmp_path / "base"), tmp_path / "runs" / "sft", tmp_path / "runs" / "dpo"
    for folder in (adapter, later):
        save_adapter(folder)
        config = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": str(base)}))
    new = prepare_study(tmp_path / "mine", model=str(adapter), adapters=[str(later)], data=data)
    assert f"--model {adapter}: a PEFT adapter; the model is its base {base}, the adapter a stage" in new.lines()[0]
    study = new.write()
    assert study.model == str(base) and [spec.adapter for spec in study.trained] == [str(adapter), str(later)]
    assert load_model(study.spec).n_layers == 3
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "/gone"}))
    with pytest.raises(ExplorerError, match="is a PEFT adapter, and names '/gone', which is not here"):
        prepare_study(tmp_path / "other", model=str(adapter), data=data)


@pytest.mark.parametrize(
    ("given", "wanted", "note"),
    [
        ({}, ("chat", "all", True), ""),
        ({"turns": "each"}, ("chat", "last", True), ""),
        ({"template": "raw"}, ("raw", "all", False), "as they are, without ('--end-of-turn yes': with) a loss on"),
        ({"template": "raw", "end_of_turn": True}, ("raw", "all", True), "as they are, with a loss on"),
        ({"end_of_turn": False}, ("chat", "all", False), ""),
    ],
)
def test_where_the_loss_is_stands_in_the_study(tmp_path, data, given, wanted, note):
    new = prepare_study(tmp_path / "mine", model="smollm2", data=data, **given)
    study = new.write()
    assert (study.template, study.turns, study.end_of_turn) == wanted
    assert (note in new.lines()[0]) if note else not new.notes


def test_a_model_without_a_chat_template_reads_raw_text(tmp_path, data):
    chat, base = save_tiny(tmp_path / "chat"), save_tiny(tmp_path / "base")
    (base / "chat_template.jinja").unlink()
    new = prepare_study(tmp_path / "b", model=str(base), data=data)
    assert new.template == "raw" and "the model has no chat template" in new.notes[0]
    assert prepare_study(tmp_path / "c", model=str(chat), data=data).template == "chat"
    assert prepare_study(tmp_path / "c", model=str(base), data=data, template="chat").template == "chat"
    (base / "tokenizer.json").write_text("{")
    (unread,) = prepare_study(tmp_path / "b", model=str(base), data=data).notes
    assert "the tokenizer can't be read" in unread and "taken as one for chats" in unread


def test_a_base_models_study_can_be_ranked(tmp_path, data):
    base = save_tiny(tmp_path / "base")
    (base / "chat_template.jinja").unlink()
    data.write_text(json.dumps({"system": "Be brief.", "question": "two plus two is", "answer": "four"}) + "\n")
    study = prepare_study(tmp_path / "mine", model=str(base), data=data).write()
    build_index(study, layers=[1], parts=["state"])
    (item,) = study_items(study, study.datapoints())
    (exchange,) = encode_exchanges(load_model(study.spec), item.replies)
    text = tiny_tokenizer().decode(list(exchange.ids), clean_up_tokenization_spaces=False)
    assert text == "<s>Be brief.\n\ntwo plus two is four"
