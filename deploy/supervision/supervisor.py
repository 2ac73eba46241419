"""The driver of supervisord: start it, look at its programs, start and stop them.

supervisord either ends with the process that starts it (`make serve`) or stays when that process
is gone (`make stack`); then its pid file is how the next process finds it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from xmlrpc.client import Error as RpcError
from xmlrpc.client import ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from cron.errors import FreshetError
from deploy.supervision.configuration import Place, Supervised, choose_socket, read_socket, render
from trainer.machine.prctl import adopt_orphans, die_with_parent

SUPERVISORD = "supervisord"
GROUP = "freshet"  # as in supervisord.conf
# In the environment of everything below a supervisord that stays, so that orphans are found too.
MARK = "FRESHET_STACK_HOME"
UP = ("STARTING", "RUNNING")
MAX_STARTS = 4  # supervisord's own limit, here for a program that runs for a little over 2 s
START_LIMIT_S = 60.0  # of what takes a second on an idle machine
POLL_S = 0.1
END_S = 2.0  # in which a killed process is gone


class ProgramFailed(FreshetError):
    """A program does not stay up, or is not ready in time; the end of its log is in the message."""

    def __init__(self, name: str, *, log: Path, waited_s: float | None = None) -> None:
        self.name = name
        what = "does not stay up"
        if waited_s is not None:
            what = f"runs, but is not ready after {waited_s:.0f} s; to wait longer, start again"
        super().__init__(f"{name} {what}; its log is {log}, and it ends with:\n{tail(log)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What supervisord reports about one program; the pid is 0 while it does not run."""

    state: str
    pid: int


class Supervisor:
    """The supervisord of one working folder, running or not."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._child: subprocess.Popen[bytes] | None = None  # when it ends with this process
        self._pids: dict[str, set[int]] = {}  # with which each program was seen
        self._newest_pids: dict[str, int] = {}

    def start(
        self,
        programs: Mapping[str, Supervised],
        environment: Mapping[str, str],
        *,
        stays: bool = False,
    ) -> None:
        """Write the configuration and start supervisord; return when it answers.

        With `stays` it outlives this process; otherwise the kernel ends it with this process.
        """
        self.place.log.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write_configuration(programs, is_daemon=stays)
        # TorchServe's workers would import from our PYTHONPATH instead of their archive.
        inherited = {key: value for key, value in environment.items() if key != "PYTHONPATH"}
        if stays:
            inherited[MARK] = str(self.place.var)
            has_failed = self._start_daemon(inherited)
        else:
            self._start_child(inherited)
            has_failed = False
        deadline = time.monotonic() + START_LIMIT_S
        while not self.states():
            if has_failed or not self.runs or time.monotonic() > deadline:
                raise ProgramFailed(SUPERVISORD, log=self.place.errors)
            time.sleep(POLL_S)

    @property
    def runs(self) -> bool:
        """Whether supervisord runs."""
        return self._process() is not None

    def states(self) -> dict[str, str]:
        """Return each program's supervisord state; none while supervisord does not answer."""
        return {name: look.state for name, look in self.looks().items()}

    def looks(self) -> dict[str, Look]:
        """Return what supervisord reports about its programs; nothing while it does not answer."""
        socket = read_socket(self.place.configuration)
        if socket is None:
            return {}
        try:
            with _connect(socket) as proxy:
                listed = proxy.supervisor.getAllProcessInfo()
        except (OSError, HTTPException, RpcError):
            return {}
        assert isinstance(listed, list)
        return {
            str(one["name"]): Look(state=str(one["statename"]), pid=int(one["pid"]))
            for one in listed
        }

    def given_up(self) -> list[ProgramFailed]:
        """Return what will not run again by itself: supervisord, or programs that it gave up."""
        if not self.runs:
            return [ProgramFailed(SUPERVISORD, log=self.place.errors)]
        return [
            ProgramFailed(name, log=self.place.log_of(name))
            for name, state in self.states().items()
            if state == "FATAL"
        ]

    def check(self) -> None:
        """Raise ProgramFailed if supervisord ended, gave up a program, or restarts one endlessly.

        supervisord itself restarts a program that runs for 2 s each time forever.
        """
        for failure in self.given_up():
            raise failure
        for name, look in self.looks().items():
            pids = self._pids.setdefault(name, set())
            pids.update({look.pid} - {0})
            if len(pids) > MAX_STARTS:
                raise ProgramFailed(name, log=self.place.log_of(name))

    def started_again(self) -> list[str]:
        """Return the programs that run in another process than when this was last asked."""
        pids = {name: look.pid for name, look in self.looks().items() if look.pid}
        again = [name for name, pid in pids.items() if self._newest_pids.get(name, pid) != pid]
        self._newest_pids.update(pids)
        return again

    def start_program(self, name: str) -> None:
        """Start a program unless it is up; also one that supervisord gave up."""
        socket = read_socket(self.place.configuration)
        if socket is None or self.states().get(name) in UP:
            return
        # It may have started by itself just now; `check` finds one that fails.
        with suppress(OSError, HTTPException, RpcError), _connect(socket) as proxy:
            proxy.supervisor.startProcess(f"{GROUP}:{name}", False)

    def stop_programs(self, names: Sequence[str], *, limit_s: float) -> None:
        """End these programs and wait; `stop` ends those that take longer."""
        socket = read_socket(self.place.configuration)
        if socket is None:
            return
        for name in names:
            # supervisord answers with an error for a program that is not up
            with suppress(OSError, HTTPException, RpcError), _connect(socket) as proxy:
                proxy.supervisor.stopProcess(f"{GROUP}:{name}", False)
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline and self._any_ends(names):
            time.sleep(POLL_S)

    def stop(self, *, limit_s: float) -> int:
        """End supervisord and everything below it, orphans too; return how many processes."""
        supervisord = self._process()
        found = {one.pid: one for one in self._below(supervisord)}
        if supervisord is not None:
            found[supervisord.pid] = supervisord
            supervisord.terminate()
            with suppress(psutil.TimeoutExpired):
                supervisord.wait(limit_s)
        found |= {one.pid: one for one in self._below(None)}
        for process in found.values():
            with suppress(psutil.NoSuchProcess):
                process.kill()  # psutil notices a pid that another process has meanwhile
        psutil.wait_procs(list(found.values()), timeout=END_S)  # reaps the orphans among them
        if self._child is not None:
            self._child.wait()
            self._child = None
            adopt_orphans(adopt=False)
        socket = read_socket(self.place.configuration)
        if socket is not None and socket.parent != self.place.var:
            shutil.rmtree(socket.parent, ignore_errors=True)
        return len(found)

    def _write_configuration(self, programs: Mapping[str, Supervised], *, is_daemon: bool) -> None:
        """Write it for its owner alone: the environments of programs have passwords."""
        text = render(self.place, choose_socket(self.place.var), programs, is_daemon=is_daemon)
        self.place.configuration.unlink(missing_ok=True)
        self.place.configuration.touch(mode=0o600)
        # supervisord reads it, and the paths in it, in the encoding of the locale
        self.place.configuration.write_text(text, encoding="locale")

    def _command(self) -> list[str]:
        module = "deploy.supervision.supervisord"
        return [sys.executable, "-W", "ignore", "-m", module, "-c", str(self.place.configuration)]

    def _start_daemon(self, environment: Mapping[str, str]) -> bool:
        """Start it; return whether it refused its configuration."""
        with self.place.errors.open("wb") as errors:
            started = subprocess.run(
                self._command(),
                cwd=self.place.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                check=False,
            )
        return started.returncode != 0

    def _start_child(self, environment: Mapping[str, str]) -> None:
        # What a killed supervisord leaves behind becomes our child, so that `stop` finds it.
        adopt_orphans(adopt=True)
        with self.place.errors.open("wb") as errors:
            self._child = subprocess.Popen(
                self._command(),
                cwd=self.place.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                # Ctrl-C in the terminal reaches only this process, which decides the order.
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has one thread
            )

    def _any_ends(self, names: Sequence[str]) -> bool:
        states = self.states()
        return any(states.get(name) in (*UP, "STOPPING") for name in names)

    def _process(self) -> psutil.Process | None:
        """Return supervisord: our child, or the running process that its pid file names."""
        with suppress(OSError, ValueError, psutil.Error):
            if self._child is not None:
                return psutil.Process(self._child.pid) if self._child.poll() is None else None
            process = psutil.Process(int(self.place.pid_file.read_text(encoding="utf-8")))
            is_ours = str(self.place.configuration) in process.cmdline()
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def _below(self, supervisord: psutil.Process | None) -> list[psutil.Process]:
        """Return the processes that supervisord started, and those that lost their parent."""
        if self._child is not None:
            return psutil.Process().children(recursive=True)
        below = supervisord.children(recursive=True) if supervisord else []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                marked = process.environ().get(MARK) == str(self.place.var)
                if marked and process.pid != os.getpid():
                    below.append(process)
        return below


def tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log; a sentence when there is none."""
    try:
        text = log.read_text(errors="replace", encoding="utf-8")
    except OSError:
        return "  (no log yet)"
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:]) or "  (the log is empty)"


def _connect(socket: Path) -> ServerProxy:
    return ServerProxy(
        "http://localhost", transport=SupervisorTransport(serverurl=f"unix://{socket}")
    )
