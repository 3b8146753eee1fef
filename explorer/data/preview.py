"""The beginning of somebody's training data as it is in the file, for who has to say which column is what."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from explorer.data.formats import Row, open_data
from explorer.data.names import NESTED
from explorer.data.sources import find_sources


def first_rows(path: str | Path | Sequence[str | Path], most: int = 5) -> list[Row]:
    """Return the first rows of the first file, under the file's own names. Broken rows are passed over.

    Args:
        path: as ``import_data`` takes it.
        most: how many rows.

    Raises ExplorerError for what can't be read.
    """
    files, _ = find_sources(path)
    return list(islice(open_data(files[0], NESTED, lambda error: None).rows, most))


def column_names(rows: Sequence[Row]) -> list[str]:
    """The columns of some rows, in order."""
    return list(dict.fromkeys(name for row in rows for name in row))
