"""What the command ``app`` tells the server process that it becomes: folders, host names, and whether it is shared."""

import ipaddress
import json
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from explorer.errors import ExplorerError
from explorer.reading import as_type, parse_json

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EVERY_ADDRESS = ("0.0.0.0", "::")
_HOST = re.compile(r"(\*\.)?[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*\.?")
_ALLOW, _SHARE = "EXPLORER_ALLOW", "EXPLORER_SHARE"


@dataclass(frozen=True)
class Serving:
    """How a server was started.

    Attributes:
        allow: absolute paths of folders below which a link may open studies and models without asking.
        share: whether every request must show the share token, which the server makes when it starts.
    """

    allow: tuple[str, ...] = ()
    share: bool = False

    def environment(self) -> dict[str, str]:
        """Environment variables that carry it to the server process; no secret is among them."""
        return {_ALLOW: json.dumps(self.allow), _SHARE: "1" if self.share else ""}

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Serving":
        """Read what ``environment`` wrote; the defaults where nothing was written. Raises ExplorerError."""
        try:
            allow: list[str] = as_type(
                parse_json(environment.get(_ALLOW) or "[]", _ALLOW), list[str], _ALLOW, "folders"
            )
        except ExplorerError as error:
            sentence = f"Environment variable {_ALLOW} is no JSON list of folders; use 'app --allow FOLDER'."
            raise ExplorerError(sentence) from error
        return cls(tuple(allow), environment.get(_SHARE) == "1")


def allowed_folder(text: str) -> str:
    """Absolute path of a folder that links may open. Raises ExplorerError where there is none."""
    folder = Path(os.path.abspath(os.path.expanduser(text)))
    if not text.strip() or "\0" in text or not folder.is_dir():
        raise ExplorerError(f"--allow {text[:200]!r}: no such folder.")
    return str(folder)


def allowed_hosts(address: str, names: Sequence[str] = ()) -> list[str]:
    """Host names that requests may ask for: of this machine by the address listened at, and those named.

    Args:
        address: where the server listens. For 0.0.0.0 and ::, the machine's name and addresses are allowed.
        names: further names, e.g. of a reverse proxy; ``*.example.com`` for all below a domain.

    Raises ExplorerError for what is no host name; ``*`` alone is none, as it would switch the check off.
    """
    hosts = [*LOOPBACK]
    if address in _EVERY_ADDRESS:
        families = (socket.AF_INET, socket.AF_INET6)
        own = [a.address for card in psutil.net_if_addrs().values() for a in card if a.family in families]
        hosts += [socket.gethostname(), *(one.partition("%")[0] for one in own)]
    else:
        hosts.append(_checked("--address", address))
    return list(dict.fromkeys([*hosts, *(_checked("--host", name) for name in names)]))


def _checked(option: str, name: str) -> str:
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        if len(name) <= 253 and _HOST.fullmatch(name):
            return name.lower()
        raise ExplorerError(f"{option} {name[:80]!r}: not a host name or address, such as localhost.") from None


def link_host(address: str) -> str:
    """Host for a link to a server that listens at an address: its machine's name where it listens everywhere."""
    host = socket.gethostname() if address in _EVERY_ADDRESS else address
    return f"[{host}]" if ":" in host else host
