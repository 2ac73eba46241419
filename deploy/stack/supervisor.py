"""A supervisord that stays when its starter is gone: programs are added once, started one by one, and all ended by its pid file.

Knows how the detached one is found again, told and ended; does not know what its programs are for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from xmlrpc.client import Error as RpcError

import psutil

from deploy.machine.processes import (
    GROUP,
    SUPERVISORD,
    Place,
    ProgramFailed,
    Restarts,
    Supervised,
    looks,
    program_states,
    render,
    rpc,
    socket_path,
)
from deploy.servers.program import new_folder

# in the environment of everything below supervisord, so that what lost its parent is found too
MARK = "FRESHET_STACK_HOME"
UP = ("STARTING", "RUNNING")
START_LIMIT_S = 20.0
POLL_S = 0.1


class Detached:
    """The supervisord of one working folder, running or not."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._config = place.var / "supervisord.conf"
        self._restarts = Restarts()

    @property
    def runs(self) -> bool:
        """Tell whether it is up."""
        return self._process() is not None

    def start(self, programs: Mapping[str, Supervised], environment: Mapping[str, str]) -> None:
        """Write the configuration, with the passwords that its programs need, and start; return when it can be asked."""
        new_folder(self.place.log)
        socket = socket_path(self.place.var)
        self._config.unlink(missing_ok=True)
        self._config.touch(mode=0o600)
        self._config.write_text(render(self.place, socket, programs, detached=True))
        inherited = {
            key: value for key, value in environment.items() if key != "PYTHONPATH"
        }  # see deploy.machine.processes
        errors = self.place.log / "supervisord.err"
        with (
            errors.open("wb") as said
        ):  # it makes itself a daemon when its configuration is fine, and the command returns
            done = subprocess.run(
                [
                    sys.executable,
                    "-W",
                    "ignore",
                    "-m",
                    "deploy.machine.supervisord",
                    "-c",
                    str(self._config),
                ],
                cwd=self.place.root,
                env={**inherited, MARK: str(self.place.var)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                check=False,
            )
        deadline = time.monotonic() + START_LIMIT_S
        while not self.states():
            if done.returncode or time.monotonic() > deadline:
                raise ProgramFailed(SUPERVISORD, log=errors)
            time.sleep(POLL_S)

    def states(self) -> dict[str, str]:
        """Return each program's supervisord state; none while it is not up."""
        socket = self._socket()
        return program_states(socket) if socket is not None else {}

    def start_program(self, name: str) -> None:
        """Start a program unless it is up."""
        socket = self._socket()
        if socket is None or self.states().get(name) in UP:
            return
        with (
            suppress(RpcError),
            rpc(socket) as proxy,
        ):  # it may have started by itself just now; `check` tells what fails
            proxy.supervisor.startProcess(f"{GROUP}:{name}", False)

    def stop_programs(self, names: Sequence[str], *, limit_s: float) -> None:
        """End these and wait; those that take longer are left to `stop`."""
        socket = self._socket()
        if socket is None:
            return
        for name in names:
            with (
                suppress(OSError, HTTPException, RpcError),
                rpc(socket) as proxy,
            ):  # one that is not up
                proxy.supervisor.stopProcess(f"{GROUP}:{name}", False)
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline and any(
            self.states().get(name) in (*UP, "STOPPING") for name in names
        ):
            time.sleep(POLL_S)

    def check(self) -> None:
        """Raise ProgramFailed when supervisord has ended, has given up a program, or starts one over and over."""
        if not self.runs:
            raise ProgramFailed(SUPERVISORD, log=self.place.log / "supervisord.err")
        socket = self._socket()
        seen = looks(socket) if socket is not None else {}
        endless = self._restarts.endless(seen)
        for name, one in seen.items():
            if one.state == "FATAL" or name == endless:
                raise ProgramFailed(name, log=self.place.log_of(name))

    def stop(self, *, limit_s: float) -> int:
        """End supervisord and everything below it, orphans of a killed one too; return how many processes that were."""
        supervisord = self._process()
        below = supervisord.children(recursive=True) if supervisord else []
        if supervisord:
            supervisord.terminate()
            with suppress(psutil.TimeoutExpired):
                supervisord.wait(limit_s)
        found = {
            one.pid: one
            for one in [*([supervisord] if supervisord else []), *below, *self._marked()]
        }
        for process in found.values():
            with suppress(psutil.NoSuchProcess):
                process.kill()  # psutil knows one whose pid went to another process meanwhile
        psutil.wait_procs(list(found.values()), timeout=2.0)
        socket = self._socket()
        if socket is not None and socket.parent != self.place.var:
            shutil.rmtree(socket.parent, ignore_errors=True)
        return len(found)

    def _socket(self) -> Path | None:
        """Read from the configuration where it listens: the folder of a long path is another one at each start."""
        try:
            lines = self._config.read_text().splitlines()
        except OSError:
            return None
        found = next(
            (line.removeprefix("file=") for line in lines if line.startswith("file=")), None
        )
        return Path(found.replace("%%", "%")) if found else None

    def _process(self) -> psutil.Process | None:
        """Return the supervisord of this folder, if its pid file names a running process that is one."""
        with suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int((self.place.var / "supervisord.pid").read_text()))
            if str(self._config) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def _marked(self) -> list[psutil.Process]:
        """Return the processes, other than this one, that were started below a supervisord of this folder."""
        marked = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.pid != os.getpid() and process.environ().get(MARK) == str(
                    self.place.var
                ):
                    marked.append(process)
        return marked
