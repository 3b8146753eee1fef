"""A hub without a network: repositories laid out as the hub's own cache lays them out."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest


class FakeHub:
    """The cache that transformers and peft look into in the tests of models on the hub."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def put(self, name: str, files: Path, revision: str = "main") -> str:
        """Lay the files of a folder out as a revision of a repository; return its commit."""
        repository = self.folder / f"models--{name.replace('/', '--')}"
        commit = hashlib.sha1(f"{name}{revision}{files}".encode()).hexdigest()
        shutil.copytree(files, repository / "snapshots" / commit)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / revision).write_text(commit)
        return commit
