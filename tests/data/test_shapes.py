"""Rows as well-known datasets have them; all texts are our own."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer.data.dialogues import read_dialogue
from explorer.data.importer import import_data
from explorer.data.turns import read_turns
from explorer.errors import ExplorerError


def read(tmp_path, *rows, **options):
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return import_data(path, **options)


def one(tmp_path, row, **options):
    (made,) = read(tmp_path, row, **options).table.to_pylist()
    assert made.pop("id") == row.get("id", "row-000001")
    return {name: json.loads(value) if name == "history" else value for name, value in made.items()}


def human(text):
    return {"from": "human", "value": text}


def gpt(text):
    return {"from": "gpt", "value": text}


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def test_sharegpt(tmp_path):
    chat = [{"from": "system", "value": "Be kind."}, human("Hi"), gpt("Hello"), human("2+2?"), gpt("4")]
    before = [["user", "Hi"], ["assistant", "Hello"]]
    wanted = {"prompt": "2+2?", "response": "4", "system": "Be kind.", "history": before}
    assert one(tmp_path, {"id": "x", "conversations": chat}) == wanted
    apart = {"system": "Be kind.", "conversations": [human("Hi"), gpt("Hello"), human("2+2?"), gpt("4")]}
    assert one(tmp_path, apart) == wanted
    assert len(read(tmp_path, {"conversations": chat}, turns="each").table) == 2


def test_sharegpt_with_tools(tmp_path):
    chat = [human("Rain?"), {"from": "function_call", "value": "weather()"}, {"from": "observation", "value": "wet"}]
    row = one(tmp_path, {"conversations": [*chat, gpt("Yes.")], "tools": "[]"})
    assert (row["prompt"], row["response"]) == ("Rain?", "Yes.")
    assert row["history"] == [["user", None], ["assistant", "weather()"], ["tool", "wet"]]


def test_sharegpt_pairs(tmp_path):
    row = {"conversations": [human("Hi"), gpt("Hello"), human("2+2?")], "chosen": gpt("4"), "rejected": gpt("5")}
    assert one(tmp_path, row) == {
        "history": [["user", "Hi"], ["assistant", "Hello"]],
        "prompt": "2+2?",
        "chosen": "4",
        "rejected": "5",
    }


HH = "\n\nHuman: Who wrote Emma?\n\nAssistant: A novelist.\n\nHuman: Which?\n\nAssistant:"


def test_hh_rlhf_dialogues_are_turns(tmp_path):
    imported = read(tmp_path, {"chosen": f"{HH} Jane Austen.", "rejected": f"{HH} Ask somebody."})
    (row,) = imported.table.to_pylist()
    assert json.loads(row["history"]) == [["user", "Who wrote Emma?"], ["assistant", "A novelist."]]
    assert (row["prompt"], row["chosen"], row["rejected"]) == ("Which?", "Jane Austen.", "Ask somebody.")
    assert "1 pair written as text, with a mark before every turn: read as turns" in imported.problems


def test_hh_rlhf_in_columns_of_prompt_and_answer(tmp_path):
    row = one(tmp_path, {"prompt": HH, "chosen": " Jane Austen.", "rejected": " Ask."})
    assert (row["prompt"], row["chosen"], len(row["history"])) == ("Which?", " Jane Austen.", 2)


def test_a_model_that_reads_raw_text_gets_the_dialogue_as_text(tmp_path):
    pair = {"chosen": f"{HH} Jane Austen.", "rejected": f"{HH} Ask somebody."}
    wanted = {"prompt": HH, "chosen": " Jane Austen.", "rejected": " Ask somebody."}
    assert one(tmp_path, pair, raw=True) == wanted
    assert one(tmp_path, {"text": f"{HH} Jane Austen."}, raw=True) == {"prompt": HH, "response": " Jane Austen."}


def test_openai_pairs(tmp_path):
    context = {"messages": [user("Hi")], "tools": [{"name": "t"}], "parallel_tool_calls": True}
    row = {"input": context, "preferred_output": [assistant("Hello")], "non_preferred_output": [assistant("Go")]}
    imported = read(tmp_path, row)
    assert imported.table.to_pylist() == [{"id": "row-000001", "prompt": "Hi", "chosen": "Hello", "rejected": "Go"}]
    assert imported.problems[0].startswith("1 row with definitions of tools, which are left out")
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "pairs.parquet")
    assert import_data(tmp_path / "pairs.parquet").table.equals(imported.table)


def test_a_conversation_with_a_rejected_answer(tmp_path):
    row = {"messages": [user("Hi"), assistant("Hello")], "rejected_response": "Go away"}
    assert one(tmp_path, row) == {"prompt": "Hi", "chosen": "Hello", "rejected": "Go away"}


def test_pairs_without_a_prompt(tmp_path):
    row = {"chosen": "The sky is blue.", "rejected": "The sky is black."}
    assert one(tmp_path, row) == {"prompt": "The sky is ", "chosen": "blue.", "rejected": "black."}


@pytest.mark.parametrize("mark", [{"label": False}, {"label": "False"}, {"kto_tag": False}])
def test_an_undesirable_completion_is_a_bad_answer(tmp_path, mark):
    good = {"prompt": "Hi", "completion": "Hello"} | {name: not value or "true" for name, value in mark.items()}
    imported = read(tmp_path, {"prompt": "Hi", "completion": "Go away"} | mark, good)
    bad, fine = imported.table.to_pylist()
    assert (bad["response"], bad["chosen"], bad["rejected"]) == (None, "", "Go away")
    assert (fine["response"], fine["rejected"]) == ("Hello", None)
    assert "1 answer that training pushed away from (KTO): kept as a rejected answer alone" in imported.problems
    assert imported.columns["completion"] == "response + rejected" and imported.empty == 0


def test_a_label_of_true_and_false_on_other_rows_stays_a_label(tmp_path):
    row = {"prompt": "Hi", "response": "Hello", "label": False}
    assert one(tmp_path, row) == {"prompt": "Hi", "response": "Hello", "label": "false"}


def test_what_completes_a_prompt_reaches_the_model(tmp_path):
    dolly = {"instruction": "When?", "context": "Built in 1890.", "response": "1890", "category": "closed_qa"}
    assert one(tmp_path, dolly)["prompt"] == "When?\n\nBuilt in 1890."
    orca = {"system_prompt": "Think.", "question": "2+2?", "response": "4"}
    assert one(tmp_path, orca) == {"prompt": "2+2?", "response": "4", "system": "Think."}


def test_developers_and_tools(tmp_path):
    call = {"role": "assistant", "content": None}
    call["tool_calls"] = [{"type": "function", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}]
    chat = [{"role": "developer", "content": "Be brief."}, user("Rain?"), call, {"role": "tool", "content": "wet"}]
    imported = read(tmp_path, {"messages": [*chat, assistant("Yes.")]})
    (row,) = imported.table.to_pylist()
    assert (row["system"], row["prompt"], row["response"]) == ("Be brief.", "Rain?", "Yes.")
    _, (role, text), tool = json.loads(row["history"])
    assert (role, tool) == ("assistant", ["tool", "wet"])
    assert text == '<tool_call>\n{"name": "weather", "arguments": {"city": "Bonn"}}\n</tool_call>'
    assert any(problem.startswith("1 call to tools, written into the message") for problem in imported.problems)


def test_content_in_parts(tmp_path):
    parts = [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {"url": "x"}}, "What is it?"]
    imported = read(tmp_path, {"messages": [user(parts), assistant([{"type": "text", "text": "A cat."}])]})
    assert imported.table.to_pylist() == [{"id": "row-000001", "prompt": "Look:\nWhat is it?", "response": "A cat."}]
    assert imported.problems[0].startswith("1 part of messages that are no text")


def test_a_last_message_of_the_user_is_told_and_kept(tmp_path):
    imported = read(tmp_path, {"messages": [user("Hi"), assistant("Hello"), user("And now?")]})
    (row,) = imported.table.to_pylist()
    assert (row["prompt"], row["response"], row["unanswered"]) == ("Hi", "Hello", "And now?")
    assert imported.problems[0].startswith("1 conversation with messages after the last answer, which nobody answered")


def test_questions_and_answers_as_messages():
    turns = read_turns([{"input": "Hi", "output": "Hello"}], "x")
    assert turns == [("user", "Hi"), ("assistant", "Hello")]
    with pytest.raises(ExplorerError, match="x, message 1: content is dict"):
        read_turns([{"role": "user", "content": {}}], "x")


@pytest.mark.parametrize(
    "text",
    [
        "\n\nHuman: Hi\n\nAssistant: Hello",
        "### Human: Hi### Assistant: Hello".replace("###", "\n###"),
        "### Instruction:\nHi\n\n### Response:\nHello",
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHello<|eot_id|>",
        "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello<end_of_turn>\n",
        "<|user|>\nHi</s>\n<|assistant|>\nHello</s>",
        "<s>[INST] Hi [/INST] Hello </s>",
    ],
)
def test_dialogues_in_one_text(tmp_path, text):
    assert read_dialogue(text) == [user("Hi"), assistant("Hello")]
    assert one(tmp_path, {"text": text}) == {"prompt": "Hi", "response": "Hello"}


def test_system_prompts_of_dialogues_in_one_text():
    llama = read_dialogue("<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST] Hello </s>")
    alpaca = read_dialogue("Below is a task.\n\n### Instruction:\nAdd.\n\n### Input:\n2+2\n\n### Response:\n4")
    assert llama == [{"role": "system", "content": "Be kind."}, user("Hi"), assistant("Hello")]
    assert alpaca == [{"role": "system", "content": "Below is a task."}, user("Add.\n\n2+2"), assistant("4")]


@pytest.mark.parametrize("text", ["Human: Hi", "I said.\n\nHuman: Hi\n\nAssistant: Hello", "A ### B", ""])
def test_other_text_is_no_dialogue(text):
    assert read_dialogue(text) is None
