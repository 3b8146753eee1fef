import subprocess
import sys

import pytest

from explorer.cli.main import main


@pytest.mark.parametrize("line", ["trace --rule magic", "trace", "nonsense", "graph --mass much"])
def test_wrong_arguments_are_one_line_and_exit_2(capsys, line):
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_demo_path(smollm, capsys):
    assert main(["demo", "path"]) == 0
    assert capsys.readouterr().out.strip().endswith("smollm2-bcc81830")


def test_help_does_not_import_torch():
    code = "import sys, explorer.cli.main as c; c.parser().format_help(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
