"""What the pages about training data share: the examples of the study on screen, its built vectors, rankings."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from explorer.data.study import VECTORS, Study
from explorer.files import Version, version_of
from explorer.ranking.questions import AboutBehavior, Question, question_items
from explorer.ranking.rank import Choice, Ranking, rank
from explorer.ranking.table import column
from explorer.ui.caching import cached
from explorer.ui.progress_bar import progress_bar
from explorer.ui.study import current_study
from explorer.vectors.find import study_indexes
from explorer.vectors.index import Index
from explorer.vectors.items import Item


@dataclass(frozen=True, eq=False)
class Corpus:
    """The training examples of a study and the items of its behaviors by name."""

    study: Study
    table: pa.Table
    behaviors: dict[str, tuple[Item, ...]]

    @cached_property
    def sources(self) -> np.ndarray:
        """(n,) where each example is from; '' where nothing is known."""
        return column(self.table, "source")

    @cached_property
    def labels(self) -> np.ndarray:
        """(n,) the label of each example; '' for none."""
        return column(self.table, "label")

    def row(self, number: int) -> dict[str, Any]:
        """One training example, every column."""
        return self.table.slice(number, 1).to_pylist()[0]


def corpus() -> Corpus:
    """The training examples of the study on screen. Raises ExplorerError."""
    return corpus_of(current_study().study)


@cached("Reading the training examples")
def corpus_of(study: Study) -> Corpus:
    """The training examples of a study, read again when its files have changed. Raises ExplorerError."""
    names = dict.fromkeys(b.name for b in study.behaviors())
    behaviors = {name: tuple(question_items(study, AboutBehavior(name))) for name in names}
    return Corpus(study, study.datapoints(), behaviors)


def built_indexes(study: Study) -> dict[str, Index]:
    """The built indexes in training order, by the name of their checkpoint. Raises ExplorerError for a damaged one.

    A second index of one checkpoint has the beginning of its fingerprint in its name.
    """
    files = sorted(path for path in (study.folder / VECTORS).glob("*/*") if not path.name.startswith("."))
    return _indexes(study, tuple((str(path), version_of(path)) for path in files if path.is_file()))


@cached("Opening the vectors")
def _indexes(study: Study, files: tuple[tuple[str, Version | None], ...]) -> dict[str, Index]:
    indexes: dict[str, Index] = {}
    for index in study_indexes(study):
        name = index.manifest.checkpoint
        indexes[f"{name}-{index.manifest.fingerprint[:6]}" if name in indexes else name] = index
    return indexes


def checkpoint_labels(study: Study) -> dict[str, str]:
    """The checkpoints in training order → what people read; which of them is before and after the training."""
    before, after = study.checkpoint("before")[0], study.checkpoint("after")[0]
    labels = {after: f"{after} (after)", before: f"{before} (before)"}
    return {name: labels.get(name, name) for name in dict.fromkeys([*study.checkpoints(), before])}


@cached()
def ranked(study: Study, question: Question, index: Index | None, choice: Choice) -> Ranking:
    """The ranking that answers a question; made once. Raises ExplorerError."""
    with progress_bar() as progress:
        return rank(study, question, **vars(choice), index=index, progress=progress)
