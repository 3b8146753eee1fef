"""Turns of a conversation: which of them is the prompt, which the answer, and how a datapoint keeps the others.

The column ``history`` of a datapoint is JSON text, ``[[role, content], …]``: the turns between the system prompt and
the answer, without the prompt, which is the last message of the user. Where turns stand between the prompt and the
answer (a tool's call and its result), ``["user", null]`` marks the prompt's place.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from explorer.errors import ExplorerError
from explorer.reading import parse_json


class Turn(NamedTuple):
    """One message of a chat, a ``{role, content}`` object."""

    role: str
    content: str


@dataclass(frozen=True)
class Context:
    """What stands before an answer: ``history``, the prompt, ``steps``; and above all the system messages."""

    prompt: str
    system: str | None
    history: tuple[Turn, ...]
    steps: tuple[Turn, ...]

    def to_json(self) -> str | None:
        """The column ``history``; None without such turns."""
        turns: list[Sequence[str | None]] = [*self.history]
        turns += [("user", None), *self.steps] if self.steps else []
        return json.dumps(turns, ensure_ascii=False) if turns else None


def read_turns(messages: Sequence[Any], where: str) -> list[Turn]:
    """Check the messages; content None (an answer that only calls a tool) becomes empty text. Raises ExplorerError."""
    turns = []
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ExplorerError(f"{where}, message {number}: no role; expected an object with role and content.")
        content = message.get("content")
        if not isinstance(content, str | None):
            raise ExplorerError(f"{where}, message {number}: content is {type(content).__name__}; expected text.")
        turns.append(Turn(message["role"], content or ""))
    return turns


def read_context(turns: Sequence[Turn]) -> Context | None:
    """Split the turns before an answer; None where none of them is a message of the user with words.

    System messages at the beginning are joined by blank lines; later ones stay where they are.
    """
    first = next((place for place, turn in enumerate(turns) if turn.role != "system"), len(turns))
    system, rest = "\n\n".join(turn.content for turn in turns[:first]), turns[first:]
    asked = [place for place, turn in enumerate(rest) if turn.role == "user" and turn.content.strip()]
    if not asked:
        return None
    last = asked[-1]
    return Context(rest[last].content, system or None, tuple(rest[:last]), tuple(rest[last + 1 :]))


def answers_of(turns: Sequence[Turn]) -> list[int]:
    """Places of the assistant's messages that have words."""
    return [place for place, turn in enumerate(turns) if turn.role == "assistant" and turn.content.strip()]


def parse_history(text: str | None, where: str) -> tuple[tuple[Turn, ...], tuple[Turn, ...]]:
    """Return the turns before the prompt, and those between it and the answer, from the column ``history``.

    Raises ExplorerError that begins with ``where`` for anything else than what ``Context.to_json`` writes.
    """
    if not text:
        return (), ()
    try:
        turns = [Turn(role, content) for role, content in parse_json(text, where)]
    except (ValueError, TypeError) as error:
        raise _broken(where) from error
    prompts = [place for place, turn in enumerate(turns) if turn == ("user", None)]
    place = prompts[0] if prompts else len(turns)
    before, after = tuple(turns[:place]), tuple(turns[place + 1 :])
    if not all(isinstance(text, str) for turn in before + after for text in turn):
        raise _broken(where)
    return before, after


def _broken(where: str) -> ExplorerError:
    return ExplorerError(f"{where}: field 'history' is no conversation; expected JSON text [[role, content], …].")
