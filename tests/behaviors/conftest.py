"""A tiny study with two checkpoints, and planted groups; indexes of a moment need not reach the disk."""

import os

import pytest

from explorer.behaviors.clusters import Clusters
from explorer.data.study import Study
from tests.behaviors.synthetic import Labelled, labelled_groups, planted_clusters, study_of_two_models


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """See ``study_of_two_models``."""
    return study_of_two_models(tmp_path_factory.mktemp("clusters"))


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Clusters:
    """See ``planted_clusters``."""
    return planted_clusters(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    """See ``labelled_groups``."""
    return labelled_groups(tmp_path_factory.mktemp("labelled"))


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred small files would otherwise wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda _file: None)
