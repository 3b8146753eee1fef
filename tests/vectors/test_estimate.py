"""Time and disk of a build, held against a build."""

from safetensors import safe_open

from explorer.data.study import Study
from explorer.vectors import estimate
from explorer.vectors.build import build_index
from explorer.vectors.estimate import characters, estimate_build
from explorer.vectors.methods import parts_of
from tests.pages.data_study import data_study


def stored_bytes(folder) -> int:
    """Bytes of the vectors in the shards of an index, read one tensor at a time."""
    total = 0
    for path in folder.glob("shard-*.safetensors"):
        with safe_open(path, "pt") as shard:
            for name in shard.keys():  # noqa: SIM118
                tensor = shard.get_tensor(name)
                total += tensor.numel() * tensor.element_size() if "." in name else 0
    return total


def test_an_estimate_is_what_a_build_of_the_same_settings_writes(tmp_path):
    study = data_study(tmp_path, built=False)
    estimate_build(study)
    assert not (study.folder / "vectors").exists()
    for parts, layers in ((parts_of([]), "auto"), (parts_of(["rept", "residual-change"]), [1, 3])):
        told = estimate_build(study, parts=parts, layers=layers)
        index = build_index(study, parts=parts, layers=layers, dtype="auto")
        assert told.bytes == stored_bytes(index.folder) > 0
        assert (told.rows, list(told.layers)) == (60, index.manifest.layers)


def test_the_time_of_a_few_rows_is_scaled_by_their_text(tmp_path, monkeypatch):
    study: Study = data_study(tmp_path, built=False)
    clock = iter([100.0, 103.0])
    monkeypatch.setattr(estimate, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(estimate, "TIMED", 7)
    rows = study.datapoints().to_pylist()
    size = [sum(len(row.get(f) or "") for f in ("prompt", "response", "chosen", "rejected", "system")) for row in rows]
    timed = [int(i * 60 / 7) for i in range(7)]
    told = estimate_build(study)
    assert characters(study.datapoints()) == sum(size)
    assert abs(told.seconds - 3.0 * sum(size) / sum(size[i] for i in timed)) < 1e-9
