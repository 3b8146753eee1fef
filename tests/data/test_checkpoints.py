"""The checkpoints in ``study.toml``: what the entries mean, what they are called, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from explorer.cli.main import main
from explorer.data.new_study import prepare_study
from explorer.data.study import Study, check_study, create_study, open_study
from explorer.errors import ExplorerError
from explorer.model.spec import ModelSpec

DATA = [{"id": "a", "prompt": "p", "response": "r"}]


def full(folder: Path) -> str:
    """A folder that looks like a whole model."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return str(folder.resolve())


def adapter(folder: Path) -> str:
    """A folder that looks like a PEFT adapter."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"")
    return str(folder.resolve())


def study(tmp_path: Path, *checkpoints: str, **settings: object) -> Study:
    made = create_study(tmp_path / "s", name="S", model="smollm2", datapoints=DATA, checkpoints=checkpoints, **settings)  # pyright: ignore
    assert check_study(made.folder) == made
    return made


def old_study(tmp_path: Path, *lines: str) -> Study:
    study(tmp_path)
    text = "\n".join(['format = 1\nname = "n"\nmodel = "smollm2"', *lines])
    (tmp_path / "s" / "study.toml").write_text(text)
    return open_study(tmp_path / "s")


def test_whole_models_before_and_after(tmp_path):
    sft, dpo = full(tmp_path / "runs/sft"), full(tmp_path / "runs/dpo")
    made = study(tmp_path, sft, dpo)
    assert made.checkpoints() == {"base": ModelSpec(), "sft": ModelSpec(sft), "dpo": ModelSpec(dpo)}
    assert (made.checkpoint("before"), made.checkpoint("after")) == (("sft", ModelSpec(sft)), ("dpo", ModelSpec(dpo)))


def test_an_adapter_belongs_to_the_whole_model_before_it(tmp_path):
    first, second = adapter(tmp_path / "first"), adapter(tmp_path / "second")
    made = study(tmp_path, first, "org/sft@step-9", second, "adapter:org/dpo@v2")
    assert list(made.checkpoints().values()) == [
        ModelSpec(),
        ModelSpec(adapter=first),
        ModelSpec("org/sft", revision="step-9"),
        ModelSpec("org/sft", second, revision="step-9"),
        ModelSpec("org/sft", "org/dpo@v2", revision="step-9"),
    ]
    assert list(made.checkpoints()) == ["base", "first", "sft@step-9", "second", "dpo@v2"]
    assert made.checkpoint("before")[0] == "second"
    assert made.checkpoint("dpo@v2")[1] == made.spec


@pytest.mark.parametrize(
    ("reference", "name", "spec"),
    [
        ("org/sft@1", "sft@1", ModelSpec("org/sft@1")),
        ("org/other", "other", ModelSpec("org/other")),
        ("adapter:org/half", "half", ModelSpec("org/sft@1", "org/half")),  # as if it stood before the last one
        ("smollm2", "base", ModelSpec()),
    ],
)
def test_the_reference_may_be_of_every_kind(tmp_path, reference, name, spec):
    made = study(tmp_path, "org/sft@1", "adapter:org/dpo", reference=reference)
    assert made.checkpoint("before") == (name, spec)
    assert made.checkpoint(name) == (name, spec)
    assert list(made.checkpoints()) == ["base", "sft@1", "dpo"]


def test_old_studies_mean_what_they_meant(tmp_path):
    sft = adapter(tmp_path / "s/adapters/sft")
    made = old_study(tmp_path, 'adapters = ["adapters/sft", "org/dpo"]')
    assert made.trained == (ModelSpec(adapter=sft), ModelSpec(adapter="org/dpo"))
    assert made.checkpoint("before") == ("base", ModelSpec())  # without a reference: the bare model
    assert made.checkpoint("after") == ("dpo", ModelSpec(adapter="org/dpo"))
    (tmp_path / "s" / "study.toml").write_text(
        'format = 1\nname = "n"\nmodel = "smollm2"\nadapters = ["adapters/sft"]\nreference = "org/half"'
    )
    assert open_study(tmp_path / "s").checkpoint("before") == ("half", ModelSpec(adapter="org/half"))


def test_no_two_checkpoints_have_one_name(tmp_path):
    places = [full(tmp_path / f"{run}/final") for run in ("sft", "dpo")]
    made = study(tmp_path, *places, "org/base", "a/x@1", "b/x@1", "a/x@1", adapter(tmp_path / "after"))
    names = ["base", "sft-final", "dpo-final", "org-base", "a-x@1", "b-x@1", "a-x@1-2"]
    assert list(made.checkpoints())[:-1] == names
    assert list(made.checkpoints())[-1] == f"{tmp_path.name}-after"
    assert [spec.source for spec in made.checkpoints().values()][1:3] == places
    assert not any("/" in name for name in made.checkpoints())  # they are names of files


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('checkpoints = ["./gone"]', "no such folder; expected a model folder"),
        ('checkpoints = ["adapter:./gone"]', "no such adapter folder"),
        ('checkpoints = ["adapter:gone"]', "gone: no such folder; expected a PEFT adapter folder or owner/name"),
        ('checkpoints = ["./empty"]', "no config.json; expected a model folder"),
        ('checkpoints = ["./pickled"]', "as a pickle only (pytorch_model.bin)"),
        ('checkpoints = ["./half"]', "no adapter_model.safetensors; a pickled adapter is not read"),
        ('checkpoints = ["./whole@main"]', "whole is on this machine and has no revision 'main'"),
        ('checkpoints = ["two words"]', "two words: no such folder"),
        ('checkpoints = [""]', "field 'checkpoints' is [\"\"]; expected a list of text"),
        ('checkpoints = "org/name"', "field 'checkpoints' is"),
        ('checkpoints = []\nadapters = ["a/b"]', "fields 'adapters' and 'checkpoints'"),
        ('checkpoints = ["org/a"]\nreference = "./gone"', "gone: no such folder"),
        ("checkpoints = []\nreference = 1", "field 'reference' is 1; expected a checkpoint"),
    ],
)
def test_a_wrong_checkpoint_is_one_sentence(tmp_path, line, complaint):
    folder = study(tmp_path).folder
    (folder / "empty").mkdir()
    full(folder / "whole")
    full(folder / "pickled")
    (folder / "pickled/model.safetensors").rename(folder / "pickled/pytorch_model.bin")
    (Path(adapter(folder / "half")) / "adapter_model.safetensors").unlink()
    (folder / "study.toml").write_text(f'format = 1\nname = "n"\nmodel = "smollm2"\n{line}')
    with pytest.raises(ExplorerError) as caught:
        check_study(folder)
    assert complaint in str(caught.value) and "study.toml: " in str(caught.value) and "\n" not in str(caught.value)


def test_the_command_takes_every_kind_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text(json.dumps({"prompt": "q", "response": "r"}) + "\n")
    half, sft, dpo = adapter(tmp_path / "half"), full(tmp_path / "sft"), adapter(tmp_path / "dpo")
    line = "new made --model org/name@main --adapter half --checkpoint sft --adapter dpo --checkpoint org/x@1"
    assert main([*line.split(), "--data", "rows.jsonl"]) == 0
    assert "--checkpoint org/x@1: no such folder, taken as a hub id" in capsys.readouterr().err
    made = open_study("made")
    assert made.trained == (
        ModelSpec("org/name@main", half),
        ModelSpec(sft),
        ModelSpec(sft, dpo),
        ModelSpec("org/x@1"),
    )
    assert made.checkpoint("before")[0] == "dpo"
    assert main(["new", "other", *line.split()[2:], "--reference", "sft", "--data", "rows.jsonl"]) == 0
    assert open_study("other").checkpoint("before") == ("sft", ModelSpec(sft))
    same = prepare_study("third", model="smollm2", data="rows.jsonl", checkpoints=["sft"], adapters=["dpo"]).write()
    assert same.trained == (ModelSpec(sft), ModelSpec(sft, dpo))
    for option, value, complaint in (
        ("--checkpoint", "rows.jsonl", "is a file; expected a model folder"),
        ("--checkpoint", "gone", "no such folder; expected the folder of a model or PEFT adapter or owner/name"),
        ("--checkpoint", "./sft@main", "no such folder"),
        ("--checkpoint", "sft@main", "sft is on this machine and has no revision 'main'"),
        ("--model", "sft@main", "sft is on this machine and has no revision 'main'"),
        ("--adapter", "sft", "no adapter_config.json; expected a PEFT adapter folder"),
        ("--reference", ".", "no config.json"),
    ):
        model = [] if option == "--model" else ["--model", "smollm2"]
        assert main(["new", "bad", *model, "--data", "rows.jsonl", option, value]) == 2
        assert f"explorer: {option} {value}: " in (error := capsys.readouterr().err.splitlines()[-1])
        assert complaint in error
