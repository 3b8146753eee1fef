"""The calls that ``explorer`` exports, and that importing it is quick."""

import subprocess
import sys

import pytest

import explorer


@pytest.mark.parametrize("name", explorer.__all__)
def test_every_public_name_is_there(name):
    assert callable(getattr(explorer, name))


def test_the_lists_of_public_names_agree():
    assert sorted(explorer.__all__) == explorer.__all__ == sorted(explorer._MODULES)
    with pytest.raises(AttributeError, match="no attribute 'magic'"):
        _ = explorer.magic


def test_importing_the_package_does_not_import_torch():
    code = "import sys, explorer; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
