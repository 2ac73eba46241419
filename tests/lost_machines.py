"""Machines of a training that vanish with all that runs there: processes of this one."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from cron.project_root import PROJECT_ROOT
from tests.ports import free_port


class JoinedMachine:
    """A machine that helps trainings under torchrun: `python -m trainer.join`, and its ranks.

    It has `folder` for temporary files, and none of the training's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._meeting = f"127.0.0.1:{free_port()}"
        self._process: psutil.Popen | None = None

    @property
    def elastic_url(self) -> str:
        """The launcher of trainings that it joins, whose own machine has one rank too."""
        return f"torchrun:?nproc=1&nnodes=1:2&rdzv={self._meeting}"

    @property
    def processes(self) -> list[psutil.Process]:
        """All that runs on the machine."""
        assert self._process is not None
        return [self._process, *self._process.children(recursive=True)]

    def add_machine(self) -> None:
        self._folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "trainer.join", "--rdzv", self._meeting, "--nnodes", "1:2"]
        with (self._folder / "join.log").open("ab") as log:
            self._process = psutil.Popen(
                command,
                cwd=PROJECT_ROOT,
                env={**os.environ, "TMPDIR": str(self._folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def lose_machine(self) -> None:
        if self._process is not None:
            kill_all(self._process)
            self._process = None

    def lose_all(self) -> None:
        """Kill the only machine there is; the training is not one of its processes."""
        self.lose_machine()


def command_of(process: psutil.Process) -> str:
    """Return a process's command; nothing once it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def kill_all(process: psutil.Process) -> None:
    """Kill a process and all that it started, at once."""
    if not process.is_running():
        return
    doomed = [*process.children(recursive=True), process]
    for one in doomed:
        with suppress(psutil.NoSuchProcess):  # it may die with the one before
            one.kill()
    psutil.wait_procs(doomed, timeout=60)
