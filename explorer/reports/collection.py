"""The pages of a report that somebody collected in a study, in their order: ``report.json`` of its folder.

```
{"format": 1, "title": "…", "views": [{"page": "graph", "query": {"case": "…"}, "comment": "…"}]}
```

A view is what a page's link says, without the study: what it shows is computed when the report is made. Everybody who
works with the study shares the collection. A file that can't be read is never overwritten.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from explorer.errors import ExplorerError
from explorer.files import locked, write_json
from explorer.limits import LINK_VALUE, REPORT_COMMENT, REPORT_TITLE, REPORT_VIEWS
from explorer.reading import read_json

FILE = "report.json"
_EXPECTED = "a report of format 1, whose changes are not saved until then"


@dataclass(frozen=True)
class View:
    """One page of a report.

    Attributes:
        page: of the app, or ``case`` for all that is known of a case.
        query: what its link says, key by key, without the study.
        comment: what a person wrote about it.
    """

    page: str
    query: dict[str, str]
    comment: str = ""

    @property
    def key(self) -> str:
        """Names the view, whatever its comment and place."""
        return hashlib.sha256(json.dumps([self.page, self.query], sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Collection:
    """The views in their order, and the report's title; empty for one that the report makes itself."""

    title: str = ""
    views: tuple[View, ...] = ()

    def added(self, view: View) -> "Collection":
        """Return it with a view more; one that is there already stays where it is. Raises ExplorerError when full."""
        if view.key in {one.key for one in self.views}:
            return self
        if len(self.views) >= REPORT_VIEWS:
            raise ExplorerError(f"The report has {REPORT_VIEWS} pages already; remove one first.")
        return replace(self, views=(*self.views, view))

    def without(self, key: str) -> "Collection":
        """Return it without a view."""
        return replace(self, views=tuple(view for view in self.views if view.key != key))

    def moved(self, key: str, by: int) -> "Collection":
        """Return it with a view ``by`` places further on, at most at the end (or, below 0, the beginning)."""
        keys = [view.key for view in self.views]
        if key not in keys:
            return self
        view, rest = self.views[keys.index(key)], [one for one in self.views if one.key != key]
        place = min(max(keys.index(key) + by, 0), len(rest))
        return replace(self, views=(*rest[:place], view, *rest[place:]))

    def commented(self, key: str, comment: str) -> "Collection":
        """Return it with another comment on a view."""
        cut = comment[:REPORT_COMMENT]
        return replace(self, views=tuple(replace(v, comment=cut) if v.key == key else v for v in self.views))

    def titled(self, title: str) -> "Collection":
        """Return it with another title."""
        return replace(self, title=title[:REPORT_TITLE])


@dataclass(frozen=True)
class _File:
    format: Literal[1]
    title: str
    views: tuple[View, ...]


def collection_file(study: Path) -> Path:
    """Where the collection of a study is kept."""
    return study / FILE


def read_collection(study: Path) -> Collection:
    """Return the collected views; none where there is no file. Raises ExplorerError for a damaged one."""
    path = collection_file(study)
    if not path.exists():
        return Collection()
    file: _File = read_json(path, _EXPECTED, _File)
    views, title = file.views, file.title
    longest = max((len(text) for view in views for pair in view.query.items() for text in pair), default=0)
    comments = max((len(view.comment) for view in views), default=0)
    if len(views) > REPORT_VIEWS or longest > LINK_VALUE or comments > REPORT_COMMENT or len(title) > REPORT_TITLE:
        raise ExplorerError(f"{path}: more than a report holds (docs/limits.md); expected {_EXPECTED}.")
    if len({view.key for view in views}) < len(views):
        raise ExplorerError(f"{path}: a view stands in it twice; expected {_EXPECTED}.")
    return Collection(title, views)


def change_collection(study: Path, change: Callable[[Collection], Collection]) -> Collection:
    """Change what is collected; return it. Raises ExplorerError where that can't be written, or ``change`` does."""
    path = collection_file(study)
    with locked(path):
        collection = change(read_collection(study))
        write_json(path, {"format": 1, **asdict(collection)})
    return collection
