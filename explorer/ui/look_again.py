"""A fragment that fills itself in: it runs again after a while, as long as something is awaited."""

from time import monotonic_ns

from explorer.ui.components import poll


def look_again(key: str, after: int | None) -> None:
    """Run the fragment that draws this again after so many milliseconds; None: no more."""
    turn = None if after is None else monotonic_ns()  # a script whose data stay the same does not run again
    poll(key=key, data={"after": after, "turn": turn}, on_look_change=_look)


def _look() -> None:
    """The fragment runs again: that is all."""
