"""Two runs of one benchmark side by side: what broke, what was fixed, what still fails."""

from dataclasses import dataclass
from typing import Any

from explorer.data.logs.sample import Log
from explorer.surveys.contrasts import has_failed


@dataclass(frozen=True)
class Runs:
    """Samples of two logs, by id.

    Attributes:
        broken: right before, wrong after; fixed: the other way round; failing, passing: the same in both.
        before_only, after_only: samples that the other log does not have, or whose result it does not tell.
    """

    broken: tuple[str, ...]
    fixed: tuple[str, ...]
    failing: tuple[str, ...]
    passing: tuple[str, ...]
    before_only: int
    after_only: int

    def to_json(self) -> dict[str, Any]:
        """The object under ``runs`` of ``explorer survey --before``: ids by what became of them, and counts."""
        names = ("broken", "fixed", "failing")
        counts = {"passing": len(self.passing), "before_only": self.before_only, "after_only": self.after_only}
        return {name: list(getattr(self, name)) for name in names} | counts


def compare_logs(before: Log, after: Log) -> Runs:
    """Compare two logs of one task by the ids of their samples."""
    old, new = ({s.id: f for s in log.samples() if (f := has_failed(s)) is not None} for log in (before, after))

    def ids(was: bool, is_now: bool) -> tuple[str, ...]:
        return tuple(id for id, failed in new.items() if id in old and old[id] == was and failed == is_now)

    alone = len(old.keys() - new.keys()), len(new.keys() - old.keys())
    return Runs(ids(False, True), ids(True, False), ids(True, True), ids(False, False), *alone)
