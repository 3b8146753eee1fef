"""The prompts that are clustered, each with the model's answer and the answer that it is compared with."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from explorer.data.behaviors import BehaviorPrompt, tracing_prompts
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.files import append_lines
from explorer.model.generate import generate
from explorer.model.load import ModelSpec, load_model
from explorer.model.prompts import Prompt
from explorer.progress import Progress, silent
from explorer.reading import read_rows, read_whole_lines
from explorer.vectors.fingerprint import model_digest
from explorer.vectors.items import Item

ANSWERS, DISCOVERY = "answers", "discovery.jsonl"
PromptKind = Literal["all", "behaviors", "discovery"]
"""Prompts of known behaviors (behaviors.jsonl), unlabelled prompts (discovery.jsonl), or both."""


@dataclass(frozen=True)
class AnsweredPrompt:
    """A prompt with two answers, a row of the similarity matrix.

    Attributes:
        name: the behavior that it is a prompt of; empty for an unlabelled prompt.
        answer: the bad answer of the behavior; for an unlabelled prompt the answer of the model under study.
        other: the good answer, if the study has one; for an unlabelled prompt the reference model's answer.
        system: the system prompt that it is asked with; empty for none.
        raw: read without a chat template, whatever the study's other prompts are.
    """

    id: str
    name: str
    prompt: str
    answer: str
    other: str | None = None
    system: str = ""
    raw: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the texts, and whether they are a known behavior's; cached vectors are found by it."""
        texts: list[Any] = [self.prompt, self.answer, self.other, bool(self.name)]
        texts += [self.system] if self.system else []
        texts += ["raw"] if self.raw else []
        return hashlib.sha256(json.dumps(texts, ensure_ascii=False).encode()).hexdigest()

    def item(self, study: Study) -> Item:
        """What its vector is made of: a pair of answers where there is another one.

        The answers of a known behavior are whole; generated ones may have been cut, and do not end the turn.
        """
        ended = bool(self.name) and study.end_of_turn
        prompt = Prompt(self.prompt, self.system or None, self.raw or study.template == "raw")
        return Item(prompt, self.answer, self.other, ended, most=study.max_tokens)


@dataclass(frozen=True)
class PromptSet:
    """The prompts of a clustering, and those that were left out.

    Attributes:
        rows: prompts whose two answers differ.
        unchanged: ids of unlabelled prompts that both models answer alike.
        models: the checkpoints that gave ``answer`` and ``other`` of unlabelled prompts; empty without such prompts.
        wordless: ids of prompts without a vector, because an answer has no token.
    """

    rows: tuple[AnsweredPrompt, ...]
    unchanged: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    wordless: tuple[str, ...] = ()


def study_prompts(
    study: Study, kind: PromptKind = "all", reference: str = "before", progress: Progress = silent
) -> PromptSet:
    """Collect the prompts of a study, and generate the answers that are not cached yet.

    ``reference``: checkpoint whose answers are the ``other`` of unlabelled prompts (see ``Study.checkpoint``). Raises
    ExplorerError where there is no prompt with two different answers.
    """
    prompts = PromptSet(() if kind == "discovery" else tuple(behavior_prompts(study)))
    if kind == "discovery" or (kind == "all" and (study.folder / DISCOVERY).is_file()):
        unlabelled = discovery_prompts(study, reference, progress)
        prompts = replace(unlabelled, rows=prompts.rows + unlabelled.rows)
    if not prompts.rows:
        alike = f"; both models answer all {len(prompts.unchanged)} prompts alike" if prompts.unchanged else ""
        raise ExplorerError(f"{study.folder}: no behavior prompt to cluster{alike}; expected some in behaviors.jsonl.")
    return prompts


def behavior_prompts(study: Study) -> list[AnsweredPrompt]:
    """Return each behavior's prompts to trace with: its query half where a split was made, else all of them."""
    behaviors: dict[str, list[BehaviorPrompt]] = {}
    for b in study.behaviors():
        behaviors.setdefault(b.name, []).append(b)
    queries = chain.from_iterable(map(tracing_prompts, behaviors.values()))
    return [AnsweredPrompt(b.id, b.name, b.prompt, b.bad, b.good or None, b.system, b.raw) for b in queries]


def discovery_prompts(study: Study, reference: str = "before", progress: Progress = silent) -> PromptSet:
    """Return the unlabelled prompts that the model under study and a reference checkpoint answer differently.

    Raises ExplorerError where the two are one model, or the file of prompts is absent or broken.
    """
    texts = read_discovery(study.folder / DISCOVERY)
    (before, old), (after, new) = study.checkpoint(reference), study.checkpoint("after")
    if old == new:
        raise ExplorerError(f"{study.folder}: '{before}' is the model under study itself; nothing differs from it.")
    answers = cached_answers(study, after, new, list(texts.values()), progress)
    others = cached_answers(study, before, old, list(texts.values()), progress)
    rows = zip(texts, texts.values(), answers, others, strict=True)
    prompts = [AnsweredPrompt(name, "", text, answer, other) for name, text, answer, other in rows]
    changed = tuple(p for p in prompts if p.answer != p.other)
    return PromptSet(changed, tuple(p.id for p in prompts if p.answer == p.other), (after, before))


def default_reference(study: Study, checkpoint: str) -> str:
    """Return the checkpoint whose answers unlabelled prompts are compared with: the one that the vectors are of.

    For vectors of the model under study itself it is the checkpoint before the last stage of training.
    """
    return "before" if study.checkpoint(checkpoint)[1] == study.spec else checkpoint


def missing_answers(study: Study, kind: PromptKind, reference: str) -> dict[str, int]:
    """Count the unlabelled prompts that need a generated answer, by checkpoint; empty where none does.

    Answers of a model that has changed since count as present. Raises ExplorerError for a broken file of prompts.
    """
    path = study.folder / DISCOVERY
    (before, old), (after, new) = study.checkpoint(reference), study.checkpoint("after")
    if kind == "behaviors" or not path.is_file() or old == new:  # the last is an error that clustering reports
        return {}
    texts = set(read_discovery(path).values())
    missing = {name: len(texts - {row["prompt"] for row in _answers(study, name)[1]}) for name in (after, before)}
    return {name: count for name, count in missing.items() if count}


def read_discovery(path: Path) -> dict[str, str]:
    """The unlabelled prompts by id; raises ExplorerError that names file, line and field."""
    return {row["id"]: row["prompt"] for _, row in read_rows(path, "prompt")}


def cached_answers(
    study: Study, checkpoint: str, spec: ModelSpec, prompts: Sequence[str], progress: Progress = silent
) -> list[str]:
    """Greedy answers of one checkpoint, in the prompts' order; new ones are added to ``answers/<checkpoint>.jsonl``.

    A stopped run loses at most one batch. Answers are valid while model, precision, template and maximal length stay;
    the model is loaded only where one is missing.
    """
    depends_on = json.dumps([model_digest(spec), study.template, study.answer_tokens], sort_keys=True)
    digest = hashlib.sha256(depends_on.encode()).hexdigest()[:16]
    path, rows = _answers(study, checkpoint)
    answers = {row["prompt"]: row["answer"] for row in rows if row.get("model") == digest}
    todo = [prompt for prompt in dict.fromkeys(prompts) if prompt not in answers]
    inputs = [Prompt(text, raw=study.template == "raw") for text in todo]
    for batch in generate(load_model(spec), inputs, study.answer_tokens) if todo else ():
        new = {todo[i]: answer for i, answer in batch.items()}
        append_lines(path, [{"model": digest, "prompt": text, "answer": answer} for text, answer in new.items()])
        answers |= new
        progress(f"Answers of '{checkpoint}'", sum(text in answers for text in prompts), len(prompts))
    return [answers[prompt] for prompt in prompts]


def _answers(study: Study, checkpoint: str) -> tuple[Path, list[dict[str, str]]]:
    """The file of a checkpoint's answers and its whole rows."""
    path = study.folder / ANSWERS / f"{checkpoint}.jsonl"
    rows = (row for row in read_whole_lines(path) if isinstance(row.get("answer"), str))
    return path, [row for row in rows if isinstance(row.get("prompt"), str)]
