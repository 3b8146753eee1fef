"""Names of models: as short as tells them apart."""

from dataclasses import replace

from explorer.model.spec import ModelSpec, by_title

SFT, DPO = ModelSpec(adapter="/home/a/runs/sft/final"), ModelSpec(adapter="/home/a/runs/dpo/final")


def test_folders_of_equal_names_are_two_models():
    other = ModelSpec("org/model", adapter="runs/kto")
    named = by_title([SFT, other, DPO])
    assert named == {
        "SmolLM2-135M-Instruct + sft/final": SFT,
        "model + kto": other,
        "SmolLM2-135M-Instruct + dpo/final": DPO,
    }
    deeper = [ModelSpec("/a/x/run/final"), ModelSpec("/b/x/run/final"), ModelSpec("/b/y/run/final")]
    assert list(by_title(deeper)) == ["a/x/run/final", "b/x/run/final", "y/run/final"]


def test_equal_weights_are_one_model_and_no_two_others_share_a_name():
    assert by_title([SFT, replace(SFT, dtype="bfloat16"), SFT]) == {SFT.title: SFT}
    commits = [ModelSpec("org/m", revision="a" * 8 + digit * 32) for digit in "01"]
    slashes = [ModelSpec("/x/m"), ModelSpec("/x/m/")]
    assert [len(by_title(specs)) for specs in (commits, slashes)] == [2, 2]
