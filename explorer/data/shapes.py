"""Rows of well-known datasets under the usual names: ShareGPT, HH-RLHF, KTO, OpenAI's pairs, plain text.

Every shape is told by the row itself, never by the name of a file. ``columns.py`` reads what comes out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from explorer.data.dialogues import common_prompt, last_answer, read_dialogue, split_text
from explorer.data.formats import Row
from explorer.data.names import ANSWERS, CONTEXTS, KTO, MESSAGES, PAIR, PROMPTS, TEXT, fields_of
from explorer.data.values import blank
from explorer.errors import ExplorerError

DIALOGUE = "written as text, with a mark before every turn: read as turns"
SPLIT = "of one text: its beginning (up to the last answer, or else its first line or sentence) is taken as the prompt"
COMMON = "without a prompt: what both answers begin with is taken as it"
UNDESIRED = "that training pushed away from (KTO): kept as a rejected answer alone"
TOOLS = "with definitions of tools, which are left out: the model reads the turns alone"


@dataclass
class ShapedRow:
    """A row under the usual names.

    Attributes:
        values: name → value.
        sources: name → column of the file that it comes from.
        aside: columns that are not what people chose; they come along unchanged.
        found: (what is counted, sentence about it), see ``ColumnRoles.count``.
    """

    values: Row
    sources: dict[str, str]
    aside: Row = field(default_factory=dict)
    found: list[tuple[str, str]] = field(default_factory=list)

    def source(self, name: str) -> str:
        """The column of the file behind a name, for people."""
        return self.sources.get(name, name)

    def has(self, *names: str) -> bool:
        """Whether one of them holds something."""
        return any(not blank(self.values.get(name)) for name in names)

    def move(self, name: str, to: str, value: Any) -> None:
        """Take a value out of ``name`` and put another one under ``to``, as coming from the same column."""
        self.values.pop(name, None)
        self.values[to], self.sources[to] = value, self.source(name)


def shape_row(row: Row, where: str, columns: Mapping[str, str], raw: bool = False) -> ShapedRow:
    """Return a row under the usual names, of whatever known shape it is.

    Args:
        columns: field → column, as people chose it; for these nothing else is looked at. ``a.b`` is ``b`` within ``a``.
        raw: a dialogue in one text stays the text that it is, for a model without chats; its last answer is the answer.

    Raises ExplorerError that names row and column for text that can't be split.
    """
    shaped = _named(row, columns)
    _messages(shaped)
    _pair(shaped, raw)
    if shaped.has("completion") or KTO in shaped.values:
        _unpaired(shaped)
    if shaped.has(TEXT):
        _text(shaped, where, raw)
    prompt = shaped.values.get("prompt")
    if isinstance(prompt, str) and not raw and (turns := read_dialogue(prompt)) and turns[-1]["role"] != "assistant":
        shaped.values["prompt"] = turns
        shaped.found.append(("prompt", DIALOGUE))
    return shaped


def _named(row: Row, columns: Mapping[str, str]) -> ShapedRow:
    """The row under the usual names, what people chose first."""
    if not columns:
        names = fields_of(tuple(row))
        return ShapedRow({names[c]: value for c, value in row.items()}, {name: c for c, name in names.items()})
    chosen = {name: _within(row, column) for name, column in columns.items()}
    within = {column.partition(".")[0] for column in columns.values() if column not in row}
    rest = {c: value for c, value in row.items() if c not in columns.values() and c not in within}
    shaped = _named(rest, {})
    unasked: set[str] = {*columns}
    if "prompt" in columns or MESSAGES in columns:
        unasked |= {*PROMPTS, MESSAGES, TEXT}
    if {"response", *PAIR, MESSAGES} & {*columns}:
        unasked |= {*ANSWERS, *PAIR, TEXT}
    unasked &= {*shaped.values}
    aside = {shaped.sources.pop(name): shaped.values.pop(name) for name in list(shaped.values) if name in unasked}
    return ShapedRow(chosen | shaped.values, dict(columns) | shaped.sources, aside)


def _within(row: Row, column: str) -> Any:
    """The value of a column; ``a.b`` is ``b`` of the object in ``a`` where no column is called so."""
    if column in row:
        return row[column]
    value: Any = row
    for name in column.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _messages(shaped: ShapedRow) -> None:
    """Messages within an object (OpenAI's ``input``) or in the place of a text are under ``messages``."""
    values = shaped.values
    for name in ("input", MESSAGES, "prompt"):
        if isinstance(value := values.get(name), dict) and isinstance(value.get("messages"), list):
            if value.get("tools"):
                shaped.found.append(("row", TOOLS))
            shaped.move(name, MESSAGES if name == "input" else name, value["messages"])
    if isinstance(value := values.get(MESSAGES), str) and (turns := read_dialogue(value)):
        values[MESSAGES] = turns
        shaped.found.append(("conversation", DIALOGUE))


def _pair(shaped: ShapedRow, raw: bool) -> None:
    """The answers of a pair: a message is a list of one, dialogues are messages, a common beginning is the prompt."""
    values = shaped.values
    for name in (*PAIR, "completion"):
        if isinstance(values.get(name), dict):
            values[name] = [values[name]]
    alone = shaped.has("rejected") and "chosen" not in values and not shaped.has(*PROMPTS, *ANSWERS)
    if alone and isinstance(values.get(MESSAGES), list):  # the conversation has the chosen answer
        shaped.move(MESSAGES, "chosen", values[MESSAGES])
    chosen, rejected = (values.get(name) for name in PAIR)
    if not (isinstance(chosen, str) and isinstance(rejected, str)) or not (chosen.strip() and rejected.strip()):
        return
    if not raw and (one := read_dialogue(chosen)) and (other := read_dialogue(rejected)):
        values["chosen"], values["rejected"] = one, other
        shaped.found.append(("pair", DIALOGUE))
    elif not shaped.has(*PROMPTS, MESSAGES, TEXT):
        whole, parts = last_answer(chosen), last_answer(rejected)
        prompt = whole[0] if whole and parts and whole[0] == parts[0] else common_prompt(chosen, rejected)
        if prompt.strip():
            values["prompt"], shaped.sources["prompt"] = prompt, shaped.source("chosen")
            values["chosen"], values["rejected"] = chosen[len(prompt) :], rejected[len(prompt) :]
            shaped.found.append(("pair", COMMON))


def _unpaired(shaped: ShapedRow) -> None:
    """KTO: ``label`` (or ``kto_tag``) tells whether training pushed towards a completion, or away from it."""
    values = shaped.values
    mark = values.get(KTO) if KTO in values else values.get("label")
    if isinstance(mark, str):
        mark = {"true": True, "false": False}.get(mark.strip().lower())
    if mark is not False or shaped.has(*PAIR):
        return
    if name := next((name for name in (*ANSWERS, MESSAGES) if shaped.has(name)), None):
        value = values[name]
        shaped.move(name, "rejected", value)
        values["chosen"] = ""
        shaped.found.append(("answer", UNDESIRED))


def _text(shaped: ShapedRow, where: str, raw: bool) -> None:
    """``text`` is what is missing beside it, a prompt or an answer; by itself it is both."""
    text = shaped.values[TEXT]
    if not isinstance(text, str) or shaped.has(MESSAGES):
        return
    asked, answered = shaped.has(*PROMPTS, *CONTEXTS), shaped.has(*ANSWERS, *PAIR)
    if asked and not answered:
        shaped.move(TEXT, "response", text)
    elif answered and not asked:
        shaped.move(TEXT, "prompt", text)
    elif not asked and not raw and (turns := read_dialogue(text)):
        shaped.move(TEXT, MESSAGES, turns)
        shaped.found.append(("conversation", DIALOGUE))
    elif not asked:
        if (parts := last_answer(text) or split_text(text)) is None:
            one_word = "is one word; expected a prompt and its answer"
            raise ExplorerError(f"{where}: field '{shaped.source(TEXT)}' {one_word}.")
        shaped.move(TEXT, "prompt", parts[0])
        shaped.values["response"], shaped.sources["response"] = parts[1], shaped.source("prompt")
        shaped.found.append(("row", SPLIT))
