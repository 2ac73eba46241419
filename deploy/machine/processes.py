"""The processes of one machine under supervisord: start, look, stop, and leave nothing behind.

Knows how supervisord is told and asked; does not know what its programs do or when they are ready.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from string import Template
from xmlrpc.client import Error as RpcError
from xmlrpc.client import ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from cron.errors import FreshetError
from trainer.prctl import adopt_orphans, die_with_parent

TEMPLATE = Path(__file__).resolve().parents[1] / "supervisord.conf"
SUPERVISORD = "supervisord"
STOP_S = (
    7.0  # from the stop signal to the kill; with the sweep below everything is gone within 10 s
)
MAX_STARTS = (
    4  # as many as supervisord's own, for a program that lives a little longer than it looks
)
GROUP = "freshet"  # as in supervisord.conf
MAX_SOCKET_PATH = 100  # the kernel's limit for a Unix socket's path is 107 bytes

# A program that lives for 2 s has started; after three failed starts it is given up (FATAL).
PROGRAM = """[program:{name}]
command={command}
startsecs=2
startretries=3
autostart={autostart}
autorestart=true
stopsignal={stop_signal}
stopasgroup=true
killasgroup=true
stopwaitsecs={stop_s}
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
environment={environment}
"""


class ProgramFailed(FreshetError):
    def __init__(self, name: str, *, log: Path) -> None:
        self.name = name
        super().__init__(
            f"{name} does not stay up; its log is {log}, and it ends with:\n{tail(log)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the processes live."""

    root: Path
    var: Path

    @property
    def log(self) -> Path:
        """The folder of all logs."""
        return self.var / "log"

    def log_of(self, program: str) -> Path:
        """Return where supervisord puts what a program prints; programs may keep a log of their own beside it."""
        return self.log / f"{program}.out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervised:
    """One program as supervisord runs it. Values of its environment hold no double quote, which supervisord can't read."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)  # on top of supervisord's own
    starts_by_itself: bool = True  # otherwise when it is told to
    stop_signal: str = "TERM"
    stop_s: float = STOP_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What supervisord says of one program; the pid is 0 while it does not run."""

    state: str
    pid: int


class Restarts:
    """How often programs were started while we looked: supervisord starts one that lives for 2 s each time for ever."""

    def __init__(self) -> None:
        self._pids: dict[str, set[int]] = {}

    def endless(self, looks: Mapping[str, Look]) -> str | None:
        """Return a program that has been started more than MAX_STARTS times by now; None when there is none."""
        for name, one in looks.items():
            self._pids.setdefault(name, set()).update({one.pid} - {0})
        return next((name for name, pids in self._pids.items() if len(pids) > MAX_STARTS), None)


class Processes:
    """supervisord and its programs, from `start` to `stop`."""

    def __init__(self, place: Place, commands: Mapping[str, Sequence[str]]) -> None:
        self._place = place
        self._commands = commands
        self._socket = socket_path(place.var)
        self._supervisord: subprocess.Popen[bytes] | None = None
        self._restarts = Restarts()

    def start(self, environment: Mapping[str, str]) -> None:
        """Write var/supervisord.conf and start supervisord on it."""
        self._place.log.mkdir(parents=True, exist_ok=True)
        config = self._place.var / "supervisord.conf"
        programs = {name: Supervised(command=command) for name, command in self._commands.items()}
        config.write_text(render(self._place, self._socket, programs))
        adopt_orphans(
            adopt=True
        )  # what a killed supervisord orphans becomes our child, so that `stop` finds it
        # TorchServe's workers would prefer a PYTHONPATH of ours to the code in the archive.
        inherited = {key: value for key, value in environment.items() if key != "PYTHONPATH"}
        with (self._place.log / "supervisord.err").open("wb") as errors:
            self._supervisord = subprocess.Popen(
                [
                    sys.executable,
                    "-W",
                    "ignore",
                    "-m",
                    "deploy.machine.supervisord",
                    "-c",
                    str(config),
                ],
                cwd=self._place.root,
                env=inherited,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                # a Ctrl-C in the terminal reaches us alone, and we decide the order
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has one thread
            )

    def check(self) -> None:
        """Raise ProgramFailed when supervisord has ended, has given up a program, or starts one over and over."""
        for failure in self.given_up():
            raise failure
        if name := self._restarts.endless(looks(self._socket)):
            raise ProgramFailed(name, log=self._place.log_of(name))

    def given_up(self) -> list[ProgramFailed]:
        """Return what does not run and will not by itself: supervisord when it has ended, or the programs that it has given up."""
        if self._supervisord is not None and self._supervisord.poll() is not None:
            return [ProgramFailed(SUPERVISORD, log=self._place.log / "supervisord.err")]
        return [
            ProgramFailed(name, log=self._place.log_of(name))
            for name, state in self.states().items()
            if state == "FATAL"
        ]

    def start_again(self, name: str) -> None:
        """Have supervisord try a program anew that it has given up."""
        with suppress(OSError, HTTPException, RpcError), rpc(self._socket) as proxy:
            proxy.supervisor.startProcess(f"{GROUP}:{name}", False)

    def states(self) -> dict[str, str]:
        """Return each program's supervisord state; none while supervisord is not up yet."""
        return program_states(self._socket)

    def stop(self) -> None:
        """End everything: supervisord with its programs by SIGTERM, then whatever is left below us by SIGKILL."""
        if self._supervisord is None:
            return
        known = psutil.Process().children(recursive=True)
        self._supervisord.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._supervisord.wait(STOP_S + 1.0)
        left = {
            process.pid: process for process in [*known, *psutil.Process().children(recursive=True)]
        }
        for process in left.values():
            with suppress(psutil.NoSuchProcess):
                # a pid that was given to another process meanwhile is told apart by psutil
                process.kill()
        psutil.wait_procs(list(left.values()), timeout=1.0)  # reaps the orphans among them
        self._supervisord.wait()
        self._supervisord = None
        if self._socket.parent != self._place.var:
            shutil.rmtree(self._socket.parent, ignore_errors=True)
        adopt_orphans(adopt=False)


def render(
    place: Place, socket: Path, programs: Mapping[str, Supervised], *, detached: bool = False
) -> str:
    """Return the text of supervisord's configuration. It expands percent signs, those of a program's log twice."""
    paths = {"root": place.root, "var": place.var, "log": place.log, "socket": socket}
    words = {name: _escaped(path) for name, path in paths.items()}
    sections = [_section(name, program, place.log_of(name)) for name, program in programs.items()]
    return Template(TEMPLATE.read_text()).substitute(
        words,
        names=",".join(programs),
        programs="\n".join(sections),
        stays=str(not detached).lower(),
    )


def _section(name: str, program: Supervised, log: Path) -> str:
    return PROGRAM.format(
        name=name,
        command=_escaped(shlex.join(program.command)),
        autostart=str(program.starts_by_itself).lower(),
        stop_signal=program.stop_signal,
        stop_s=int(program.stop_s),
        log=_escaped(_escaped(log)),
        environment=",".join(
            f'{key}="{_escaped(value)}"' for key, value in program.environment.items()
        ),
    )


def _escaped(text: object) -> str:
    return str(text).replace("%", "%%")


def program_states(socket: Path) -> dict[str, str]:
    """Ask the supervisord behind a socket for each program's state; none while it is not up."""
    return {name: one.state for name, one in looks(socket).items()}


def looks(socket: Path) -> dict[str, Look]:
    """Ask the supervisord behind a socket about its programs; none while it is not up."""
    try:
        with rpc(socket) as proxy:
            listed = proxy.supervisor.getAllProcessInfo()
    except (OSError, HTTPException, RpcError):
        return {}
    assert isinstance(listed, list)
    return {
        str(one["name"]): Look(state=str(one["statename"]), pid=int(one["pid"])) for one in listed
    }


def rpc(socket: Path) -> ServerProxy:
    """Open a connection to the supervisord behind a socket."""
    return ServerProxy(
        "http://localhost", transport=SupervisorTransport(serverurl=f"unix://{socket}")
    )


def tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log; a sentence when there is none."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return "  (no log yet)"
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:]) or "  (the log is empty)"


def socket_path(var: Path) -> Path:
    """Return where supervisord listens for its owner: in `var`, or in a new folder when that path is too long for the kernel."""
    socket = var / "supervisor.sock"
    if len(str(socket).encode()) <= MAX_SOCKET_PATH:
        return socket
    return Path(tempfile.mkdtemp(prefix="freshet-")) / "supervisor.sock"
