"""Have a TorchServe worker forked, in place of starting Python for it.

TorchServe starts this program as it would start Python. It hands its standard streams, folder and
environment to the process of fork_server.py, waits for the worker and ends with its exit status.
The worker dies with this program, even by SIGKILL: its lifeline's other end is here. What is not a
worker is run by Python, and so is a worker when nobody can fork it.

    python -I -S deploy/servers/torchserve/forked_worker.py SOCKET REAL_PYTHON ARGUMENT...
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

_WORKER = "model_service_worker.py"
_STARTED = b"started"
_LONGEST_ANSWER = 16  # bytes
# The fork server may still import; that takes 1 s, and longer when the disk is cold.
_START_LIMIT_S = 30.0
_BY_SIGNAL = 128  # and the signal's number: a process's exit status as Java has it


def main(argv: Sequence[str]) -> None:
    """Wait for a forked worker; become Python when it can't be forked."""
    os.umask(0o077)
    address, python, *arguments = argv
    if arguments and Path(arguments[0]).name == _WORKER:
        status = _run_forked(address, arguments)
        if status is not None:
            sys.exit(status)
    os.execv(python, [python, *arguments])


def _run_forked(address: str, arguments: Sequence[str]) -> int | None:
    """Return the exit status of a worker, or None if none was started."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        try:
            lifeline, said = _ask(server, address, arguments)
        except OSError as error:
            sys.stderr.write(f"this worker is not forked ({error}); Python starts it\n")
            return None
        with lifeline:
            if said != _STARTED:  # killed before it could say so
                return _exit_status(said)
            _give_streams_up()
            return _wait(server, lifeline)


def _ask(
    server: socket.socket, address: str, arguments: Sequence[str]
) -> tuple[socket.socket, bytes]:
    """Have a worker forked; return our end of its lifeline and what was answered first.

    That is _STARTED, or the status of a worker that has ended before. Raise OSError if none was
    forked.
    """
    asked = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    lifeline, workers_end = socket.socketpair()
    try:
        server.settimeout(_START_LIMIT_S)
        server.connect(address)
        with workers_end:
            descriptors = [0, 1, 2, workers_end.fileno()]
            socket.send_fds(server, [json.dumps(asked).encode()], descriptors)
        said = server.recv(_LONGEST_ANSWER)
        if not said:
            raise OSError("the fork server has refused")
        server.settimeout(None)
    except OSError:
        lifeline.close()
        raise
    return lifeline, said


def _give_streams_up() -> None:
    """Leave the streams to the worker, so that they end with it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _wait(server: socket.socket, lifeline: socket.socket) -> int:
    """Return a worker's exit status, which is 1 if the fork server died before it."""
    status = server.recv(_LONGEST_ANSWER)
    if not status:
        lifeline.recv(1)
        return 1
    return _exit_status(status)


def _exit_status(answer: bytes) -> int:
    ended = int(answer)
    return ended if ended >= 0 else _BY_SIGNAL - ended


if __name__ == "__main__":
    main(sys.argv[1:])
