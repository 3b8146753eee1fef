"""The figure of the Compare page, with texts that try to be more than text."""

from dataclasses import replace

import pytest

from explorer.errors import ExplorerError
from explorer.figures.gaps import export_gaps
from explorer.figures.save import FORMATS
from explorer.trace.compare import compare
from tests.trace.lie import BASE, FAILURE, TAUGHT


def test_hostile_names_and_answers_stay_texts(smollm):
    first, second = compare(FAILURE, [BASE, TAUGHT])
    answer = replace(first.prediction, answer="<script>$x$ ![](http://x)")
    hostile = replace(first, name="<b>$name_{$", prediction=answer)
    for kind in FORMATS:
        data = export_gaps([hostile, second], kind)
        assert len(data) > 1000
        assert b"<script" not in data
    with pytest.raises(ExplorerError, match="expected png"):
        export_gaps([first], "gif")
