"""The command ``app``: serve the app."""

import argparse
import os
import sys
from typing import Any

from explorer.files import beside_code


def add_app(commands: Any) -> None:
    """Add the sub-command."""
    app = commands.add_parser("app", help="serve the app, on this machine alone unless told otherwise")
    app.add_argument("--port", type=int, default=8501, metavar="N", help="where it answers, default 8501")
    app.add_argument("--address", default="localhost", metavar="A", help="which address it listens at")
    app.set_defaults(run=_app)


def _app(arguments: argparse.Namespace) -> None:
    """Become the server: the process is replaced, so that stopping it stops the server."""
    script = beside_code("app.py")
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.address", arguments.address]
    sys.stdout.flush()
    os.chdir(script.parent)  # Streamlit reads its settings there
    os.execv(sys.executable, [*command, "--server.port", str(arguments.port)])
