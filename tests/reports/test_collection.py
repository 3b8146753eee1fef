"""The collected pages: kept with the study in their order, whatever happens to the file."""

import json
import threading

import pytest

from explorer.errors import ExplorerError
from explorer.limits import REPORT_COMMENT, REPORT_TITLE, REPORT_VIEWS
from explorer.reports.collection import Collection, View, change_collection, collection_file, read_collection
from tests.hostile import ALL

VIEWS = [View(page, {"case": str(n)}) for n, page in enumerate(("trace", "graph", "repair"))]


def collection_of(*views: View) -> Collection:
    return Collection("t", views)


def test_what_is_written_is_read(tmp_path):
    assert read_collection(tmp_path) == Collection()
    for view in VIEWS:
        change_collection(tmp_path, lambda now, view=view: now.added(view))
    change_collection(tmp_path, lambda now: now.titled(ALL).commented(VIEWS[1].key, ALL))
    views = tuple(View(v.page, v.query, ALL if n == 1 else "") for n, v in enumerate(VIEWS))
    assert read_collection(tmp_path) == Collection(ALL[:REPORT_TITLE], views)
    assert json.loads(collection_file(tmp_path).read_text())["format"] == 1


def test_order_and_removal():
    whole = collection_of(*VIEWS)
    first, second, third = VIEWS
    assert whole.moved(third.key, -1).views == (first, third, second)
    assert whole.moved(first.key, 5).views == (second, third, first)
    assert whole.moved(first.key, -1).views == whole.views == whole.moved("none", 1).views
    assert whole.without(second.key).views == (first, third)


def test_a_view_stands_in_it_once_and_keeps_its_comment():
    whole = collection_of(*VIEWS).commented(VIEWS[0].key, "mine")
    assert whole.added(View("trace", {"case": "0"})) == whole


def test_there_is_an_end():
    full = collection_of(*(View("trace", {"case": str(n)}) for n in range(REPORT_VIEWS)))
    with pytest.raises(ExplorerError, match=f"has {REPORT_VIEWS} pages already"):
        full.added(View("graph", {}))
    assert len(full.commented(full.views[0].key, "x" * 99_999).views[0].comment) == REPORT_COMMENT


@pytest.mark.parametrize(
    "content",
    [
        "{",
        '{"format": 2, "title": "", "views": []}',
        '{"title": "", "views": []}',
        '{"format": 1, "title": "", "views": [{"page": "trace", "query": {"case": 1}}]}',
        json.dumps({"format": 1, "title": "", "views": [{"page": "a", "query": {}}] * 2}),
        json.dumps({"format": 1, "title": "", "views": [{"page": f"{n}", "query": {}} for n in range(99)]}),
        json.dumps({"format": 1, "title": "x" * 999, "views": []}),
    ],
)
def test_a_file_that_can_t_be_read_is_never_overwritten(tmp_path, content):
    collection_file(tmp_path).write_text(content)
    with pytest.raises(ExplorerError, match=r"report\.json"):
        change_collection(tmp_path, lambda now: now.added(VIEWS[0]))
    assert collection_file(tmp_path).read_text() == content


def test_several_at_once_lose_nothing(tmp_path):
    def add(n: int) -> None:
        change_collection(tmp_path, lambda now: now.added(View("trace", {"case": str(n)})))

    threads = [threading.Thread(target=add, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {view.query["case"] for view in read_collection(tmp_path).views} == set(map(str, range(12)))
