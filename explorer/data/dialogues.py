"""Conversations that are written as one text, with a mark before every turn, as messages; and text without any mark."""

import re
from dataclasses import dataclass
from typing import Any

_USER, _ASSISTANT, _SYSTEM = "user", "assistant", "system"
_ROLES = {
    **dict.fromkeys(("human", "user", "instruction", "input", "[inst]"), _USER),
    **dict.fromkeys(("assistant", "response", "model", "gpt", "[/inst]"), _ASSISTANT),
    "system": _SYSTEM,
    "ipython": "tool",
}


@dataclass(frozen=True)
class _Style:
    """How turns are marked.

    Attributes:
        mark: before a turn; its group names who speaks.
        end: after a turn, no part of it.
        preamble: whether the text before the first mark is a system prompt; else there may be none.
    """

    mark: re.Pattern[str]
    end: re.Pattern[str] | None = None
    preamble: bool = False


_STYLES = (
    _Style(re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):[ \t]?")),  # HH-RLHF
    _Style(re.compile(r"(?:\A\s*|\n)### ?(Human|User|Assistant|System):[ \t]?")),  # Guanaco, Vicuna
    _Style(re.compile(r"(?:\A\s*|\n)### ?(Instruction|Input|Response):[ \t]?"), None, True),  # Alpaca
    _Style(re.compile(r"<\|im_start\|>(\w+)\n"), re.compile(r"<\|im_end\|>\s*\Z")),
    _Style(re.compile(r"<\|start_header_id\|>(\w+)<\|end_header_id\|>"), re.compile(r"<\|eot_id\|>\s*\Z")),
    _Style(re.compile(r"<start_of_turn>(\w+)\n"), re.compile(r"<end_of_turn>\s*\Z")),
    _Style(re.compile(r"<\|(system|user|assistant)\|>"), re.compile(r"(?:</s>|<\|end\|>|<\|endoftext\|>)\s*\Z")),
    _Style(re.compile(r"(\[INST\]|\[/INST\])"), re.compile(r"</s>\s*(?:<s>\s*)?\Z")),
)
_BEGIN = re.compile(r"\A(?:<s>|<bos>|<\|begin_of_text\|>)\s*")
_LLAMA_SYSTEM = re.compile(r"\A<<SYS>>(.*?)<</SYS>>", re.DOTALL)
_SENTENCE = re.compile(r"[.!?]\s+")
_WORD = re.compile(r"\s+")


def read_dialogue(text: str) -> list[dict[str, Any]] | None:
    """Return the turns of a text as messages; None where it is no dialogue of a user and an assistant.

    Turns without words are left out at the end ("Assistant:", which the answer follows), white space at their ends too.
    """
    text = _BEGIN.sub("", text)
    if (found := _marks(text)) is None:
        return None
    style, marks, roles = found
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    contents = [text[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]
    if style.end:
        contents = [style.end.sub("", content) for content in contents]
    before = text[: marks[0].start()].strip()
    return _messages([("system", before)] * bool(before) + list(zip(roles, contents, strict=True)))


def last_answer(text: str) -> tuple[str, str] | None:
    """Split a dialogue after its last mark of the assistant; None where it is none, or nothing stands there.

    The two put together are the text.
    """
    if (found := _marks(text)) is None:
        return None
    _, marks, roles = found
    mark = next(mark for mark, role in zip(reversed(marks), reversed(roles), strict=True) if role == _ASSISTANT)
    prompt = text[: mark.end()].rstrip(" ")
    return (prompt, text[len(prompt) :]) if text[len(prompt) :].strip() else None


def _marks(text: str) -> tuple[_Style, list[re.Match[str]], list[str]] | None:
    """The style of a dialogue, its marks, and who speaks after each."""
    text = _BEGIN.sub(lambda begin: " " * len(begin[0]), text)
    for style in _STYLES:
        marks = list(style.mark.finditer(text))
        roles = [_ROLES.get(mark[1].lower(), mark[1].lower()) for mark in marks]
        if not {_USER, _ASSISTANT} <= {*roles} or roles[0] == _ASSISTANT:
            continue
        if style.preamble or not text[: marks[0].start()].strip():
            return style, marks, roles
    return None


def split_text(text: str) -> tuple[str, str] | None:
    """Split text without turns: its first line, or else its first sentence or word, and the rest; None for one word.

    The two put together are the text.
    """
    start = len(text) - len(text.lstrip())
    line = text.find("\n", start)
    if line >= 0 and text[line:].strip():
        end = line + 1
    elif mark := _SENTENCE.search(text, start) or _WORD.search(text, start):
        end = mark.end()
    else:
        return None
    return (text[:end], text[end:]) if text[end:].strip() else None


def common_prompt(one: str, other: str) -> str:
    """What two texts begin with in common, up to white space: the prompt of a pair that has none of its own."""
    same = next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    common = one[: min(len(one), len(other)) if same is None else same]
    return common[: max(common.rfind(" "), common.rfind("\n")) + 1]


def _messages(turns: list[tuple[str, str]]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for role, content in turns:
        words = content.strip()
        if role == _USER and (system := _LLAMA_SYSTEM.match(words)):
            messages.append({"role": _SYSTEM, "content": system[1].strip()})
            words = words[system.end() :].strip()
        if messages and messages[-1]["role"] == role == _USER:  # Alpaca's instruction and input
            messages[-1]["content"] += f"\n\n{words}"
        else:
            messages.append({"role": role, "content": words})
    while messages and not messages[-1]["content"]:
        messages.pop()
    return messages
