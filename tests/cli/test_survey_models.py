"""Which models the command ``survey`` measures."""

from argparse import Namespace

from explorer.cli.survey import _models
from tests.trace.lie import ADAPTERS


def test_adapters_in_folders_of_one_name_are_all_measured(tmp_path):
    for stage in ("sft", "dpo"):
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "final").symlink_to(ADAPTERS / "sft")
    given = Namespace(models=f"{tmp_path}/sft/final,{tmp_path}/dpo/final", model=None, adapter=None)
    names = [name.rpartition(" + ")[2] for name in _models(given, None) or ()]
    assert names == ["sft/final", "dpo/final"]
