"""The beginning of training data, under the file's own names."""

from pathlib import Path

import pytest

from explorer.data.preview import column_names, first_rows
from explorer.errors import ExplorerError


def test_the_first_rows_have_the_names_of_the_file(tmp_path: Path):
    file = tmp_path / "data.jsonl"
    file.write_text('{"Frage": "a", "Antwort": "b"}\nbroken\n{"Frage": "c", "Note": 1}\n{"Frage": "d"}\n')
    rows = first_rows(file, 2)
    assert rows == [{"Frage": "a", "Antwort": "b"}, {"Frage": "c", "Note": 1}]
    assert column_names(rows) == ["Frage", "Antwort", "Note"]
    with pytest.raises(ExplorerError, match="no such file"):
        first_rows(tmp_path / "none.csv")
