"""Edit and rerun: a prompt without some of its tokens, or with others, beside what the map predicted.

An edit changes the prompt's text, letter for letter, and the chat template and the tokenizer read the result anew: what
somebody would get who typed it. The contrast stays: the same two tokens (or whole answers), after the same beginning.

What the map predicts is the linear reading that the map itself is: a deleted token takes its relevance with it, so the
gap changes by −R; a replaced one changes it by (x′ − x)·∂Δℓ/∂x, with x the token's embedding and the rule's gradient.
It knows nothing of tokens that move up, of neighbours that are tokenised anew, or of what is not linear: hence the
rerun.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import quote, unquote

import torch
from torch import Tensor

from explorer.data.failures import Failure
from explorer.errors import PromptError
from explorer.limits import EDIT_CHARS, EDITS, TRIES
from explorer.model.generate import greedy_answer
from explorer.model.load import LoadedModel, ModelSpec
from explorer.model.passes import model_pass
from explorer.model.prompts import EncodedPrompt, check_length, encode_prompt, render_spans
from explorer.model.residual import recorded_residual, wide
from explorer.trace.compare import ANSWER_TOKENS
from explorer.trace.explain import Explanation, explain, ready_model, trace_rule
from explorer.trace.trace import Objective, answer_log_probability, logit_gap, trace_objective


@dataclass(frozen=True)
class Edit:
    """A token of the map, by its index, and what stands in its place; None deletes it."""

    index: int
    text: str | None = None


@dataclass(frozen=True)
class Try:
    """What some edits together did.

    Attributes:
        failure: with the edited prompt.
        before, gap: Δℓ of the prompt as it was, and measured on the edited one, in ``unit``.
        predicted: change of the gap that the map predicts; None for a replacement that is more or fewer tokens.
        answer: the model's greedy answer to the edited prompt, at most ``ANSWER_TOKENS`` tokens.
    """

    edits: tuple[Edit, ...]
    failure: Failure
    before: float
    gap: float
    unit: str
    predicted: float | None
    answer: str

    @property
    def change(self) -> float:
        """Change of the gap, measured."""
        return self.gap - self.before

    def line(self) -> str:
        """What came of it, in one line of plain text."""
        predicted = "no estimate" if self.predicted is None else f"{self.predicted:+.2f}"
        gaps = (
            f"gap {self.before:+.2f} → {self.gap:+.2f} {self.unit} (predicted {predicted}, measured {self.change:+.2f})"
        )
        return f"{gaps} for {self.failure.prompt!r}; the model answers {self.answer!r}"

    def to_json(self) -> dict[str, Any]:
        """The object under ``edits`` of ``explorer trace --json -``."""
        figures = {"gap_before": self.before, "gap": self.gap, "change": self.change, "unit": self.unit}
        prompt = {"prompt": self.failure.prompt, "system": self.failure.system}
        tokens = {"tokens": [asdict(edit) for edit in self.edits]}
        return tokens | prompt | figures | {"predicted_change": self.predicted, "answer": self.answer}


def try_edits(
    failure: Failure,
    edits: Sequence[Edit],
    model: str | ModelSpec | LoadedModel = "smollm2",
    *,
    rule: str = "attnlrp",
    layer: int | None = None,
    whole: bool = False,
    explanation: Explanation | None = None,
) -> Try:
    """Edit the tokens of a failure's prompt all at once, and measure the gap and the answer anew.

    Args:
        edits: of tokens of the prompt's own text, by their index in the map.
        model, rule, layer, whole: as in ``explain``.
        explanation: the failure's map, where it is there already; it says rule, layer and whole.

    Raises:
        ExplorerError: for a token that can't be edited, and for what ``explain`` refuses.
    """
    loaded = ready_model(model)
    if explanation is None:
        explanation = explain(failure, loaded, rule=rule, layer=layer, whole=whole)
    old = encode_prompt(loaded, failure.as_prompt())
    changes = _changes(loaded, old, edits)
    edited = _edited(failure, changes)
    new = encode_prompt(loaded, edited.as_prompt())
    gap, states = _measure(loaded, explanation, new)
    predicted = _predicted(loaded, explanation, changes, _places(loaded, old, new, changes), states)
    answer = greedy_answer(loaded, new, ANSWER_TOKENS, top=1).text
    return Try(tuple(edits), edited, explanation.trace.gap, gap, explanation.unit, predicted, answer)


def editable(loaded: LoadedModel, failure: Failure) -> list[bool]:
    """Say of each token of the prompt whether it can be edited: it holds characters that somebody typed."""
    encoded = encode_prompt(loaded, failure.as_prompt())
    spans = token_spans(loaded, encoded)
    turns = [(start, end) for _, start, end in render_spans(loaded, encoded.prompt)[1]]
    return [any(min(end, b) > max(start, a) for a, b in turns) for start, end in spans]


def token_spans(loaded: LoadedModel, encoded: EncodedPrompt) -> list[tuple[int, int]]:
    """Return the characters (from, to) of the text that each token covers, without gaps between them.

    White space that the tokenizer counts to no token goes to the one after it; the tokens of a character whose bytes
    are spread over several all cover it.
    """
    read = loaded.tokenizer(encoded.text, add_special_tokens=encoded.prompt.raw, return_offsets_mapping=True)
    spans, covered = [], 0
    for start, end in read["offset_mapping"]:
        spans.append((min(start, covered), end) if end > start else (covered, covered))
        covered = max(covered, end)
    return spans


@dataclass(frozen=True)
class _Change:
    """Characters of a turn's content and what they become, and the tokens that cover them in the old prompt."""

    role: str
    start: int
    end: int
    text: str
    deleted: bool
    tokens: tuple[int, ...]


def _changes(loaded: LoadedModel, encoded: EncodedPrompt, edits: Sequence[Edit]) -> list[_Change]:
    """Return what the edits do to the contents of the turns, in order and without overlaps."""
    if not edits or len(edits) > EDITS:
        raise PromptError(f"{len(edits)} edits; expected 1 to {EDITS} tokens to delete or replace.")
    spans, turns = token_spans(loaded, encoded), _turns(loaded, encoded)
    merged: list[_Change] = []
    for edit in sorted({edit.index: edit for edit in edits}.values(), key=lambda edit: edit.index):
        change = _change(encoded, spans, turns, edit)
        last = merged[-1] if merged else None
        if last and last.role == change.role and change.start < last.end:  # pieces of one character
            text, deleted = last.text + change.text, last.deleted and change.deleted
            merged[-1] = replace(last, end=max(last.end, change.end), text=text, deleted=deleted)
        else:
            merged.append(change)
    return [replace(change, tokens=_covering(spans, turns[change.role][0], change)) for change in merged]


def _turns(loaded: LoadedModel, encoded: EncodedPrompt) -> dict[str, tuple[int, int, str]]:
    """Role → (where its content would begin in the text, where what stands there of it ends, content)."""
    contents = dict(encoded.prompt.turns)
    turns = {}
    for role, start, end in render_spans(loaded, encoded.prompt)[1]:
        whole = end - start == len(contents[role])
        stripped = 0 if whole else len(contents[role]) - len(contents[role].lstrip())
        turns[role] = start - stripped, end, contents[role]
    return turns


def _change(
    encoded: EncodedPrompt, spans: list[tuple[int, int]], turns: dict[str, tuple[int, int, str]], edit: Edit
) -> _Change:
    if not 0 <= edit.index < len(encoded.tokens):
        raise PromptError(f"The prompt has no token {edit.index}; expected 0 to {len(encoded.tokens) - 1}.")
    if edit.text and len(edit.text) > EDIT_CHARS:
        raise PromptError(f"A replacement of {len(edit.text):,} characters; expected at most {EDIT_CHARS}.")
    start, end = spans[edit.index]
    for role, (first, last, content) in turns.items():
        low, high = max(start, first) - first, min(end, last) - first
        if low < high:
            new, old = edit.text or "", content[low:high]
            if new and not new[0].isspace():
                new = old[: len(old) - len(old.lstrip())] + new
            if new and not new[-1].isspace() and old.strip():
                new += old[len(old.rstrip()) :]
            return _Change(role, low, high, new, not edit.text, ())
    token = encoded.tokens[edit.index]
    raise PromptError(f"Token {edit.index} ({token.text!r}) is the template's; expected one of the prompt's own text.")


def _covering(spans: list[tuple[int, int]], first: int, change: _Change) -> tuple[int, ...]:
    low, high = first + change.start, first + change.end
    return tuple(i for i, (start, end) in enumerate(spans) if start < high and end > low)


def _edited(failure: Failure, changes: Sequence[_Change]) -> Failure:
    contents = {"user": failure.prompt, "system": failure.system or ""}
    for change in reversed(changes):
        text = contents[change.role]
        contents[change.role] = text[: change.start] + change.text + text[change.end :]
    evidence = failure.evidence if failure.evidence and failure.evidence in contents["user"] else None
    return replace(failure, prompt=contents["user"], system=contents["system"] or None, evidence=evidence)


def _places(
    loaded: LoadedModel, old: EncodedPrompt, new: EncodedPrompt, changes: Sequence[_Change]
) -> list[tuple[int, ...]]:
    """Return the tokens of the edited prompt that stand for each change; empty where none or parts of others do."""
    spans, turns, shift, places = token_spans(loaded, new), _turns(loaded, new), {}, []
    for change in changes:
        if change.role not in turns:
            places.append(())
            continue
        moved = shift.get(change.role, 0)
        low = change.start + moved
        there = replace(change, start=low, end=low + len(change.text))
        shift[change.role] = moved + len(change.text) - (change.end - change.start)
        first = turns[change.role][0]
        tokens = _covering(spans, first, there)
        exact = tokens and (spans[tokens[0]][0], spans[tokens[-1]][1]) == (first + there.start, first + there.end)
        places.append(tokens if exact else ())
    return places


def objectives(explanation: Explanation, ids: tuple[int, ...]) -> list[tuple[float, tuple[int, ...], Objective, int]]:
    """(sign, tokens to read after the prompt ``ids``, scalar, positions) whose signed sum is the gap."""
    c = explanation.contrast
    if explanation.whole:
        sides = ((1.0, c.wrong_ids), (-1.0, c.right_ids))
        return [(sign, (*ids, *side[:-1]), answer_log_probability(side), len(side)) for sign, side in sides]
    begun = tuple(token.id for token in c.tokens if token.segment == "generated")
    return [(1.0, (*ids, *begun), logit_gap(c.target, c.foil), 1)]


def _measure(loaded: LoadedModel, explanation: Explanation, new: EncodedPrompt) -> tuple[float, Tensor]:
    """Return the gap after an edited prompt, and the input of the first block (T, width), by passes forward alone."""
    gap, states = 0.0, torch.empty(0)
    for sign, ids, objective, positions in objectives(explanation, new.ids):
        check_length(loaded, len(ids) + 1)
        view = loaded.view("gradient", len(ids))
        with model_pass(view, len(ids), "Trying the edit"), torch.no_grad(), recorded_residual(view) as recording:
            tokens = torch.tensor([ids], device=view.device)
            logits = view(input_ids=tokens, use_cache=False, logits_to_keep=positions).logits
        gap += sign * objective(wide(logits[0])).item()
        states = recording.states[0][0].detach()
    return gap, states


def _predicted(
    loaded: LoadedModel,
    explanation: Explanation,
    changes: Sequence[_Change],
    places: Sequence[tuple[int, ...]],
    states: Tensor,
) -> float | None:
    """Return the change of the gap that the map predicts; None where a replacement is not token for token."""
    total, embedded = 0.0, None
    for change, new in zip(changes, places, strict=True):
        if change.deleted:
            total -= float(explanation.relevance[list(change.tokens)].sum())
        elif len(new) != len(change.tokens):
            return None
        else:
            embedded = embedded or _embedded(loaded, explanation)
            before, gradient = (part[list(change.tokens)] for part in embedded)
            total += float(((wide(states[list(new)]) - wide(before)) * wide(gradient)).sum())
    return total


def _embedded(loaded: LoadedModel, explanation: Explanation) -> tuple[Tensor, Tensor]:
    """Return the input of the first block at the prompt's tokens and the gap's gradient there, (T, width) each."""
    if passes := explanation.trace.passes:
        return passes.states[0], passes.gradients[0]
    n = next((t.index for t in explanation.contrast.tokens if t.segment == "generated"), explanation.contrast.position)
    state, gradient = torch.empty(0), torch.zeros(1)
    for sign, ids, objective, positions in objectives(explanation, explanation.contrast.ids[:n]):
        view = loaded.view(trace_rule(explanation.rule), len(ids))
        passes = trace_objective(view, ids, objective, positions, record=True).passes
        assert passes
        state, gradient = passes.states[0][:n], gradient + sign * passes.gradients[0][:n]
    return state, gradient


def parse_tries(text: str) -> tuple[tuple[Edit, ...], ...]:
    """Read tries as a link spells them: ``12,13=Rome;14`` is two tries. What is beyond sense or limits is left out.

    A try without edits (nothing between two ``;``) begins afresh.
    """
    tries = []
    for part in text.split(";")[-TRIES:] if text else []:
        edits = [edit for word in part.split(",")[:EDITS] if (edit := parse_edit(word))]
        tries.append(tuple(edits))
    return tuple(tries)


def parse_edit(text: str) -> Edit | None:
    """Read ``12`` (delete) or ``12=word`` (replace, percent-encoded); None for anything else."""
    index, equals, word = text.partition("=")
    if not (index.isascii() and index.isdecimal() and len(index) < 7):
        return None
    word = unquote(word[: 12 * EDIT_CHARS])[:EDIT_CHARS]
    return Edit(int(index), word) if word else None if equals else Edit(int(index))


def format_tries(tries: Sequence[Sequence[Edit]]) -> str:
    """Spell tries as ``parse_tries`` reads them, the last ``TRIES`` of them."""
    spelt = lambda e: str(e.index) if e.text is None else f"{e.index}={quote(e.text, safe='')}"  # noqa: E731
    return ";".join(",".join(map(spelt, edits)) for edits in tries[-TRIES:])
