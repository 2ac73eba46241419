"""Have TorchServe's workers forked from one process, whose imports they share."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cron.settings.tree import Settings
from deploy.servers.torchserve.programs import (
    in_place_of_python,
    python_of,
    with_python,
    write_program,
)

FORK_SERVER = Path(__file__).with_name("fork_server.py")
FORKED_WORKER = Path(__file__).with_name("forked_worker.py")
NOT_FORKED = "--own-imports"
_SOCKET = "fork.sock"


def with_forked_workers(java: Sequence[str], env: Mapping[str, str], *, home: Path) -> list[str]:
    """Start the fork server and return TorchServe's command, whose workers it forks.

    The fork server dies with the process that calls this, whatever that becomes. The socket is in
    TorchServe's temporary folder, which is this account's alone.
    """
    address = Path(env["TMPDIR"]) / _SOCKET
    start_fork_server(address, env)
    python = python_of(java)
    words = [sys.executable, "-I", "-S", str(FORKED_WORKER.resolve()), str(address), python]
    program = write_program(home.resolve() / "forked" / "python", in_place_of_python(words))
    return with_python(java, program)


def start_fork_server(address: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a fork server that listens at a Unix socket; it imports before it answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        address.unlink(missing_ok=True)
        listener.bind(str(address))
        listener.listen()
        lifeline, own_end = os.pipe()
        inherited = [listener.fileno(), lifeline]
        try:
            process = subprocess.Popen(
                [sys.executable, str(FORK_SERVER.resolve()), *map(str, inherited)],
                stdin=subprocess.DEVNULL,
                env=env,
                pass_fds=inherited,
            )
        finally:
            os.close(lifeline)
    os.set_inheritable(own_end, True)  # held until this process ends, as it is or as another
    return process


def import_options(settings: Settings) -> list[str]:
    """Return the option by which each worker has its own imports, if they are not to be shared."""
    return [] if settings.release.share_imports else [NOT_FORKED]
