"""Turns of a conversation: which of them is the prompt, which the answer, and how a datapoint keeps the others.

The column ``history`` of a datapoint is JSON text, ``[[role, content], …]``: the turns between the system prompt and
the answer, without the prompt, which is the last message of the user. Where turns stand between the prompt and the
answer (a tool's call and its result), ``["user", null]`` marks the prompt's place.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from explorer.errors import ExplorerError
from explorer.reading import parse_json

_USERS = ("human", "prompter")
_ASSISTANTS = ("gpt", "chatgpt", "bing", "bard", "model", "bot", "chatbot", "ai", "function_call")
_TOOLS = ("observation", "function", "function_response", "tool_response", "ipython")
ROLES = {
    **dict.fromkeys(_USERS, "user"),
    **dict.fromkeys(_ASSISTANTS, "assistant"),
    **dict.fromkeys(_TOOLS, "tool"),
    "developer": "system",
}
"""Who speaks, by the names of other formats: ShareGPT's, OpenAI's, those of some models."""
PARTS = "of messages that are no text (pictures, sounds, files), left out: the model reads words alone"
CALLS = (
    "to tools, written into the message as <tool_call>{name, arguments}</tool_call>: training may have had them else"
)


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


def read_turns(messages: Sequence[Any], where: str, found: list[tuple[str, str]] | None = None) -> list[Turn]:
    """Check the messages of any usual format, and return them under the usual roles.

    A message is ``{role, content}``, ShareGPT's ``{from, value}`` or ``{input, output}``; its content is text, null
    (empty text) or a list of parts, whose texts are joined by line breaks.

    Args:
        found: takes (what is counted, sentence about it) of parts that are no text, and of calls of tools.

    Raises ExplorerError that begins with ``where`` for anything else.
    """
    turns, found = [], [] if found is None else found
    for number, message in enumerate(messages, 1):
        place = f"{where}, message {number}"
        if not isinstance(message, dict):
            raise ExplorerError(f"{place}: no role; expected an object with role and content.")
        if isinstance(message.get("input"), str) and isinstance(message.get("output"), str):
            turns += [Turn("user", message["input"]), Turn("assistant", message["output"])]
            continue
        role: str = next((message[name] for name in ("role", "from") if isinstance(message.get(name), str)), "")
        if not role:
            raise ExplorerError(f"{place}: no role; expected an object with role and content.")
        content = next((message[name] for name in ("content", "value", "text") if message.get(name) is not None), None)
        text = "\n".join(filter(None, [_content(content, place, found), *_calls(message.get("tool_calls"), found)]))
        role = role.strip().lower()
        turns.append(Turn(ROLES.get(role, role), text))
    return turns


def _content(content: Any, where: str, found: list[tuple[str, str]]) -> str:
    """The text of a message."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ExplorerError(f"{where}: content is {type(content).__name__}; expected text.")
    texts = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            texts.append(text)
        else:
            found.append(("part", PARTS))
    return "\n".join(texts)


def _calls(calls: Any, found: list[tuple[str, str]]) -> list[str]:
    """Calls of tools as text, one each."""
    texts = []
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not function.get("name"):
            continue
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            with suppress(ExplorerError):
                arguments = parse_json(arguments, "arguments", strict=False)
        called = {"name": function["name"], "arguments": arguments}
        texts.append(f"<tool_call>\n{json.dumps(called, ensure_ascii=False, default=str)}\n</tool_call>")
        found.append(("call", CALLS))
    return texts


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
