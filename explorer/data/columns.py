"""One row of anybody's training data as a datapoint: which of its columns is the prompt, which the answer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from explorer.data.formats import Row, quoted
from explorer.data.names import ANSWERS, COMPLETED, CONTEXTS, FIELDS, KNOWN, MESSAGES, PAIR, PLAIN, PROMPTS
from explorer.data.roles import EXPECTED_PROMPT, EXTRA, ColumnRoles
from explorer.data.shapes import ShapedRow, shape_row
from explorer.data.turns import Context, Turn, answers_of, read_context, read_turns
from explorer.data.values import as_text, blank
from explorer.errors import ExplorerError

UNANSWERED = "unanswered"
"""Extra column: what was said after the last answer."""
_TRAILING = f"with messages after the last answer, which nobody answered: no loss is on them; kept as '{UNANSWERED}'"


def read_row(row: Row, where: str, roles: ColumnRoles) -> list[Row]:
    """The row as a datapoint: prompt, response and/or chosen + rejected; id, history, system, label, source if there.

    A conversation of several answers is one datapoint too, or as many as it has answers (``roles.each``). An answer
    that is missing or blank becomes empty text. Raises ExplorerError that names row and field.
    """
    reader = _RowReader(shape_row(row, where, roles.chosen, roles.raw), where, roles)
    datapoints = reader.read()
    roles.names.update(reader.shaped.values)
    roles.counts.update(reader.shaped.found)
    return datapoints


@dataclass
class _RowReader:
    """Reads one row.

    ``used``: names that gave something. ``chats``: names that gave an answer as a list of messages. ``context``: the
    turns that these chats share before their answers. ``trailing``: what stands after the last answer.
    """

    shaped: ShapedRow
    where: str
    roles: ColumnRoles
    used: set[str] = field(default_factory=set)
    chats: list[str] = field(default_factory=list)
    context: list[Turn] = field(default_factory=list)
    trailing: str = ""

    @property
    def row(self) -> Row:
        return self.shaped.values

    def read(self) -> list[Row]:
        answers = self.answers()
        names, turns = self.question()
        for name in names:
            self.use(name, "prompt")
        if not (context := read_context(turns)):
            column = self.shaped.source(names[0])
            raise ExplorerError(f"{self.where}: field '{column}' has no message of the user; expected a prompt.")
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
        pair = self.shaped.has(*PAIR)
        name = self.first(ANSWERS if pair else (*ANSWERS, MESSAGES))
        answers: Row = {}
        if name and not (pair and blank(self.row[name])):
            answers["response"] = self.answer(name, "response")
        if pair or (not name and self.first(PAIR)):
            answers |= {name: self.answer(name, name) for name in PAIR}
        return answers or {"response": ""}

    def answer(self, name: str, role: str) -> str:
        value = self.row.get(name)
        if name in self.row:
            self.use(name, role)
        if blank(value):
            return ""
        if isinstance(value, list):
            turns = self.turns(name, value)
            last = _last_answer(turns)
            before, text = turns[:last], turns[last].content if last < len(turns) else ""
            self.trailing = "\n\n".join(turn.content for turn in turns[last + 1 :]).strip() or self.trailing
            self.context = _common_start(self.context, before) if self.chats else before
            self.chats.append(name)
        else:
            text = as_text(value) if name != MESSAGES else None
            if text is None:
                raise self.wrong(name, "a list of messages" if name == MESSAGES else "text")
        return text if text.strip() else ""

    def question(self) -> tuple[list[str], list[Turn]]:
        """The names that hold the prompt, and all turns before the answer; plain text is one turn of the user."""
        # a chat of several turns that gives the answer gives its prompt too: a prompt column may hold the first of many
        asked = any(turn.role == "user" for turn in self.context)
        whole = self.chats == [MESSAGES] or (asked and any(turn.role == "assistant" for turn in self.context))
        name = None if whole else self.first(PROMPTS)
        value = self.row[name] if name else None
        steps = [] if asked else [turn for turn in self.context if turn.role != "system"]
        if name and not blank(value):
            turns = self.turns(name, value) if isinstance(value, list) else [Turn("user", self.text(name, value))]
            return [name], turns + steps
        if self.chats and (asked or not self.shaped.has(MESSAGES)):
            return self.chats, self.context
        if self.shaped.has(MESSAGES):
            turns = self.turns(MESSAGES, self.row[MESSAGES])
            answered = bool(turns) and turns[-1].role == "assistant"
            return [MESSAGES], (turns[: _last_answer(turns)] if answered else turns) + steps
        if name or MESSAGES in self.row:
            column = self.shaped.source(name or MESSAGES)
            raise ExplorerError(f"{self.where}: field '{column}' is missing or empty; expected text.")
        found = quoted(self.shaped.sources.values())
        raise ExplorerError(f"{self.where}: no column for prompts; found {found}; {EXPECTED_PROMPT}.")

    def text(self, name: str, value: Any) -> str:
        """A prompt's text as it is; an instruction or a question is followed by its input and its context."""
        if not isinstance(value, str):
            raise self.wrong(name, "text")
        if name not in COMPLETED and "context" not in self.roles.chosen:
            return value
        texts = [value]
        for more in CONTEXTS:
            content = as_text(self.row.get(more))
            if more != name and not blank(content):
                self.use(name, "prompt")
                self.use(more, "prompt")
                texts.append(content or "")
        return "\n\n".join(texts)

    def turns(self, name: str, value: Any) -> list[Turn]:
        if not isinstance(value, list):
            raise self.wrong(name, "a list of messages")
        return read_turns(value, f"{self.where}: field '{self.shaped.source(name)}'", self.shaped.found)

    def plain(self, name: str) -> str | None:
        """Text, or a number or true/false as text; None if the cell is blank."""
        value = self.row.get(name)
        if blank(value):
            return None
        text = as_text(value)
        if text is None:
            raise self.wrong(name, "text")
        self.use(name, name)
        return text

    def extras(self) -> Row:
        """Columns that come along unchanged."""
        extras: Row = {}
        cells = [(name, self.shaped.source(name), value) for name, value in self.row.items()]
        for name, column, value in [*cells, *(("", column, value) for column, value in self.shaped.aside.items())]:
            if name in self.used or column in extras or value is None or (name in KNOWN and blank(value)):
                continue
            printable = column.encode("utf-8", "backslashreplace").decode()  # JSON can name half a character
            if isinstance(value, str | int | float) and column not in FIELDS and column.strip() and printable == column:
                extras[column] = value
                self.roles.add(column, EXTRA)
            else:
                self.roles.dropped[printable] = None
        if self.trailing:
            self.shaped.found.append(("conversation", _TRAILING))
            extras.setdefault(UNANSWERED, self.trailing)
        return extras

    def first(self, names: Iterable[str]) -> str | None:
        """The first of the names that holds something, else the first that exists."""
        existing = [name for name in names if name in self.row]
        return next((name for name in existing if not blank(self.row[name])), existing[0] if existing else None)

    def use(self, name: str, role: str) -> None:
        self.used.add(name)
        if name in self.shaped.sources:
            self.roles.add(self.shaped.sources[name], role)

    def wrong(self, name: str, expected: str) -> ExplorerError:
        column, kind = self.shaped.source(name), type(self.row[name]).__name__
        return ExplorerError(f"{self.where}: field '{column}' is {kind}; expected {expected}.")


def _common_start(one: list[Turn], other: list[Turn]) -> list[Turn]:
    """The turns that two chats begin with in common."""
    same = next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    return one[: min(len(one), len(other)) if same is None else same]


def _last_answer(turns: list[Turn]) -> int:
    """Place of the assistant's last message; the end where there is none."""
    return max((place for place, turn in enumerate(turns) if turn.role == "assistant"), default=len(turns))
