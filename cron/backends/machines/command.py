"""MachineProvider that is a program: it is called with `start N`, `joined` and `stop`.

It returns within a minute each time, and prints the number of machines that are ready for `joined`.
The status 0 means that it did so. For `ray:` the program is `trainer.ray_machines`.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cron.errors import MissingClient, Unavailable
from cron.local.child_environment import RAY, SYSTEM, only
from cron.machine_errors import MachinesRefused
from cron.urls.machines import MachineProgram, RayMachines

CALL_LIMIT_S = 60.0
_ROOT = Path(__file__).resolve().parents[3]
_KEPT_CHARS = 300


class CommandMachines:
    """A MachineProvider; `also` are variables that the program gets beside those of any program."""

    def __init__(
        self,
        program: Sequence[str],
        *,
        where: str,
        also: Sequence[str] = (),
        limit_s: float = CALL_LIMIT_S,
    ) -> None:
        self._program = tuple(program)
        self._where = where
        self._also = tuple(also)
        self._limit_s = limit_s

    def start(self, num_machines: int) -> None:
        """See the port."""
        self._call("start", str(num_machines))

    def num_joined(self) -> int:
        """See the port."""
        printed = self._call("joined")
        try:
            return int(printed)
        except ValueError as error:
            why = f"`joined` printed {printed[:_KEPT_CHARS]!r}, expected a number of machines"
            raise MachinesRefused(where=self._where, why=why) from error

    def stop(self) -> None:
        """See the port."""
        self._call("stop")

    def _call(self, *arguments: str) -> str:
        """Return what the program printed; raise MachinesRefused, or Unavailable if it hangs."""
        try:
            child = subprocess.Popen(
                (*self._program, *arguments),
                cwd=_ROOT,
                env=only(os.environ, SYSTEM, self._also),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise MachinesRefused(where=self._where, why=str(error)) from error
        with child:
            try:
                printed, errors = child.communicate(timeout=self._limit_s)
            except subprocess.TimeoutExpired as error:
                why = f"`{arguments[0]}` did not end within {self._limit_s:.0f} s"
                raise Unavailable("the program", where=self._where, why=why) from error
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
        if child.returncode != 0:
            said = (errors.strip() or printed.strip())[-_KEPT_CHARS:]
            why = f"`{' '.join(arguments)}` ended with status {child.returncode}: {said}"
            raise MachinesRefused(where=self._where, why=why)
        return printed.strip()


def open_program(program: MachineProgram) -> CommandMachines:
    """Open the machines of an operator's program."""
    return CommandMachines((str(program.path),), where=str(program.path))


def open_ray(cluster: RayMachines) -> CommandMachines:
    """Open the machines of a Ray cluster's autoscaler; raise MissingClient."""
    if importlib.util.find_spec("ray") is None:
        raise MissingClient(scheme="ray", package="ray[train,client]", extra="ray")
    address = f"ray://{cluster.head}"
    program = (sys.executable, "-m", "trainer.ray_machines", "--address", address)
    gpus = ("--gpus", str(cluster.gpus))
    return CommandMachines((*program, *gpus), where=address, also=RAY)
