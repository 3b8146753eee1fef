"""The study of the tests of the Behaviors page."""

from __future__ import annotations

import pytest

from explorer.behaviors.clusters import cluster
from explorer.data.study import Study
from explorer.vectors.build import build_index
from tests.pages.behaviors.opening import behaviors_study


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """60 datapoints, 6 behavior prompts, 6 unlabelled ones (one hostile), answered and clustered."""
    folder = tmp_path_factory.mktemp("behaviors")
    made = behaviors_study(folder)
    build_index(made, "base", layers=[1, 3])
    cluster(made)
    return made
