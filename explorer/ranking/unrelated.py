"""Unrelated questions: small prompts about nothing in particular, with a wrong and a right answer, and their vectors.

They stand in ``assets/unrelated.toml``, a line a subject, two prompts each; no training data taught a model to fail at
them. Their vectors in an index's model are made once and kept beside it:

```
vectors/<fingerprint>/unrelated/<16 hex>.safetensors
  "<part>.<layer>" (2k, width) bfloat16: of k wrong answers, then of the k right ones; "kinds" (2k,) uint8
```
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from explorer.data.study import Study
from explorer.files import shipped
from explorer.model.load import load_model
from explorer.model.prompts import Prompt
from explorer.progress import Progress, silent
from explorer.ranking.recent import Recent
from explorer.ranking.scores import Target
from explorer.reading import read_toml
from explorer.vectors.cache import cache_path, read_cached, write_cached
from explorer.vectors.find import check_index, index_model
from explorer.vectors.index import PAIR, SINGLE, UNRANKED, Index
from explorer.vectors.items import Item, item_vectors

FILE, FOLDER = shipped("unrelated.toml"), "unrelated"
WORK = "Asking unrelated questions, to compare with"
CODE = 1
"""Part of the name of the cached file; raise it with every change of how the vectors are made."""


@dataclass(frozen=True)
class Question:
    """An unrelated prompt with a wrong and a right answer; ``subject``: the line that it stands in."""

    subject: str
    prompt: str
    wrong: str
    right: str


@dataclass(frozen=True, eq=False)
class Unrelated:
    """Vectors of k unrelated questions: of ``wrong`` and ``right`` answers, and (k,) the number of the subject."""

    wrong: dict[str, Tensor]
    right: dict[str, Tensor]
    subjects: Tensor

    def target(self, query: str) -> Target:
        """Return the vectors as a query; ``contrast``: wrong minus right, but for the state, which both share."""
        if query != "contrast":
            return Target(self.wrong, torch.full_like(self.subjects, SINGLE, dtype=torch.uint8))
        contrast = {key: x if key.startswith("state.") else x - self.right[key] for key, x in self.wrong.items()}
        return Target(contrast, torch.full_like(self.subjects, PAIR, dtype=torch.uint8))


@cache
def unrelated_questions() -> tuple[Question, ...]:
    """Read the unrelated questions that ship with the program, subject by subject."""
    questions = []
    for subject, (template, *lines) in read_toml(FILE, "a list of texts a subject").items():
        for line in lines:
            what, wrong, right = (part.strip() for part in line.split(" | "))
            questions.append(Question(subject, template.replace("{}", what), wrong, right))
    return tuple(questions)


_vectors: Recent[Unrelated] = Recent(8)


def unrelated_vectors(study: Study, index: Index, ended: bool, progress: Progress = silent) -> Unrelated:
    """Return the vectors of the unrelated questions for all parts and layers of an index, from its cache or made now.

    ``ended``: whether answers end the turn, see ``Item``. Raises ExplorerError where the index was made in another
    model than the study's.
    """
    return _vectors.once((index.key, ended, study.template), lambda: _unrelated(study, index, ended, progress))


def unrelated_known(study: Study, index: Index, ended: bool) -> bool:
    """Whether ``unrelated_vectors`` has nothing to compute."""
    kept = _vectors.get((index.key, ended, study.template)) is not None
    return kept or cache_path(index.folder / FOLDER, _depends_on(study, ended)).is_file()


def _depends_on(study: Study, ended: bool) -> list[object]:
    return [CODE, [vars(question) for question in unrelated_questions()], study.template, ended]


def _unrelated(study: Study, index: Index, ended: bool, progress: Progress) -> Unrelated:
    path = cache_path(index.folder / FOLDER, _depends_on(study, ended))
    wanted = {f"{part}.{layer}": 0 for part in index.manifest.parts for layer in index.manifest.layers}
    widths = {key: index.means(*_named(key)).shape[1] for key in wanted}
    tensors = read_cached(path, lambda tensors: _checked(tensors, widths))
    if tensors is None:
        tensors = _made(study, index, ended, progress)
        write_cached(path, tensors)
    return _split(tensors)


def _named(key: str) -> tuple[str, int]:
    part, _, layer = key.rpartition(".")
    return part, int(layer)


def _checked(tensors: dict[str, Tensor], widths: dict[str, int]) -> dict[str, Tensor]:
    """Return the tensors of a cached file; raises ValueError where they are not those of this index."""
    rows = 2 * len(unrelated_questions())
    shapes = {key: (rows, width) for key, width in widths.items()} | {"kinds": (rows,)}
    if {key: tuple(x.shape) for key, x in tensors.items()} != shapes or tensors["kinds"].dtype != torch.uint8:
        raise ValueError
    if not all(x.isfinite().all() for x in tensors.values()):
        raise ValueError
    return tensors


def _made(study: Study, index: Index, ended: bool, progress: Progress) -> dict[str, Tensor]:
    """Run the index's model over the questions with either answer."""
    spec = index_model(study, index)
    check_index(index, spec)
    questions, raw = unrelated_questions(), study.template == "raw"
    items = [Item(Prompt(q.prompt, raw=raw), answer(q), None, ended) for answer in _ANSWERS for q in questions]
    told: Progress = lambda _what, done=0, total=0, /: progress(WORK, done, total)  # noqa: E731
    told(WORK)
    vectors, kinds = item_vectors(load_model(spec), items, index.manifest.layers, index.manifest.parts, told)
    return {key: x.to(torch.bfloat16) for key, x in vectors.items()} | {"kinds": kinds}


_ANSWERS = (lambda q: q.wrong, lambda q: q.right)


def _split(tensors: dict[str, Tensor]) -> Unrelated:
    """Return wrong and right apart, without questions whose answer has no token in this model."""
    questions = unrelated_questions()
    names = list(dict.fromkeys(question.subject for question in questions))
    k = len(questions)
    both = (tensors["kinds"][:k] != UNRANKED) & (tensors["kinds"][k:] != UNRANKED)
    vectors = {key: x.float() for key, x in tensors.items() if key != "kinds"}
    subjects = torch.tensor([names.index(question.subject) for question in questions])
    return Unrelated(
        {key: x[:k][both] for key, x in vectors.items()},
        {key: x[k:][both] for key, x in vectors.items()},
        subjects[both],
    )
