"""The rows of the similarity matrix: prompts with what the model answers now against what it should, or did before."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from explorer.data.study import BehaviorPrompt, Study, to_trace
from explorer.errors import ExplorerError
from explorer.files import append_lines, read_json_lines, read_whole_lines
from explorer.model.generate import MAX_TOKENS, generate
from explorer.model.load import ModelSpec, load_model
from explorer.model.prompts import Prompt
from explorer.vectors.fingerprint import model_digest, unloaded
from explorer.vectors.items import Item

ANSWERS, DISCOVERY = "answers", "discovery.jsonl"
Progress = Callable[[int, int], None]
Which = Literal["all", "behaviors", "discovery"]


@dataclass(frozen=True)
class Subject:
    """One row: a prompt, what the model answers (``answer``), and what it is held against (``other``), if anything.

    ``name``: the behavior that the study says it is of; empty for a prompt of ``discovery.jsonl``, whose ``answer`` is
    the post-trained model's and ``other`` the reference model's.
    """

    id: str
    name: str
    prompt: str
    answer: str
    other: str | None = None

    def item(self, raw: bool) -> Item:
        """What its vector is made of: a pair where there is another answer."""
        return Item(Prompt(self.prompt, raw=raw), self.answer, self.other)


@dataclass(frozen=True)
class Subjects:
    """The rows, and the ids of discovery prompts that have no row because both models answer them alike.

    ``models``: names of the checkpoints that gave the ``answer`` and the ``other`` of discovery prompts; empty without.
    """

    rows: tuple[Subject, ...]
    unchanged: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


def study_subjects(
    study: Study, which: Which = "all", reference: str = "before", progress: Progress | None = None
) -> Subjects:
    """All rows of a study; answers that are not cached yet are generated.

    Args:
        which: ``behaviors`` (known failures), ``discovery`` (unlabelled prompts) or both.
        reference: the checkpoint whose answers count as "before" (see ``Study.checkpoint``).

    Raises ExplorerError where there is no row at all.
    """
    rows = [] if which == "discovery" else behavior_subjects(study)
    found = Subjects(tuple(rows))
    if which == "discovery" or (which == "all" and (study.folder / DISCOVERY).is_file()):
        more = discovery_subjects(study, reference, progress)
        found = Subjects((*rows, *more.rows), more.unchanged, more.models)
    if not found.rows:
        alike = f"; both models answer all {len(found.unchanged)} prompts alike" if found.unchanged else ""
        raise ExplorerError(f"{study.folder}: no behavior prompt to cluster{alike}; expected some in behaviors.jsonl.")
    return found


def behavior_subjects(study: Study) -> list[Subject]:
    """Every behavior's prompts to trace with: its query half where a split was made, else all of them."""
    named: dict[str, list[BehaviorPrompt]] = {}
    for b in study.behaviors():
        named.setdefault(b.name, []).append(b)
    return [Subject(b.id, b.name, b.prompt, b.bad, b.good or None) for own in named.values() for b in to_trace(own)]


def discovery_subjects(study: Study, reference: str = "before", progress: Progress | None = None) -> Subjects:
    """A row for each unlabelled prompt that the model under study and a reference checkpoint answer differently.

    Raises ExplorerError where the two are one model, or the file of prompts is absent or broken.
    """
    asked = read_discovery(study.folder / DISCOVERY)
    (before, old), (after, new) = study.checkpoint(reference), study.checkpoint("after")
    if old == new:
        raise ExplorerError(f"{study.folder}: '{before}' is the model under study itself; nothing differs from it.")
    steps = 2 * len(asked)
    say = progress or (lambda _done, _of: None)
    prompts = [prompt for _, prompt in asked]
    r1 = cached_answers(study, after, new, prompts, lambda done, _: say(done, steps))
    r0 = cached_answers(study, before, old, prompts, lambda done, _: say(len(asked) + done, steps))
    rows, same = [], []
    for (name, prompt), now, then in zip(asked, r1, r0, strict=True):
        if now == then:
            same.append(name)
        else:
            rows.append(Subject(name, "", prompt, now, then))
    return Subjects(tuple(rows), tuple(same), (after, before))


def read_discovery(path: Path) -> list[tuple[str, str]]:
    """(id, prompt) of every line; raises ExplorerError that names file, line and field."""
    found: dict[str, str] = {}
    for where, row in read_json_lines(path):
        for field in ("id", "prompt"):
            if not isinstance(row.get(field), str) or not row[field].strip():
                raise ExplorerError(f"{where}: field '{field}' is missing or empty; expected text.")
        if row["id"] in found:
            raise ExplorerError(f"{where}: id '{row['id']}' stands in the file twice.")
        found[row["id"]] = row["prompt"]
    return list(found.items())


def cached_answers(
    study: Study, checkpoint: str, spec: ModelSpec, prompts: Sequence[str], progress: Progress | None = None
) -> list[str]:
    """Greedy answers of one checkpoint, in the prompts' order; new ones are kept in ``answers/<checkpoint>.jsonl``.

    A stopped run loses at most one batch. Answers count while the model's weights and precision, the template and the
    length stay; the model is loaded only where one is missing.
    """
    made_by = json.dumps([model_digest(unloaded(spec)), study.template, MAX_TOKENS], sort_keys=True)
    digest = hashlib.sha256(made_by.encode()).hexdigest()[:16]
    path = study.folder / ANSWERS / f"{checkpoint}.jsonl"
    known = dict(_kept(path, digest))
    todo = [prompt for prompt in dict.fromkeys(prompts) if prompt not in known]
    done = len(prompts) - len(todo)
    if not todo:
        return [known[prompt] for prompt in prompts]
    for some in generate(load_model(spec), [Prompt(text, raw=study.template == "raw") for text in todo]):
        new = {todo[i]: text for i, text in some.items()}
        append_lines(path, ({"model": digest, "prompt": p, "answer": a} for p, a in new.items()))
        known |= new
        done += len(new)
        if progress:
            progress(done, len(prompts))
    return [known[prompt] for prompt in prompts]


def _kept(path: Path, digest: str) -> Iterator[tuple[str, str]]:
    """(prompt, answer) of every whole line by this model; others are passed over: they are made again."""
    for row in read_whole_lines(path):
        if row.get("model") == digest and all(isinstance(row.get(name), str) for name in ("prompt", "answer")):
            yield row["prompt"], row["answer"]
