"""The figures of a picture as a table that opens under it, for who can't see the picture."""

from collections.abc import Iterable, Sequence

from explorer.ui.components import picture_table


def as_table(key: str, head: Sequence[str], rows: Iterable[Sequence[object]], label: str = "As a table") -> None:
    """Draw the line that opens the table; every row begins with its name.

    Args:
        label: of the line; what the table leaves out of the picture is said there.
    """
    data = {"label": label, "head": list(head), "rows": [[str(cell) for cell in row] for row in rows]}
    picture_table(key=f"{key}-table", data=data)
