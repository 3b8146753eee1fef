"""The command ``app``: serve the app."""

import argparse
import os
import sys
from typing import Any

from explorer.cli.output import say
from explorer.errors import ExplorerError
from explorer.files import beside_code
from explorer.serving import LOOPBACK, Serving, allowed_folder, allowed_hosts

_ALLOCATOR = {"MALLOC_ARENA_MAX": "2"}
"""Read by glibc: every session's thread would keep freed memory to itself otherwise, gigabytes after some hours."""


def add_app(commands: Any) -> None:
    """Add the sub-command."""
    app = commands.add_parser("app", help="serve the app, on this machine alone unless told otherwise")
    app.add_argument("--port", type=int, default=8501, metavar="N", help="where it answers, default 8501")
    app.add_argument("--address", default="localhost", metavar="A", help="which address it listens at")
    help = "a name that browsers reach it by, e.g. of a proxy; may be given again"
    app.add_argument("--host", action="append", default=[], metavar="NAME", help=help)
    help = "a folder whose studies and models links may open without asking; may be given again"
    app.add_argument("--allow", action="append", default=[], metavar="FOLDER", help=help)
    help = "answer only to those who have the link with a token that it prints"
    app.add_argument("--share", action="store_true", help=help)
    app.set_defaults(run=_app)


def _app(arguments: argparse.Namespace) -> None:
    """Become the server: the process is replaced, so that stopping it stops the server."""
    address, share = arguments.address, arguments.share
    if not 0 < arguments.port < 65536:
        raise ExplorerError(f"--port {arguments.port}: expected a number from 1 to 65535.")
    hosts = allowed_hosts(address, arguments.host)
    serving = Serving(tuple(map(allowed_folder, arguments.allow)), share)
    if address not in LOOPBACK and not share:
        say(f"explorer: everybody who reaches {address} can use the app; --share asks for a token.", to_stderr=True)
    script = beside_code("app.py")
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.address", address]
    command += ["--server.port", str(arguments.port), *(f"--server.allowedHosts={host}" for host in hosts)]
    sys.stdout.flush()
    os.chdir(script.parent)  # Streamlit reads its settings there
    os.execve(sys.executable, command, _ALLOCATOR | os.environ | serving.environment())
