"""A Ray cluster on this machine: a head, and machines that come and go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from cron.project_root import PROJECT_ROOT
from tests.servers import free_port

_RAY = str(Path(sys.executable).with_name("ray"))
_QUIET = ("--disable-usage-stats", "--block")


class RayCluster:
    """The head and at most one other machine, as `ray start` makes them, of one CPU each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port, self.client_port = free_port(), free_port()
        self._head = self._start_head()
        self._machine: psutil.Process | None = None

    @property
    def url(self) -> str:
        return f"ray://127.0.0.1:{self.client_port}"

    def add_machine(self) -> None:
        self._machine = self._start(f"--address=127.0.0.1:{self._port}")

    def lose_machine(self) -> None:
        """Kill everything on the machine that is not the head, at once."""
        assert self._machine is not None
        _kill_all(self._machine)
        self._machine = None

    def ranks(self) -> list[psutil.Process]:
        """Return the processes that train."""
        started = [self._head, *((self._machine,) if self._machine is not None else ())]
        below = [one for process in started for one in process.children(recursive=True)]
        return [one for one in below if "RayTrainWorker" in " ".join(one.cmdline())]

    def lose_all(self) -> None:
        for process in (self._machine, self._head):
            if process is not None:
                _kill_all(process)
        self._machine = None

    def start_head_again(self) -> None:
        """Start a head at the same ports, which knows nothing of the one before."""
        self._head = self._start_head()

    def _start_head(self) -> psutil.Process:
        return self._start(
            "--head",
            f"--port={self._port}",
            f"--ray-client-server-port={self.client_port}",
            "--include-dashboard=false",
            f"--temp-dir={self._folder}",
        )

    def _start(self, *arguments: str) -> psutil.Process:
        environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(PROJECT_ROOT)}
        with (self._folder / "start.log").open("ab") as log:
            return psutil.Popen(
                [_RAY, "start", "--num-cpus=1", *_QUIET, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


def _kill_all(process: psutil.Process) -> None:
    """Kill a process and all that it started; `ray stop` would take half a minute."""
    if not process.is_running():
        return
    doomed = [*process.children(recursive=True), process]
    for one in doomed:
        one.kill()
    psutil.wait_procs(doomed, timeout=20)
