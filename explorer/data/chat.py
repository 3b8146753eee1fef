"""Chats in training data: a list of ``{role, content}`` objects split into prompt, system message and answer."""

from typing import Any, NamedTuple

from explorer.errors import ExplorerError


class Turn(NamedTuple):
    """One message of a chat."""

    role: str
    content: str


def read_turns(messages: list[Any], where: str) -> list[Turn]:
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


def split_answer(turns: list[Turn]) -> tuple[list[Turn], str]:
    """(turns before the assistant's last message, that message); (all turns, empty text) if there is none."""
    last = max((place for place, turn in enumerate(turns) if turn.role == "assistant"), default=len(turns))
    return turns[:last], turns[last].content if last < len(turns) else ""


def common_start(one: list[Turn], other: list[Turn]) -> list[Turn]:
    """The turns that two chats begin with in common."""
    same = next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))
    return one[: min(same, len(other))]


def prompt_and_system(turns: list[Turn]) -> tuple[str, str | None]:
    """The user's messages, joined by blank lines, and the system messages likewise (None if there are none)."""
    texts = {role: "\n\n".join(t.content for t in turns if t.role == role) for role in ("user", "system")}
    return texts["user"], texts["system"] or None
