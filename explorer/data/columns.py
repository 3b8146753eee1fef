"""One row of anybody's training data as a datapoint: which of its columns is the prompt, which the answer."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explorer.data.formats import Row, quoted
from explorer.data.turns import Context, Turn, answers_of, read_context, read_turns
from explorer.errors import ExplorerError, count
from explorer.limits import COLUMNS

PROMPTS = ("prompt", "prompts", "instruction", "question")
ANSWERS = ("response", "output", "completion", "answer")
PAIR = ("chosen", "rejected")
MESSAGES, INPUT, EXTRA = "messages", "input", "extra"
PLAIN = ("system", "label", "source")
FIELDS = ("id", "history", "prompt", "response", *PAIR, *PLAIN)
"""The columns of a datapoint, in the table's order."""
_KNOWN = {*PROMPTS, *ANSWERS, *PAIR, MESSAGES, INPUT, *FIELDS}
_EXPECTED_PROMPT = f"expected {', '.join(PROMPTS)} or {MESSAGES}"
_EXPECTED_ANSWER = f"expected {', '.join(ANSWERS)}, both chosen and rejected, or {MESSAGES}"


def _common_start(one: list[Turn], other: list[Turn]) -> list[Turn]:
    """The turns that two chats begin with in common."""
    same = next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))
    return one[: min(same, len(other))]


@dataclass
class ColumnRoles:
    """How the columns of a file were read, over all of its rows.

    Attributes:
        roles: column → fields of a datapoint that it gave, or ``extra``.
        dropped: columns left out (the keys; a dictionary keeps their order).
        columns: all columns that occur, likewise.
        each: whether a conversation becomes one datapoint for each of its answers.
        conversations, answers: rows with several answers of the assistant, and the number of these answers.
        contexts: pairs with earlier answers before the two that are compared.
    """

    each: bool = False

    roles: dict[str, set[str]] = field(default_factory=dict)
    dropped: dict[str, None] = field(default_factory=dict)
    columns: dict[str, None] = field(default_factory=dict)
    conversations: int = 0
    answers: int = 0
    contexts: int = 0

    def add(self, name: str, role: str) -> None:
        """Note that a column gave a field."""
        self.roles.setdefault(name, set()).add(role)

    def summary(self) -> dict[str, str]:
        """Column → its fields, joined with `` + ``; columns in the file's order, fields in the table's."""
        order = (*FIELDS, EXTRA)
        used = [name for name in self.columns if name in self.roles]
        return {name: " + ".join(sorted(self.roles[name], key=order.index)) for name in used}

    def check(self, path: Path) -> None:
        """Raise ExplorerError if no row had a column for answers, or none had the other half of a pair."""
        names = set(self.columns)
        if not names & {*ANSWERS, MESSAGES} and not set(PAIR) <= names:
            raise ExplorerError(f"{path}: no column for answers; found {quoted(self.columns)}; {_EXPECTED_ANSWER}.")

    def problems(self) -> list[str]:
        """What should be looked at, one sentence each."""
        several, pairs = f"{count(self.conversations, 'conversation')} of several answers", count(self.contexts, "pair")
        if self.each:
            kept = f"{several}: made into {self.answers:,} rows, one an answer ('--turns all' keeps each as one row)"
        else:
            kept = f"{several}: one row each, with the loss on all answers ('--turns each' makes {self.answers:,} rows)"
        before = f"{pairs} with earlier answers: these are context, and the loss is on the last ones alone"
        return [sentence for n, sentence in ((self.conversations, kept), (self.contexts, before)) if n]


def read_row(row: Row, where: str, roles: ColumnRoles) -> list[Row]:
    """The row as a datapoint: prompt, response and/or chosen + rejected; id, history, system, label, source if there.

    A conversation of several answers is one datapoint too, or as many as it has answers (``roles.each``). An answer
    that is missing or blank becomes empty text. Raises ExplorerError that names row and field.
    """
    roles.columns.update(dict.fromkeys(row))
    if len(roles.columns) > COLUMNS:
        raise ExplorerError(f"{where}: more than {COLUMNS} columns up to here; expected the same ones in every row.")
    return _RowReader(row, where, roles).read()


@dataclass
class _RowReader:
    """Reads one row.

    ``used``: columns that gave something. ``chats``: columns that gave an answer as a list of messages.
    ``context``: the turns that these chats share before their answers.
    """

    row: Row
    where: str
    roles: ColumnRoles
    used: set[str] = field(default_factory=set)
    chats: list[str] = field(default_factory=list)
    context: list[Turn] = field(default_factory=list)

    def read(self) -> list[Row]:
        answers = self.answers()
        columns, turns = self.question()
        for column in columns:
            self.use(column, "prompt")
        if not (context := read_context(turns)):
            raise ExplorerError(f"{self.where}: field '{columns[0]}' has no message of the user; expected a prompt.")
        datapoints = [(context, answers)]
        if "chosen" in answers:
            self.roles.contexts += bool(answers_of(turns))
        else:
            turns = [*turns, Turn("assistant", answers["response"])]
            parts = [(read_context(turns[:place]), {"response": turns[place].content}) for place in answers_of(turns)]
            replies = [(before, answer) for before, answer in parts if before]  # a greeting answers nothing
            if len(replies) > 1:
                self.roles.conversations += 1
                self.roles.answers += len(replies)
                datapoints = replies if self.roles.each else datapoints
        plain = {name: text for name in ("id", *PLAIN) if (text := self.plain(name)) is not None}
        rest = plain | self.extras()
        return [self.datapoint(before, answer) | rest for before, answer in datapoints]

    def datapoint(self, context: Context, answers: Row) -> Row:
        """What stands before an answer, and the answer; the system message may be that of the chat it comes from."""
        first = next((turn.content for turn in self.context if turn.role == "system"), None)
        told = {"history": context.to_json(), "system": context.system or first}
        return {"prompt": context.prompt} | answers | {name: text for name, text in told.items() if text}

    def answers(self) -> Row:
        """The response, or the pair, or both; an empty response if the row has neither."""
        pair = any(not _blank(self.row.get(name)) for name in PAIR)
        column = self.first(ANSWERS if pair else (*ANSWERS, MESSAGES))
        answers: Row = {}
        if column and not (pair and _blank(self.row[column])):
            answers["response"] = self.answer(column, "response")
        if pair or (not column and self.first(PAIR)):
            answers |= {name: self.answer(name, name) for name in PAIR}
        return answers or {"response": ""}

    def answer(self, column: str, role: str) -> str:
        value = self.row.get(column)
        if column in self.row:
            self.use(column, role)
        if _blank(value):
            return ""
        if isinstance(value, list):
            turns = self.turns(column, value)
            last = _last_answer(turns)
            before, text = turns[:last], turns[last].content if last < len(turns) else ""
            self.context = _common_start(self.context, before) if self.chats else before
            self.chats.append(column)
        else:
            text = self.text(column, value)
        return text if text.strip() else ""

    def question(self) -> tuple[list[str], list[Turn]]:
        """The columns that hold the prompt, and all turns before the answer; plain text is one turn of the user."""
        # a chat of several turns that gives the answer gives its prompt too: a prompt column may hold the first of many
        asked = any(turn.role == "user" for turn in self.context)
        whole = self.chats == [MESSAGES] or (asked and any(turn.role == "assistant" for turn in self.context))
        column = None if whole else self.first(PROMPTS)
        value = self.row[column] if column else None
        if column and not _blank(value):
            chat = isinstance(value, list)
            turns = self.turns(column, value) if chat else [Turn("user", self.text(column, value))]
            steps = [] if asked else [turn for turn in self.context if turn.role != "system"]
            return [column], turns + steps
        if self.chats:
            return self.chats, self.context
        if not _blank(self.row.get(MESSAGES)):
            turns = self.turns(MESSAGES, self.row[MESSAGES])
            return [MESSAGES], turns[: _last_answer(turns)]
        if column or MESSAGES in self.row:
            raise ExplorerError(f"{self.where}: field '{column or MESSAGES}' is missing or empty; expected text.")
        raise ExplorerError(f"{self.where}: no column for prompts; found {quoted(self.row)}; {_EXPECTED_PROMPT}.")

    def text(self, column: str, value: Any) -> str:
        """Text as it is; an instruction is followed by its input."""
        if not isinstance(value, str) or column == MESSAGES:
            expected = "a list of messages" if column == MESSAGES else "text"
            raise ExplorerError(f"{self.where}: field '{column}' is {type(value).__name__}; expected {expected}.")
        if column != "instruction" or _blank(self.row.get(INPUT)):
            return value
        self.use(column, "prompt")
        self.use(INPUT, "prompt")
        return f"{value}\n\n{self.text(INPUT, self.row[INPUT])}"

    def turns(self, column: str, value: Any) -> list[Turn]:
        if not isinstance(value, list):
            kind = type(value).__name__
            raise ExplorerError(f"{self.where}: field '{column}' is {kind}; expected a list of messages.")
        return read_turns(value, f"{self.where}: field '{column}'")

    def plain(self, column: str) -> str | None:
        """Text, or a number or true/false as text; None if the cell is blank."""
        value = self.row.get(column)
        if _blank(value):
            return None
        if not isinstance(value, str | int | float):
            raise ExplorerError(f"{self.where}: field '{column}' is {type(value).__name__}; expected text.")
        self.use(column, column)
        return value if isinstance(value, str) else json.dumps(value)

    def extras(self) -> Row:
        """Columns that come along unchanged."""
        extras: Row = {}
        for name, value in self.row.items():
            if name in self.used or value is None or (name in _KNOWN and _blank(value)):
                continue
            printable = name.encode("utf-8", "backslashreplace").decode()  # JSON can name half a character
            if isinstance(value, str | int | float) and name not in FIELDS and name.strip() and printable == name:
                extras[name] = value
                self.roles.add(name, EXTRA)
            else:
                self.roles.dropped[printable] = None
        return extras

    def first(self, columns: Iterable[str]) -> str | None:
        """The first of the columns that holds something, else the first that exists."""
        existing = [name for name in columns if name in self.row]
        return next((name for name in existing if not _blank(self.row[name])), existing[0] if existing else None)

    def use(self, column: str, role: str) -> None:
        self.used.add(column)
        self.roles.add(column, role)


def _last_answer(turns: list[Turn]) -> int:
    """Place of the assistant's last message; the end where there is none."""
    return max((place for place, turn in enumerate(turns) if turn.role == "assistant"), default=len(turns))


def _blank(value: Any) -> bool:
    """Whether a cell holds nothing: null, NaN, white space, no message."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value == [] or (isinstance(value, float) and math.isnan(value))
