"""Files of tensors with anything in them: vectors, cached results, weights of a model."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from safetensors.torch import save

from explorer.errors import ExplorerError
from explorer.model.trusted import weight_count
from explorer.vectors.cache import read_cached
from explorer.vectors.index import read_tensor
from tests.fuzz.harness import check, fuzz, mutated_bytes

VALID = save({"state.1": torch.ones(4, 8, dtype=torch.bfloat16), "kinds": torch.zeros(4, dtype=torch.uint8)})

HUGE = b'{"a":{"dtype":"F32","shape":[3000000000],"data_offsets":[0,12000000000]}}'


@fuzz(1200)
@given(data=mutated_bytes(VALID))
def test_vectors(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    path = tmp_path_factory.getbasetemp() / "shard.safetensors"
    path.write_bytes(data)
    check("vectors", lambda: read_tensor(path, "state.1", "mmap"))
    check("vectors", lambda: read_tensor(path, "state.1", "pread"))
    check("cached results", lambda: read_cached(path, lambda tensors: tensors["kinds"]))


@fuzz(800)
@given(data=mutated_bytes(VALID))
def test_weights(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    folder = tmp_path_factory.getbasetemp()
    (folder / "model.safetensors").write_bytes(data)
    check("weights", lambda: weight_count(folder))


@pytest.mark.parametrize("length", [2**40, 2**63 - 1, 100_000_001])
def test_a_header_that_declares_gigabytes(tmp_path: Path, length: int):
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", length) + HUGE)
    for read in (lambda: read_tensor(path, "a"), lambda: weight_count(tmp_path)):
        with pytest.raises(ExplorerError, match="safetensors"):
            read()


def test_a_tensor_of_ten_gigabytes_that_is_not_there(tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(HUGE)) + HUGE)
    with pytest.raises(ExplorerError, match="damaged or cut short"):
        weight_count(tmp_path)
