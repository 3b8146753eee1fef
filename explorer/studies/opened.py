"""An open study with the calls that one makes on it: in a notebook, ``open_study(folder).rank("…")``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.behaviors.clusters import Clusters, cluster
from explorer.data import study as on_disk
from explorer.data.failures import Failure
from explorer.data.study import Study
from explorer.errors import ExplorerError
from explorer.ranking.evaluate import Score, evaluate
from explorer.ranking.questions import AboutBehavior, AboutFailure, Question
from explorer.ranking.rank import Ranking, rank
from explorer.repair.choose import plan_repair
from explorer.repair.plan import Plan
from explorer.surveys.folder import SURVEYS
from explorer.surveys.survey import survey
from explorer.vectors.build import build_index
from explorer.vectors.index import Index

if TYPE_CHECKING:
    from explorer.repair.results import Row
    from explorer.surveys.folder import Survey


class OpenStudy(Study):
    """A ``Study`` whose methods are the public calls on it; their arguments are those of the calls."""

    def build(self, checkpoint: str = "before", **settings: Any) -> Index:
        """Build its vectors, or go on with a build that was stopped; see ``build_index``."""
        return build_index(self, checkpoint, **settings)

    def rank(self, about: Question | Failure | str, **choice: Any) -> Ranking:
        """Rank its training examples; see ``explorer.rank``.

        Args:
            about: a question; or a failure; or the name of a behavior, or the id of a failure, of this study.

        Raises ExplorerError for a name that is neither, and as ``explorer.rank`` does.
        """
        return rank(self, self._question(about), **choice)

    def evaluate(self, **settings: Any) -> list[Score]:
        """Score every method against the labels of the training examples; see ``explorer.evaluate``."""
        return evaluate(self, **settings)

    def cluster(self, **settings: Any) -> Clusters:
        """Group its prompts by the training examples that explain their answers; see ``explorer.cluster``."""
        return cluster(self, **settings)

    def plan_repair(self, behavior: str, edit: str = "drop", ks: int | list[int] = 100, **settings: Any) -> Plan:
        """Choose what a repair edits, ``ks`` from the top of a ranking; see ``explorer.plan_repair``."""
        return plan_repair(self, behavior, edit, [ks] if isinstance(ks, int) else ks, **settings)

    def repair(self, plan: Plan, **settings: Any) -> "list[Row]":
        """Train and measure every arm of a plan; see ``explorer.run_repair``."""
        from explorer.repair.job import run_repair

        return run_repair(self, plan, **settings)

    def survey(self, log: str | Path | None = None, **settings: Any) -> "Survey":
        """Survey its failures, or those of an evaluation log with its checkpoints; see ``explorer.survey``."""
        if log is None:
            return survey(self, **settings)
        return survey(log, **{"models": self.checkpoints(), "home": self.folder / SURVEYS, **settings})

    def _question(self, about: Question | Failure | str) -> Question:
        if isinstance(about, Failure):
            return AboutFailure(about)
        if not isinstance(about, str):
            return about
        names = list(dict.fromkeys(prompt.name for prompt in self.behaviors()))
        if about in names:
            return AboutBehavior(about)
        if about in (failures := self.failures()):
            return AboutFailure(failures[about])
        known = ", ".join(names[:10]) or "it has none"
        raise ExplorerError(
            f"{self.folder}: no behavior or failure '{about}'; expected a behavior ({known}) or the id of a failure."
        )


def open_study(folder: str | Path) -> OpenStudy:
    """Open a study's folder. Reads ``study.toml`` alone. Raises ExplorerError that names the file and the field."""
    return OpenStudy(**vars(on_disk.open_study(folder)))
