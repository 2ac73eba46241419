"""One server program: the command that starts it, and how one sees that it is ready.

`make stack` gives the commands to supervisord; the tests start them one by one.
"""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cron.errors import FreshetError

LOOK_S = 0.5
SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin"  # Debian's servers; often not on a user's PATH


class MissingPart(FreshetError):
    """Something that is not installed on this machine; `remedy` is the command that installs it."""

    def __init__(self, part: str, *, remedy: str) -> None:
        self.part = part
        self.remedy = remedy
        super().__init__(
            f"{part} is not installed here; install it with `{remedy}`, or, with Docker, use "
            "deploy/compose.yaml"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A server whose folder and configuration file are written already.

    `is_ready` asks the server itself and never raises.
    """

    name: str
    command: tuple[str, ...]
    is_ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    starts_within_s: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM  # ends it cleanly and soon


def find_executable(name: str, *, remedy: str, also_in: str = SYSTEM_FOLDERS) -> str:
    """Return the absolute path of an installed program; raise MissingPart with the remedy."""
    found = shutil.which(name) or shutil.which(name, path=also_in)
    if found is None:
        raise MissingPart(name, remedy=remedy)
    return found


def listens(port: int, *, host: str = "127.0.0.1") -> bool:
    """Return whether something accepts connections on a port."""
    with socket.socket() as one:
        one.settimeout(LOOK_S)
        return one.connect_ex((host, port)) == 0


def new_folder(path: Path) -> Path:
    """Make a folder for its owner alone, unless it exists, and return it.

    Servers keep their data and passwords in it.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
