"""One row of anybody's training data as a datapoint: which of its columns is the prompt, which the answer."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from explorer.data.formats import Row, quoted
from explorer.errors import ExplorerError, count

PROMPTS = ("prompt", "prompts", "instruction", "question")
ANSWERS = ("response", "output", "completion", "answer")
PAIR = ("chosen", "rejected")
MESSAGES, INPUT, EXTRA = "messages", "input", "extra"
PLAIN = ("system", "label", "source")
FIELDS = ("id", "prompt", "response", *PAIR, *PLAIN)
"""The columns of a datapoint, in the table's order."""
_KNOWN = {*PROMPTS, *ANSWERS, *PAIR, MESSAGES, INPUT, *FIELDS}
MAX_COLUMNS = 500
_EXPECTED_PROMPT = f"expected {', '.join(PROMPTS)} or {MESSAGES}"
_EXPECTED_ANSWER = f"expected {', '.join(ANSWERS)}, both chosen and rejected, or {MESSAGES}"


class _Turn(NamedTuple):
    """One message of a chat, a ``{role, content}`` object."""

    role: str
    content: str


def _read_turns(messages: list[Any], where: str) -> list[_Turn]:
    """Check the messages; content None (an answer that only calls a tool) becomes empty text. Raises ExplorerError."""
    turns = []
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ExplorerError(f"{where}, message {number}: no role; expected an object with role and content.")
        content = message.get("content")
        if not isinstance(content, str | None):
            raise ExplorerError(f"{where}, message {number}: content is {type(content).__name__}; expected text.")
        turns.append(_Turn(message["role"], content or ""))
    return turns


def _split_answer(turns: list[_Turn]) -> tuple[list[_Turn], str]:
    """(turns before the assistant's last message, that message); (all turns, empty text) if there is none."""
    last = max((place for place, turn in enumerate(turns) if turn.role == "assistant"), default=len(turns))
    return turns[:last], turns[last].content if last < len(turns) else ""


def _common_start(one: list[_Turn], other: list[_Turn]) -> list[_Turn]:
    """The turns that two chats begin with in common."""
    same = next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))
    return one[: min(same, len(other))]


def _prompt_and_system(turns: list[_Turn]) -> tuple[str, str | None]:
    """The user's messages, joined by blank lines, and the system messages likewise (None if there are none)."""
    texts = {role: "\n\n".join(t.content for t in turns if t.role == role) for role in ("user", "system")}
    return texts["user"], texts["system"] or None


@dataclass
class ColumnRoles:
    """How the columns of a file were read, over all of its rows.

    Attributes:
        roles: column → fields of a datapoint that it gave, or ``extra``.
        dropped: columns left out (the keys; a dictionary keeps their order).
        columns: all columns that occur, likewise.
        chats: number of rows whose prompt leaves out messages that are neither the user's nor the system's.
    """

    roles: dict[str, set[str]] = field(default_factory=dict)
    dropped: dict[str, None] = field(default_factory=dict)
    columns: dict[str, None] = field(default_factory=dict)
    chats: int = 0

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
        what = "earlier answers or other roles in the chat; the prompt is the user's messages alone"
        return [f"{count(self.chats, 'row')} with {what}"] if self.chats else []


def read_row(row: Row, where: str, roles: ColumnRoles) -> Row:
    """The row as a datapoint: prompt, response and/or chosen + rejected; id, system, label, source if it has them.

    An answer that is missing or blank becomes empty text. Raises ExplorerError that names row and field.
    """
    roles.columns.update(dict.fromkeys(row))
    if len(roles.columns) > MAX_COLUMNS:
        raise ExplorerError(
            f"{where}: more than {MAX_COLUMNS} columns up to here; expected the same ones in every row."
        )
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
    context: list[_Turn] = field(default_factory=list)

    def read(self) -> Row:
        answers = self.answers()
        prompt, system = self.prompt()
        plain = {name: text for name in ("id", *PLAIN) if (text := self.plain(name)) is not None}
        return {"prompt": prompt} | answers | ({"system": system} if system else {}) | plain | self.extras()

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
            before, text = _split_answer(self.turns(column, value))
            self.context = _common_start(self.context, before) if self.chats else before
            self.chats.append(column)
        else:
            text = self.text(column, value)
        return text if text.strip() else ""

    def prompt(self) -> tuple[str, str | None]:
        """The prompt, and the system message of the chat that it or an answer comes from."""
        columns, turns = self.question()
        for column in columns:
            self.use(column, "prompt")
        prompt, system = _prompt_and_system(turns)
        if not prompt.strip():
            raise ExplorerError(f"{self.where}: field '{columns[0]}' has no message of the user; expected a prompt.")
        self.roles.chats += any(turn.role not in ("user", "system") for turn in turns)
        return prompt, system or _prompt_and_system(self.context)[1]

    def question(self) -> tuple[list[str], list[_Turn]]:
        """The columns that hold the prompt, and its turns; plain text is one turn of the user."""
        # messages that give the answer give its prompt too: a prompt column may hold the first of many turns
        column = None if self.chats == [MESSAGES] else self.first(PROMPTS)
        value = self.row[column] if column else None
        if column and isinstance(value, list) and value:
            return [column], self.turns(column, value)
        if column and not _blank(value):
            return [column], [_Turn("user", self.text(column, value))]
        if self.chats:
            return self.chats, self.context
        if not _blank(self.row.get(MESSAGES)):
            return [MESSAGES], _split_answer(self.turns(MESSAGES, self.row[MESSAGES]))[0]
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

    def turns(self, column: str, value: Any) -> list[_Turn]:
        if not isinstance(value, list):
            kind = type(value).__name__
            raise ExplorerError(f"{self.where}: field '{column}' is {kind}; expected a list of messages.")
        return _read_turns(value, f"{self.where}: field '{column}'")

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


def _blank(value: Any) -> bool:
    """Whether a cell holds nothing: null, NaN, white space, no message."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value == [] or (isinstance(value, float) and math.isnan(value))
