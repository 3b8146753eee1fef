"""A prompt as the model reads it: its chat template, its tokens as readable text, and the segment of each token."""

import re
from dataclasses import dataclass
from itertools import pairwise

from explorer.errors import PromptError, first_line
from explorer.model.load import LoadedModel

SEGMENTS = ("system", "user", "assistant", "evidence", "template", "generated")
"""Where a token comes from; ``evidence`` is the marked part of the user's text, ``assistant`` an earlier answer of the
conversation, ``template`` the chat format's own and turns of other roles."""
_MARK = re.compile(r"⟦\d+⟧")


@dataclass(frozen=True)
class Token:
    """One token: its place, id, the characters it stands for, and its segment.

    A character whose bytes are spread over several tokens is given to the first; the others have an empty text.
    """

    index: int
    id: int
    text: str
    segment: str


@dataclass(frozen=True)
class Prompt:
    """A chat message with an optional system prompt, or raw text.

    Attributes:
        raw: read without a chat template: system prompt, earlier turns and text, with a blank line between.
        evidence: the part of the text that should decide.
        history: earlier turns, (role, content), that stand between the system prompt and the text.
        steps: turns that stand between the text and its answer: calls of tools and their results.
    """

    text: str
    system: str | None = None
    raw: bool = False
    evidence: str | None = None
    history: tuple[tuple[str, str], ...] = ()
    steps: tuple[tuple[str, str], ...] = ()

    @property
    def turns(self) -> list[tuple[str, str]]:
        """All (role, content), in order; the text is the user's."""
        system = [("system", self.system)] if self.system else []
        return [*system, *self.history, ("user", self.text), *self.steps]


@dataclass(frozen=True)
class EncodedPrompt:
    """The text that the model reads and its tokens, generation prompt included."""

    prompt: Prompt
    text: str
    tokens: tuple[Token, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """Token ids, in order."""
        return tuple(t.id for t in self.tokens)


def encode_prompt(loaded: LoadedModel, prompt: Prompt) -> EncodedPrompt:
    """Apply the chat template, tokenise, and give every token its segment.

    Raises PromptError for an empty prompt, evidence that is not in it, a chat prompt for a model without a chat
    template, or more tokens than the model reads.
    """
    if not prompt.text.strip():
        raise PromptError("The prompt is empty; expected at least one word.")
    if prompt.evidence and prompt.evidence not in prompt.text:
        raise PromptError(f"The evidence {prompt.evidence[:60]!r} does not stand in the prompt, letter for letter.")
    text, spans = render_spans(loaded, prompt)
    spans = [(role if role in SEGMENTS else "template", start, end) for role, start, end in spans]
    if prompt.evidence:
        user = max(start for segment, start, _ in spans if segment == "user")
        at = text.index(prompt.evidence, user)
        spans = [("evidence", at, at + len(prompt.evidence)), *spans]
    encoded = loaded.tokenizer(text, add_special_tokens=prompt.raw, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    check_length(loaded, len(ids))
    segments = [_segment(spans, start, end) for start, end in offsets]
    parts = zip(ids, token_texts(loaded, ids), segments, strict=True)
    tokens = (Token(index, *token) for index, token in enumerate(parts))
    return EncodedPrompt(prompt, text, tuple(tokens))


def check_length(loaded: LoadedModel, n_tokens: int) -> None:
    """Raise PromptError where a sequence of this length is empty or longer than the model reads."""
    if n_tokens == 0:
        raise PromptError("The prompt has no tokens; expected at least one word.")
    limit = loaded.max_tokens
    if limit and n_tokens > limit:
        raise PromptError(
            f"The prompt has {n_tokens:,} tokens, but {loaded.spec.title} reads at most {limit:,}; "
            "shorten it, or choose a model with a longer context."
        )


def render_spans(loaded: LoadedModel, prompt: Prompt) -> tuple[str, list[tuple[str, int, int]]]:
    """Return the text that the model reads, and (role, start, end) of each turn's content in it, in characters.

    A turn that the chat template rewrites (other than stripping white space at its ends) has no span. Raises
    PromptError as ``encode_prompt`` does.
    """
    contents = [content for _, content in prompt.turns]
    if prompt.raw:
        text, pieces = raw_text(prompt), ["", *["\n\n"] * (len(contents) - 1), ""]
    else:
        marked = [(role, f"⟦{place}⟧") for place, (role, _) in enumerate(prompt.turns)]
        text = _apply_template(loaded, prompt.turns, answer=True)
        pieces = _MARK.split(_apply_template(loaded, marked, answer=True))
    places = _places_between(pieces, contents, text) or _places_in_order(contents, text)
    return text, [(role, *place) for (role, _), place in zip(prompt.turns, places, strict=True) if place]


def raw_text(prompt: Prompt) -> str:
    """Return a raw prompt as it is read: system prompt, earlier turns and text, with a blank line between."""
    return "\n\n".join(content for _, content in prompt.turns)


def end_of_turn(loaded: LoadedModel, raw: bool) -> int | None:
    """Return the id of the token that ends an answer, None where the model has none.

    It is the special token that the chat template puts after an assistant's content (white space may stand between);
    without a chat template, or where that writes none, the tokenizer's ``eos_token``.
    """
    tokenizer = loaded.tokenizer
    if not raw and tokenizer.chat_template:
        tail = _apply_template(loaded, [("user", "⟦0⟧"), ("assistant", "⟦1⟧")], answer=False).rpartition("⟦1⟧")[2]
        ids = tokenizer(tail, add_special_tokens=False)["input_ids"]
        special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
        first = next((i for i in ids if i in special or str(tokenizer.decode([i])).strip()), None)
        if first in special:
            return first
    return tokenizer.eos_token_id if isinstance(tokenizer.eos_token_id, int) else None


def _apply_template(loaded: LoadedModel, turns: list[tuple[str, str]], answer: bool) -> str:
    """The turns in the model's chat format; ``answer``: with what comes before an answer."""
    if not loaded.tokenizer.chat_template:
        raise PromptError(f"{loaded.spec.title} has no chat template; use a raw prompt.")
    messages = [{"role": role, "content": content} for role, content in turns]
    try:
        text = loaded.tokenizer.apply_chat_template(messages, add_generation_prompt=answer, tokenize=False)
    except Exception as error:  # templates raise their own errors, e.g. for a system prompt they do not know
        roles, text = ", ".join(role for role, _ in turns), turns[-1][1][:60]
        refused = f"refuses the turns {roles} that end in {text!r}"
        raise PromptError(f"The chat template of {loaded.spec.title} {refused}: {first_line(error)}") from error
    assert isinstance(text, str)
    return text


def _places_between(pieces: list[str], contents: list[str], text: str) -> list[tuple[int, int] | None]:
    """Places of the contents, with the pieces of the template between them; empty where this is not the text.

    Contents stand there as they are, or without white space at their ends.
    """
    if len(pieces) != len(contents) + 1 or not text.startswith(pieces[0]):
        return []
    places, cursor = [], len(pieces[0])
    for content, (_, after) in zip(contents, pairwise(pieces), strict=True):
        forms = (form for form in (content, content.strip()) if text.startswith(form + after, cursor))
        if (form := next(forms, None)) is None:
            return []
        places.append((cursor, cursor + len(form)) if form else None)
        cursor += len(form) + len(after)
    return places if cursor == len(text) else []


def _places_in_order(contents: list[str], text: str) -> list[tuple[int, int] | None]:
    """Places of the contents as they are found one after the other; None for one that is not there."""
    places, cursor = [], 0
    for content in contents:
        forms = (form for form in (content, content.strip()) if form and form in text[cursor:])
        form = next(forms, "")
        start = text.index(form, cursor)
        places.append((start, start + len(form)) if form else None)
        cursor = start + len(form)
    return places


def _segment(spans: list[tuple[str, int, int]], start: int, end: int) -> str:
    overlapping = (segment for segment, first, last in spans if start < last and end > first and end > start)
    return next(overlapping, "template")


def token_texts(loaded: LoadedModel, ids: list[int] | tuple[int, ...]) -> list[str]:
    """The characters of each token; a character split over several tokens goes to the first, '' to the others.

    Bytes that never make up a character stay '�'.
    """

    def decode(start: int, n: int) -> str:
        return str(loaded.tokenizer.decode(list(ids[start : start + n]), clean_up_tokenization_spaces=False))

    pieces = loaded.tokenizer.convert_ids_to_tokens(list(ids))
    texts: list[str] = []
    while (start := len(texts)) < len(ids):
        lengths = range(1, min(9, len(ids) - start) + 1)
        decoded = ((n, decode(start, n)) for n in lengths)
        length, text = next(((n, text) for n, text in decoded if "�" not in text), (1, None))
        text = decode(start, 1) if text is None else text
        texts += [_with_space(pieces[start], text)] + [""] * (length - 1)
    return texts


def _with_space(piece: str | None, text: str) -> str:
    """A token's text with the spaces that its entry of a SentencePiece vocabulary begins with.

    Llama's decoder drops one from the beginning of whatever it decodes, so from every token that is decoded alone.
    """
    piece = piece or ""
    marks, spaces = (len(whole) - len(whole.lstrip(mark)) for whole, mark in ((piece, "▁"), (text, " ")))
    return " " * (marks - spaces) + text


def spaced(before: str, answer: str, raw: bool) -> str:
    """Return an answer as it continues ``before``.

    In a raw prompt a space is put before an answer that starts with a letter or digit, where ``before`` ends in a word
    or a punctuation mark: people leave it out.
    """
    needs_space = raw and before and (before[-1].isalnum() or before[-1] in ",;:.!?)") and answer[:1].isalnum()
    return " " + answer if needs_space else answer


def text_ids(loaded: LoadedModel, before: str, answer: str, raw: bool) -> tuple[int, ...]:
    """Token ids of an answer as they follow ``before`` (see ``spaced``); raises PromptError for one without tokens."""
    answer = spaced(before, answer, raw)
    encode = loaded.tokenizer.encode
    joint, prefix = encode(before + answer, add_special_tokens=False), encode(before, add_special_tokens=False)
    fits = len(joint) > len(prefix) and joint[: len(prefix)] == prefix
    ids = joint[len(prefix) :] if fits else encode(answer, add_special_tokens=False)
    if not ids:
        raise PromptError(f"The answer {answer!r} has no tokens; expected at least one character.")
    return tuple(ids)
