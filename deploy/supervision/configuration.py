"""supervisord's programs, its files, and the text of its configuration."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

TEMPLATE = Path(__file__).resolve().parents[1] / "supervisord.conf"
STOP_S = 7.0  # from the stop signal to the kill; with a final sweep everything is gone after 10 s
MAX_SOCKET_PATH = 100  # the kernel's limit for a Unix socket's path is 107 bytes

PROGRAM = """[program:{name}]
command={command}
startsecs={started_after_s}
startretries={retries}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The folder in which supervisord runs its programs, and the one with its own files."""

    root: Path
    var: Path

    @property
    def log(self) -> Path:
        """The folder of all logs."""
        return self.var / "log"

    @property
    def configuration(self) -> Path:
        """supervisord's configuration file."""
        return self.var / "supervisord.conf"

    @property
    def errors(self) -> Path:
        """What supervisord itself prints."""
        return self.log / "supervisord.err"

    @property
    def pid_file(self) -> Path:
        """The file in which supervisord writes its process id."""
        return self.var / "supervisord.pid"

    def log_of(self, program: str) -> Path:
        """Return the file for what a program prints; some programs write a log of their own too."""
        return self.log / f"{program}.out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervised:
    """One program as supervisord runs it.

    supervisord can't read a double quote in a value of `environment`.
    """

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)  # on top of supervisord's own
    starts_by_itself: bool = True  # otherwise `Supervisor.start_program` starts it
    stop_signal: str = "TERM"
    stop_s: float = STOP_S
    started_after_s: int = 2  # a program that lives so long has started
    retries: int = 3  # failed starts after the first one until it is given up (FATAL)


def render(
    place: Place, socket: Path, programs: Mapping[str, Supervised], *, is_daemon: bool
) -> str:
    """Return the text of supervisord's configuration.

    supervisord expands percent signs, in the path of a program's log twice.
    """
    paths = {"root": place.root, "var": place.var, "log": place.log, "socket": socket}
    words = {name: _double_percents(path) for name, path in paths.items()}
    sections = [_section(name, program, place.log_of(name)) for name, program in programs.items()]
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        words,
        names=",".join(programs),
        programs="\n".join(sections),
        foreground=str(not is_daemon).lower(),
    )


def choose_socket(var: Path) -> Path:
    """Return where supervisord listens: in `var`, or in a new folder if that path is too long."""
    socket = var / "supervisor.sock"
    if len(str(socket).encode()) <= MAX_SOCKET_PATH:
        return socket
    return Path(tempfile.mkdtemp(prefix="freshet-")) / "supervisor.sock"


def read_socket(configuration: Path) -> Path | None:
    """Return where supervisord listens, from its configuration; None if there is none.

    The folder of a long path is another one at each start.
    """
    try:
        lines = configuration.read_text(encoding="locale").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("file="):
            return Path(line.removeprefix("file=").replace("%%", "%"))
    return None


def _section(name: str, program: Supervised, log: Path) -> str:
    return PROGRAM.format(
        name=name,
        command=_double_percents(shlex.join(program.command)),
        autostart=str(program.starts_by_itself).lower(),
        stop_signal=program.stop_signal,
        stop_s=int(program.stop_s),
        started_after_s=program.started_after_s,
        retries=program.retries,
        log=_double_percents(_double_percents(log)),
        environment=",".join(
            f'{key}="{_double_percents(value)}"' for key, value in program.environment.items()
        ),
    )


def _double_percents(text: object) -> str:
    return str(text).replace("%", "%%")
