"""Rate and time left, from the calls of a Progress alone."""

import pytest

from explorer import progress
from explorer.progress import Pace


def test_time_left_counts_from_where_a_resumed_work_began(monkeypatch: pytest.MonkeyPatch):
    clock = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: clock[0])
    pace = Pace()
    assert pace.left("rows", 600, 1000) is None  # resumed: 600 were there
    clock[0] = 10.0
    assert pace.left("rows", 700, 1000) == pytest.approx(30.0)
    assert pace.rate("rows", 700) == pytest.approx(10.0)
    assert pace.left("answers", 0, 10) is None  # other work begins anew
    clock[0] = 12.0
    assert pace.left("answers", 5, 10) == pytest.approx(2.0)
    assert pace.left("answers", 6, 0) is None
