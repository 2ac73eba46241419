"""Fork TorchServe's workers from one process that has imported what they all import.

`import torch` leaves 260 MB that a process does not share with others. Forked processes share what
nobody writes to, and need not import it again. Here are only packages of others: a worker imports
the code of its own archive.

    python deploy/servers/torchserve/fork_server.py LISTENING_FD LIFELINE_FD

forked_worker.py asks for a worker at the socket that listens. The message is JSON, and with it come
the worker's three standard streams and its lifeline. The answer is `started` from the worker, and
the worker's exit status when it has ended.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import selectors
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# What a worker imports before its archive, and what archives import.
IMPORTED = ("torch", "safetensors.torch", "ts.model_loader", "ts.arg_parser", "ts.async_service")
STARTED = b"started"
_MAX_MESSAGE = 200_000  # bytes; a Unix socket takes a few more at once
_SENT_LIMIT_S = 5.0
_NUM_STREAMS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A worker that somebody asked for."""

    arguments: list[str]  # the first is the program's file
    folder: str
    environment: dict[str, str]
    streams: Sequence[int]
    lifeline: int
    connection: socket.socket


def main(argv: Sequence[str]) -> None:
    """Import, then fork workers until the process with the lifeline's other end is gone."""
    os.umask(0o077)
    listening, lifeline = (int(one) for one in argv)
    die_with(lifeline)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    gc.disable()  # a collection now would leave gaps, into which the children would write
    for name in IMPORTED:
        importlib.import_module(name)
    num_threads = len(list(Path("/proc/self/task").iterdir()))
    if num_threads != 1:
        sys.exit(f"workers are not forked: the imports have started {num_threads - 1} threads")
    gc.freeze()
    asked = ForkServer(socket.socket(fileno=listening), lifeline).run()
    gc.enable()
    _become(asked)


def die_with(lifeline: int) -> None:
    """Have the kernel kill this process when the last other end of a pipe or socket is closed."""
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    closed_before = select.poll()
    closed_before.register(lifeline, select.POLLHUP)
    if closed_before.poll(0):
        os.kill(os.getpid(), signal.SIGKILL)


class ForkServer:
    """The workers that live, by a descriptor of their process."""

    def __init__(self, listener: socket.socket, lifeline: int) -> None:
        self._listener, self._lifeline = listener, lifeline
        self._living: dict[int, tuple[int, socket.socket]] = {}
        self._events = selectors.DefaultSelector()
        self._events.register(listener, selectors.EVENT_READ)

    def run(self) -> Asked:
        """Fork a worker for each one who asks; return in the worker, with what it is to be."""
        while True:
            for key, _ in self._events.select():
                if key.fd != self._listener.fileno():
                    self._report_end(key.fd)
                    continue
                asked = self._accept()
                if asked is not None:
                    return asked

    def _accept(self) -> Asked | None:
        """Fork a worker and return in it what was asked for; return None in this process."""
        connection, _ = self._listener.accept()
        try:
            asked = _receive(connection)
            process = os.fork()
        except (OSError, ValueError) as error:
            sys.stderr.write(f"a worker is not forked: {error}\n")
            connection.close()  # who asked starts Python instead
            return None
        if process == 0:
            self._close()
            return asked
        for descriptor in (*asked.streams, asked.lifeline):
            os.close(descriptor)
        watched = os.pidfd_open(process)
        self._living[watched] = (process, connection)
        self._events.register(watched, selectors.EVENT_READ)
        return None

    def _report_end(self, watched: int) -> None:
        self._events.unregister(watched)
        os.close(watched)
        process, connection = self._living.pop(watched)
        _, status = os.waitpid(process, 0)
        with connection, suppress(OSError):  # who asked may be gone
            connection.send(str(os.waitstatus_to_exitcode(status)).encode())

    def _close(self) -> None:
        """Close what a worker must not have: with it, others would wait for its end."""
        self._events.close()
        self._listener.close()
        os.close(self._lifeline)
        for watched, (_, connection) in self._living.items():
            os.close(watched)
            connection.close()


def _receive(connection: socket.socket) -> Asked:
    """Receive what is asked for; raise ValueError or OSError if it is incomplete."""
    connection.settimeout(_SENT_LIMIT_S)
    message, descriptors, _, _ = socket.recv_fds(connection, _MAX_MESSAGE, _NUM_STREAMS + 1)
    connection.settimeout(None)
    if len(descriptors) != _NUM_STREAMS + 1:
        raise ValueError(f"{len(descriptors)} descriptors came, not {_NUM_STREAMS + 1}")
    values = json.loads(message)
    return Asked(
        arguments=values["arguments"],
        folder=values["folder"],
        environment=values["environment"],
        streams=descriptors[:_NUM_STREAMS],
        lifeline=descriptors[_NUM_STREAMS],
        connection=connection,
    )


def _become(asked: Asked) -> None:
    """Be what Python would be that had been started as asked."""
    die_with(asked.lifeline)
    for stream, descriptor in enumerate(asked.streams):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.chdir(asked.folder)
    os.environ.clear()
    os.environ.update(asked.environment)
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in asked.environment
    sys.argv = list(asked.arguments)
    program = Path(asked.arguments[0])
    own_folder = str(Path(__file__).resolve().parent)
    searched = [one for one in sys.path if one != own_folder]
    added = [one for one in asked.environment.get("PYTHONPATH", "").split(os.pathsep) if one]
    sys.path[:] = [str(program.parent), *map(os.path.abspath, added), *searched]
    if numbers := sys.modules.get("numpy.random"):
        numbers.seed()  # or all workers would draw the same ones
    with asked.connection:
        asked.connection.send(STARTED)
    runpy.run_path(str(program), run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
