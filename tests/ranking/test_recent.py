"""What was used last stays, what was used longest ago goes."""

from explorer.ranking.recent import Recent


def test_the_value_that_was_used_longest_ago_goes() -> None:
    recent: Recent[int] = Recent(2)
    calls: list[str] = []

    def make(name: str) -> int:
        return recent.once(name, lambda: calls.append(name) or len(calls))

    assert [make("a"), make("b"), make("a")] == [1, 2, 1]
    assert make("c") == 3 and recent.get("b") is None
    assert (make("a"), make("c"), calls) == (1, 3, ["a", "b", "c"])
