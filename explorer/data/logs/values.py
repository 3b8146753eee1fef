"""Values of a log as what a sample is made of: text that can be encoded, numbers, and turns of a chat."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from explorer.data.logs.sample import Findings
from explorer.errors import ExplorerError
from explorer.reading import parse_json

TOPICS = ("category", "subject", "topic", "tag", "type", "kind")
"""Fields of a question that say which kind it is of, the first one counts."""
_JOINED = "{} with earlier turns: they stand before the question, in one text"


class Asked(NamedTuple):
    """A chat as a sample's prompt and system prompt."""

    prompt: str
    system: str | None


def text_of(value: Any) -> str | None:
    """Text as it is, half characters replaced; anything else as JSON; None for null."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()


def texts_of(value: Any) -> tuple[str, ...]:
    """The texts of a list, or of the one value that stands in its place; without nulls and repetitions."""
    values = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(text for item in values if (text := text_of(item)) is not None))


def name_of(value: Any) -> str:
    """Text of a field that names something; "" for anything else."""
    return (text_of(value) or "") if isinstance(value, str | int) and not isinstance(value, bool) else ""


def number_of(value: Any) -> float | None:
    """A finite number, true and false as 1 and 0; None for anything else."""
    if isinstance(value, bool | int | float):
        try:
            return float(value) if math.isfinite(value) else None
        except OverflowError:
            return None
    return None


def failed_at(score: float | None) -> bool | None:
    """Whether a score between 0 and 1 is a failure: 1 is none, 0 is one, anything else is undecided."""
    return {1.0: False, 0.0: True}.get(score) if score is not None else None


def fields_of(value: Any) -> Mapping[str, Any]:
    """An object's fields; none for anything else."""
    return value if isinstance(value, dict) else {}


def items_of(value: Any) -> Sequence[Any]:
    """A list's items; none for anything else."""
    return value if isinstance(value, list) else []


def topic_of(*fields: Mapping[str, Any]) -> str:
    """The first text under one of ``TOPICS``, "" for none."""
    named = (name_of(values.get(topic)) for values in fields for topic in TOPICS)
    return next((name for name in named if name.strip()), "")


def is_chat(value: Any) -> bool:
    """Whether a value is a list of messages with a role."""
    return bool(items_of(value)) and all(isinstance(item, dict) and "role" in item for item in value)


def chat_in(text: str) -> Any:
    """The list of messages that a text is as JSON; the text itself where it is none."""
    if not text.lstrip().startswith("[") or '"role"' not in text:
        return text
    try:
        chat = parse_json(text, "prompt", strict=False)
    except ExplorerError:
        return text
    return chat if is_chat(chat) else text


def content_of(message: Mapping[str, Any]) -> str:
    """A message's text; of a content in parts the text parts, joined by line ends."""
    content = message.get("content")
    if not isinstance(content, list):
        return text_of(content) or ""
    parts = (fields_of(part) for part in content)
    return "\n".join(text_of(part["text"]) or "" for part in parts if part.get("type") == "text" and "text" in part)


def asked_of(prompt: Any, findings: Findings) -> Asked:
    """What was asked, from text or from a list of messages.

    Joins the system messages, and the other turns, by blank lines, as ``Prompt`` does without a template.
    """
    if not is_chat(prompt):
        return Asked(text_of(prompt) or "", None)
    turns = [(message.get("role"), content_of(message)) for message in prompt]
    system = "\n\n".join(text for role, text in turns if role in ("system", "developer") and text)
    others = [text for role, text in turns if role not in ("system", "developer") and text]
    if len(others) > 1:
        findings.count(_JOINED)
    return Asked("\n\n".join(others), system or None)
