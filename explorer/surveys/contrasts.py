"""The two answers to contrast in a logged failure: what the model said, and the right answer in the same words.

For a free answer they are found as CAIW does: at the first token where the model's answer leaves the right one, or at
the best token among its ten likeliest whose continuation, generated, satisfies the expected answer. Such a pair differs
in nothing before the wrong token, so that the gap there is about the content and not about the wording.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from explorer.data.logs.sample import Log, LoggedSample
from explorer.errors import ExplorerError, PromptError, count
from explorer.model.generate import answers, continuations
from explorer.model.load import LoadedModel
from explorer.model.passes import model_pass
from explorer.model.prompts import encode_prompt, text_ids, token_texts
from explorer.progress import Progress, Stopped, silent
from explorer.surveys.folder import Case, LogAbout
from explorer.surveys.satisfies import plain, satisfies
from explorer.trace.alignment import exchange_alike, places_of

TOP = 10
"""Likeliest tokens at a position among which a corrective one is looked for, as CAIW."""
TRIES = 6
"""Corrective tokens whose continuation is generated."""
_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")
ANSWER_TOKENS = 48
"""Most tokens of an answer that is generated, and of a logged one that is searched."""


@dataclass(frozen=True)
class LogCases:
    """A log that was recognised: its failed samples as cases, and what it says of itself."""

    log: Log
    cases: tuple[Case, ...]
    about: LogAbout


def cases_of(log: Log) -> LogCases:
    """Read the failed samples of a log that can be surveyed, without a model.

    A sample is a failure where the log says so, or, where it does not, where what was said does not satisfy what was
    expected; one without an answer, or an empty one, is kept, as the model has to be asked. One without an expected
    answer is counted.
    """
    cases: list[Case] = []
    samples = failed = no_target = 0
    for sample in log.samples():
        samples += 1
        if (wrong := has_failed(sample)) is False:
            continue
        failed += bool(wrong)
        no_target += bool(wrong) and not sample.expected
        if sample.expected:
            cases.append(_case(sample))
    problems = list(log.problems)
    if no_target:
        has = "has" if no_target == 1 else "have"
        was = "was" if no_target == 1 else "were"
        problems.append(f"{count(no_target, 'failed sample')} {has} no expected answer and {was} left out.")
    about = {name: getattr(log, name) for name in ("harness", "version", "task", "model", "metric")}
    told = LogAbout(log.path.name, **about, samples=samples, failed=failed, problems=tuple(problems))
    return LogCases(log, tuple(cases), told)


def has_failed(sample: LoggedSample) -> bool | None:
    """Return whether a sample is a failure; None where it has no answer yet, or nothing was expected."""
    if sample.failed is not None:
        return sample.failed
    if sample.said is None or not sample.expected:
        return None
    return not satisfies(sample.said, sample.expected, sample.check)


def _case(sample: LoggedSample) -> Case:
    names = ("id", "prompt", "system", "raw", "category", "said", "expected", "choices")
    fields = {name: getattr(sample, name) for name in names}
    fields["said"] = sample.said if (sample.said or "").strip() else None
    if sample.choices and sample.said:
        return Case(**fields, wrong=sample.said, right=sample.expected[0], check="choice", how="choice")
    return Case(**fields, check=sample.check)


def contrasted(case: Case, loaded: LoadedModel) -> Case:
    """Find the contrast of a case by the first of these ways that works; one that has its right side is returned.

    *aligned*: the expected answer exchanges one word for another in what was said. *corrective*: what was said, left at
    the token whose alternative leads to an answer that satisfies the expected one (see ``corrective_answer``).
    *exchanged*: what was said, with its one number, name or word that could be the mistake exchanged. *first token*:
    what was said against the expected answer as it is. Of multiple choice, ``cases_of`` knew it before.

    Raises ExplorerError for a case without an answer, and where nothing can be contrasted.
    """
    if case.right:
        return case
    said = case.said or ""
    if not said.strip():
        raise PromptError("The model said nothing; expected an answer.")
    literal = "" if case.check == "regex" else case.expected[0]
    if literal and any(place.content for place in places_of(said, literal)):
        return replace(case, wrong=said, right=literal, how="aligned")
    if found := corrective_answer(case, said, loaded):
        return replace(case, wrong=said, right=found, how="corrective")
    if not literal:
        raise PromptError("No answer that matches the expected pattern was found; give the right answer yourself.")
    if exchanged := exchange_alike(said, literal, case.prompt):
        return replace(case, wrong=said, right=exchanged, how="exchanged")
    if plain(said) == plain(literal):
        raise PromptError("What was said and what was expected differ only in capitals or punctuation.")
    return replace(case, wrong=said, right=literal, how="first token")


def each_contrasted(cases: Sequence[Case], loaded: LoadedModel) -> Iterator[Case | ExplorerError]:
    """Find the contrast of one case after another (see ``contrasted``), or why there is none. Raises Stopped."""
    for case in cases:
        try:
            yield contrasted(case, loaded)
        except Stopped:
            raise
        except ExplorerError as error:
            yield error


@dataclass(frozen=True)
class _Alternative:
    """A token that the model considered in place of one of its answer: where, which, how probable."""

    position: int
    token: int
    probability: float
    begins: bool


def corrective_answer(case: Case, said: str, loaded: LoadedModel) -> str | None:
    """Return what was said up to some token, an alternative to it, and the model's continuation, that satisfies.

    The alternatives are the ``TOP`` likeliest tokens at every position of the answer. Those that begin an expected
    answer are tried first, then the most probable; ``TRIES`` in all, one generation of up to ``ANSWER_TOKENS`` each.
    """
    encoded = encode_prompt(loaded, case.failure.as_prompt())
    ids = text_ids(loaded, encoded.text, said, case.raw)[:ANSWER_TOKENS]
    alternatives = _alternatives(case, loaded, encoded.ids, ids)
    starts = [(*ids[: each.position], each.token) for each in alternatives[:TRIES]]
    beginnings = ["".join(token_texts(loaded, start)) for start in starts]

    def right(number: int, more: str) -> str | None:
        """The answer of a try up to the end of its last sentence, if it satisfies the expected one."""
        text = (beginnings[number] + more).strip().partition("\n\n")[0]
        for answer in (_whole_sentences(text), text):
            if answer and satisfies(answer, case.expected, case.check) and plain(answer) != plain(said):
                return answer
        return None

    def enough(texts: list[str], ended: list[bool]) -> bool:
        """Whether a try is right in a whole sentence, and no better one can still become so."""
        for number, more in enumerate(texts):
            over = ended[number] or "\n\n" in more
            if (over or _SENTENCE_END.search(more)) and right(number, more):
                return True
            if not over:
                return False
        return False

    rows = [(*encoded.ids, *start) for start in starts]
    texts = continuations(loaded, rows, ANSWER_TOKENS, enough)
    return next(filter(None, map(right, range(len(texts)), texts)), None)


def _whole_sentences(text: str) -> str:
    """A text up to the end of its last sentence; empty where it has none."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text + " ")]
    return text[: ends[-1]].rstrip() if ends else ""


def _alternatives(case: Case, loaded: LoadedModel, prompt: Sequence[int], answer: Sequence[int]) -> list[_Alternative]:
    ids = torch.tensor([[*prompt, *answer]], device=loaded.model.device)
    view = loaded.view("gradient", ids.shape[1])
    with model_pass(view, ids.shape[1], "Reading the answer"), torch.no_grad():
        logits = view(input_ids=ids, use_cache=False, logits_to_keep=len(answer) + 1).logits[0, :-1]
    best = logits.float().softmax(-1).topk(TOP)
    beginnings = [] if case.check == "regex" else [plain(each) for each in case.expected]
    found = []
    for position, (tokens, shares) in enumerate(zip(best.indices.tolist(), best.values.tolist(), strict=True)):
        texts = token_texts(loaded, tokens)
        for token, share, text in zip(tokens, shares, texts, strict=True):
            if token != answer[position] and plain(text):
                begins = any(each.startswith(plain(text)) for each in beginnings)
                found.append(_Alternative(position, token, share, begins))
    return sorted(found, key=lambda each: (not each.begins, -each.probability))


def answered(cases: Sequence[Case], loaded: LoadedModel, progress: Progress = silent) -> list[Case]:
    """Ask the model what no log says it said, many prompts at once; cases that it answers rightly are left out."""
    asked = [case for case in cases if case.said is None and not case.right]
    said = dict(zip((case.id for case in asked), _answers(asked, loaded, progress), strict=True))
    known = [replace(case, said=said[case.id]) if case.id in said else case for case in cases]
    return [case for case in known if case.id not in said or not satisfies(case.said or "", case.expected, case.check)]


def _answers(cases: Sequence[Case], loaded: LoadedModel, progress: Progress) -> list[str]:
    """The model's answers; empty for a prompt that can't be read."""
    readable = [case.failure.as_prompt() for case in cases]
    try:
        return answers(loaded, readable, ANSWER_TOKENS, progress=progress)
    except PromptError:
        if len(cases) == 1:
            return [""]
        return [answer for case in cases for answer in _answers([case], loaded, progress)]
