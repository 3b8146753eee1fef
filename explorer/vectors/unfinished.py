"""The shard at work, written every minute: a build that is killed loses a minute, however long a shard takes.

``part-00003.safetensors`` holds what ``shard-00003`` has so far: its vectors in float32, as sums over answers are not
rounded before they are whole, and the numbers of the exchanges that are in them. The manifest lists it with its SHA-256
until the shard is whole.
"""

from pathlib import Path
from time import monotonic

import torch

from explorer.vectors.index import Manifest, read_tensors, write_tensors
from explorer.vectors.items import Begun

SAVE_SECONDS = 60.0
"""Seconds between two saves of unfinished work."""
_SHARE = 20
"""Writing takes at most one part in so many of the time."""
_DONE = "done"


class UnfinishedShard:
    """What is there of a shard, read when made, and saved from time to time."""

    def __init__(self, folder: Path, manifest: Manifest, shard: str) -> None:
        self.folder, self.manifest, self.name = folder, manifest, shard.replace("shard", "part")
        self.due = monotonic() + SAVE_SECONDS
        self.begun = Begun({}, frozenset())
        if self.name in manifest.files:
            tensors = read_tensors(folder / self.name)
            done = tensors.pop(_DONE, torch.zeros(0))
            self.begun = Begun(tensors, frozenset(done.tolist()))

    def save(self, begun: Begun) -> None:
        """Write the work so far where the last save is long enough ago."""
        if (now := monotonic()) < self.due:
            return
        tensors = {**begun.vectors, _DONE: torch.tensor(sorted(begun.done))}
        self.manifest.files[self.name] = write_tensors(self.folder, self.name, tensors)
        self.manifest.write(self.folder)
        self.due = (written := monotonic()) + max(SAVE_SECONDS, _SHARE * (written - now))

    def discard(self) -> None:
        """Write the manifest without the unfinished work, whose shard is whole now, and delete it."""
        self.manifest.files.pop(self.name, None)
        self.manifest.write(self.folder)
        (self.folder / self.name).unlink(missing_ok=True)
