"""PostgreSQL, from Debian's `postgresql` or any other: a new cluster in one folder.

It has one user and one database, and listens on loopback. The server refuses to run as root. Root
starts it as the user `postgres` (or `nobody`), with the right to pass through root's own folders.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from cron.errors import FreshetError
from deploy.servers.program import Program, find_executable, new_folder

USER = DATABASE = "freshet"
DEBIAN = Path("/usr/lib/postgresql")  # each version's bin/; only clients are on the PATH
_REMEDY = "apt-get install -y postgresql"
# The one capability that root's child keeps: it may enter its own folder below a home that only
# root may enter.
_KEPT = "dac_override"

CONFIG = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 100
shared_buffers = '32MB'
password_encryption = 'scram-sha-256'
fsync = {fsync}
log_destination = 'stderr'
logging_collector = off
"""


def postgres_program(
    folder: Path, *, port: int = 5432, password: str, fsync: bool = True
) -> Program:
    """Make the cluster if it does not exist, write its configuration, and return the program.

    `password` is the user's password from the first call on. SIGINT ends the server at once and
    cleanly; SIGTERM waits until every client has left. Raise MissingPart.
    """
    executable = _find_newest("postgres")
    data = new_folder(folder) / "data"
    become = _ordinary_user(folder)
    if not (data / "PG_VERSION").is_file():
        _make_cluster(data, password, become)
    (data / "postgresql.conf").write_text(
        CONFIG.format(port=port, fsync="on" if fsync else "off"), encoding="utf-8"
    )
    command = (*become, executable, "-D", str(data))
    return Program(
        name="postgres", command=command, is_ready=lambda: _answers(port), stop_signal=signal.SIGINT
    )


def _find_newest(name: str) -> str:
    """Return the path of a program of the newest installed version."""
    versions = sorted(DEBIAN.glob("*/bin"), key=_major_version, reverse=True)
    found = shutil.which(name, path=":".join(str(one) for one in versions))
    return found or find_executable(name, remedy=_REMEDY)


def _major_version(programs: Path) -> int:
    name = programs.parent.name
    return int(name) if name.isdecimal() else 0


def _ordinary_user(folder: Path) -> tuple[str, ...]:
    """Return the words before a command of root's with which it runs as another user.

    The folder is given to that user. For other accounts there are no words.
    """
    if os.geteuid() != 0:
        return ()
    users = {user.pw_name: user for user in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, user.pw_uid, user.pw_gid)
    setpriv = find_executable("setpriv", remedy="apt-get install -y util-linux")
    kept = (
        f"--inh-caps=-all,+{_KEPT}",
        f"--ambient-caps=-all,+{_KEPT}",
        f"--bounding-set=-all,+{_KEPT}",
    )
    return (
        setpriv,
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        *kept,
        "--",
    )


def _make_cluster(data: Path, password: str, become: tuple[str, ...]) -> None:
    """Make it under another name first, so that an interrupted one is made again."""
    unfinished = data.with_name("data.unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    secret = data.with_name("password")
    try:
        secret.touch(mode=0o600)
        secret.write_text(password, encoding="utf-8")
        initdb = [_find_newest("initdb"), "--pgdata", str(unfinished), "--username", USER]
        initdb += ["--pwfile", str(secret), "--auth", "scram-sha-256", "--no-sync"]
        initdb += ["--encoding", "UTF8", "--locale", "C.UTF-8"]
        _run((*become, *initdb))
    finally:
        secret.unlink(missing_ok=True)
    _run(
        (*become, _find_newest("postgres"), "--single", "-D", str(unfinished), "postgres"),
        f"CREATE DATABASE {DATABASE} OWNER {USER}\n",
    )
    unfinished.rename(data)


def _run(command: tuple[str, ...], text: str = "") -> None:
    ended = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
    )
    if ended.returncode != 0:
        reason = " ".join((ended.stderr or ended.stdout).split())
        raise FreshetError(f"PostgreSQL's cluster could not be made: {reason}")


def _answers(port: int) -> bool:
    command = (_find_newest("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
