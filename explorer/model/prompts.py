"""A prompt as the model reads it: its chat template, its tokens as readable text, and the segment of each token."""

from dataclasses import dataclass

from explorer.errors import PromptError
from explorer.model.load import LoadedModel

SEGMENTS = ("system", "user", "evidence", "template", "generated")
"""Where a token comes from; ``evidence`` is the marked part of the user's text, ``template`` the chat format's own."""


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
    """A chat message with an optional system prompt, or raw text; ``evidence`` marks the part that should decide."""

    text: str
    system: str | None = None
    raw: bool = False
    evidence: str | None = None


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
    text, spans = (prompt.text, [("user", 0, len(prompt.text))]) if prompt.raw else _render(loaded, prompt)
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


def render_prompt(loaded: LoadedModel, prompt: Prompt) -> str:
    """Text that the model reads, with the generation prompt. Raises PromptError as ``encode_prompt`` does."""
    return prompt.text if prompt.raw else _render(loaded, prompt)[0]


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


def _render(loaded: LoadedModel, prompt: Prompt) -> tuple[str, list[tuple[str, int, int]]]:
    """The chat text and (segment, start, end) of each message's content in it."""
    if not loaded.tokenizer.chat_template:
        raise PromptError(f"{loaded.spec.title} has no chat template; use a raw prompt.")
    messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
    messages.append({"role": "user", "content": prompt.text})
    try:
        text = loaded.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    except Exception as error:  # templates raise their own errors, e.g. for a system prompt they do not know
        raise PromptError(f"The chat template of {loaded.spec.title} refuses this prompt: {error}") from error
    assert isinstance(text, str)
    spans, cursor = [], 0
    for message in messages:
        for content in (message["content"], message["content"].strip()):  # many templates strip white space
            if (start := text.find(content, cursor)) >= 0:
                cursor = start + len(content)
                spans.append((message["role"], start, cursor))
                break
    return text, spans


def _segment(spans: list[tuple[str, int, int]], start: int, end: int) -> str:
    overlapping = (segment for segment, first, last in spans if start < last and end > first and end > start)
    return next(overlapping, "template")


def token_texts(loaded: LoadedModel, ids: list[int] | tuple[int, ...]) -> list[str]:
    """The characters of each token; a character split over several tokens goes to the first, '' to the others.

    Bytes that never make up a character stay '�'.
    """

    def decode(start: int, n: int) -> str:
        return str(loaded.tokenizer.decode(list(ids[start : start + n]), clean_up_tokenization_spaces=False))

    texts: list[str] = []
    while (start := len(texts)) < len(ids):
        lengths = range(1, min(9, len(ids) - start) + 1)
        decoded = ((n, decode(start, n)) for n in lengths)
        length, text = next(((n, text) for n, text in decoded if "�" not in text), (1, None))
        texts += [decode(start, 1) if text is None else text] + [""] * (length - 1)
    return texts


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
