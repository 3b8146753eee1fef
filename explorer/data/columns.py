"""One row of anybody's training data as a datapoint: which of its columns is the prompt, which the answer."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explorer.data.chat import Turn, asked, read_turns, shared, split_answer
from explorer.data.formats import Row, listed
from explorer.errors import ExplorerError

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


@dataclass
class Tally:
    """What the columns of a file were taken as, over all of its rows.

    Attributes:
        roles: column → fields of a datapoint that it gave, or ``extra``.
        dropped: columns left out, as the keys of a dictionary in the order in which they came.
        columns: every column that a row had.
        chats: rows whose prompt leaves out messages that are neither the user's nor the system's.
    """

    roles: dict[str, set[str]] = field(default_factory=dict)
    dropped: dict[str, None] = field(default_factory=dict)
    columns: dict[str, None] = field(default_factory=dict)
    chats: int = 0

    def use(self, name: str, role: str) -> None:
        """Note that a column gave a field."""
        self.roles.setdefault(name, set()).add(role)

    def taken(self) -> dict[str, str]:
        """Column → its fields, joined with `` + ``; columns in the file's order, fields in the table's."""
        order = (*FIELDS, EXTRA)
        return {
            name: " + ".join(sorted(self.roles[name], key=order.index)) for name in self.columns if name in self.roles
        }

    def check(self, path: Path) -> None:
        """Raises ExplorerError where no row had a column for answers, or none had the other half of a pair."""
        have = set(self.columns)
        if not have & {*ANSWERS, MESSAGES} and not set(PAIR) <= have:
            raise ExplorerError(f"{path}: no column for answers; found {listed(self.columns)}; {_EXPECTED_ANSWER}.")

    def problems(self) -> list[str]:
        """What should be looked at, one sentence each."""
        what = "earlier answers or other roles in the chat; the prompt is the user's messages alone"
        return [f"{self.chats:,} row{'' if self.chats == 1 else 's'} with {what}"] if self.chats else []


def read_row(given: Row, where: str, tally: Tally) -> Row:
    """The row as a datapoint: prompt, response and/or chosen + rejected; id, system, label, source where it has them.

    An answer that is missing or blank becomes empty text. Raises ExplorerError that names row and field.
    """
    tally.columns.update(dict.fromkeys(given))
    if len(tally.columns) > MAX_COLUMNS:
        raise ExplorerError(
            f"{where}: more than {MAX_COLUMNS} columns up to here; expected the same ones in every row."
        )
    return _Reader(given, where, tally).read()


@dataclass
class _Reader:
    """One row on its way to a datapoint.

    ``used`` are its columns that gave something; ``chats`` those that gave an answer as a list of messages, and
    ``before`` is what these share before the answer.
    """

    given: Row
    where: str
    tally: Tally
    used: set[str] = field(default_factory=set)
    chats: list[str] = field(default_factory=list)
    before: list[Turn] = field(default_factory=list)

    def read(self) -> Row:
        answers = self.answers()
        prompt, system = self.prompt()
        plain = {name: text for name in ("id", *PLAIN) if (text := self.plain(name)) is not None}
        return {"prompt": prompt} | answers | ({"system": system} if system else {}) | plain | self.extras()

    def answers(self) -> Row:
        """The response, or the pair, or both; empty text where the row has neither."""
        pair = any(not _blank(self.given.get(name)) for name in PAIR)
        name = self.pick(ANSWERS if pair else (*ANSWERS, MESSAGES))
        found: Row = {}
        if name and not (pair and _blank(self.given[name])):
            found["response"] = self.answer(name, "response")
        if pair or (not name and self.pick(PAIR)):
            found |= {name: self.answer(name, name) for name in PAIR}
        return found or {"response": ""}

    def answer(self, name: str, role: str) -> str:
        value = self.given.get(name)
        if name in self.given:
            self.use(name, role)
        if _blank(value):
            return ""
        if isinstance(value, list):
            before, text = split_answer(self.turns(name, value))
            self.before = shared(self.before, before) if self.chats else before
            self.chats.append(name)
        else:
            text = self.text(name, value)
        return text if text.strip() else ""

    def prompt(self) -> tuple[str, str | None]:
        """The prompt, and the system message of the chat that it or an answer comes from."""
        names, turns = self.question()
        for name in names:
            self.use(name, "prompt")
        prompt, system = asked(turns)
        if not prompt.strip():
            raise ExplorerError(f"{self.where}: field '{names[0]}' has no message of the user; expected a prompt.")
        self.tally.chats += any(turn.role not in ("user", "system") for turn in turns)
        return prompt, system or asked(self.before)[1]

    def question(self) -> tuple[list[str], list[Turn]]:
        """Where the prompt stands, and its turns; text is one turn of the user."""
        # messages that give the answer give its prompt too: a prompt column may hold the first of many turns
        name = None if self.chats == [MESSAGES] else self.pick(PROMPTS)
        value = self.given[name] if name else None
        if name and isinstance(value, list) and value:
            return [name], self.turns(name, value)
        if name and not _blank(value):
            return [name], [Turn("user", self.text(name, value))]
        if self.chats:
            return self.chats, self.before
        if not _blank(self.given.get(MESSAGES)):
            return [MESSAGES], split_answer(self.turns(MESSAGES, self.given[MESSAGES]))[0]
        if name or MESSAGES in self.given:
            raise ExplorerError(f"{self.where}: field '{name or MESSAGES}' is missing or empty; expected text.")
        raise ExplorerError(f"{self.where}: no column for prompts; found {listed(self.given)}; {_EXPECTED_PROMPT}.")

    def text(self, name: str, value: Any) -> str:
        """Text as it is; an instruction with its input below it."""
        if not isinstance(value, str) or name == MESSAGES:
            wanted = "a list of messages" if name == MESSAGES else "text"
            raise ExplorerError(f"{self.where}: field '{name}' is {type(value).__name__}; expected {wanted}.")
        if name != "instruction" or _blank(self.given.get(INPUT)):
            return value
        self.use(name, "prompt")
        self.use(INPUT, "prompt")
        return f"{value}\n\n{self.text(INPUT, self.given[INPUT])}"

    def turns(self, name: str, value: Any) -> list[Turn]:
        if not isinstance(value, list):
            raise ExplorerError(f"{self.where}: field '{name}' is {type(value).__name__}; expected a list of messages.")
        return read_turns(value, f"{self.where}: field '{name}'")

    def plain(self, name: str) -> str | None:
        """Text, or a number or true/false as text; None where there is none."""
        value = self.given.get(name)
        if _blank(value):
            return None
        if not isinstance(value, str | int | float):
            raise ExplorerError(f"{self.where}: field '{name}' is {type(value).__name__}; expected text.")
        self.use(name, name)
        return value if isinstance(value, str) else json.dumps(value)

    def extras(self) -> Row:
        """Columns that come along unchanged."""
        found: Row = {}
        for name, value in self.given.items():
            if name in self.used or value is None or (name in _KNOWN and _blank(value)):
                continue
            printable = name.encode("utf-8", "backslashreplace").decode()  # JSON can name half a character
            if isinstance(value, str | int | float) and name not in FIELDS and name.strip() and printable == name:
                found[name] = value
                self.tally.use(name, EXTRA)
            else:
                self.tally.dropped[printable] = None
        return found

    def pick(self, names: Iterable[str]) -> str | None:
        """The first of the columns that holds something, else the first that is there."""
        there = [name for name in names if name in self.given]
        return next((name for name in there if not _blank(self.given[name])), there[0] if there else None)

    def use(self, name: str, role: str) -> None:
        self.used.add(name)
        self.tally.use(name, role)


def _blank(value: Any) -> bool:
    """Whether a cell holds nothing: null, NaN, white space, no message."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value == [] or (isinstance(value, float) and math.isnan(value))
