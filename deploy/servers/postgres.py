"""PostgreSQL, from Debian's `postgresql` or any other: a cluster of our own in one folder, one user, one database, TCP on loopback.

The server refuses to run as root. Root starts it as the user `postgres` (or `nobody`), who may pass
through folders that are root's alone.
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
DEBIAN = Path(
    "/usr/lib/postgresql"
)  # of each version's bin/; only psql and the like are on the PATH
_REMEDY = "apt-get install -y postgresql"
# What root's child keeps: enough to walk to its own folder below a home that only root may enter,
# and nothing else.
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
    """Make the cluster when it is not there, write its configuration, and return the program; raise MissingPart.

    `password` is the user's from the first call on. SIGINT ends the server at once and cleanly;
    SIGTERM waits for every client to leave.
    """
    executable = _installed("postgres")
    data = new_folder(folder) / "data"
    become = _ordinary_user(folder)
    if not (data / "PG_VERSION").is_file():
        _make_cluster(data, password, become)
    (data / "postgresql.conf").write_text(CONFIG.format(port=port, fsync="on" if fsync else "off"))
    command = (*become, executable, "-D", str(data))
    return Program(
        name="postgres", command=command, is_ready=lambda: _answers(port), stop_signal=signal.SIGINT
    )


def _installed(name: str) -> str:
    """Find a program of the newest version that is installed."""
    versions = sorted(
        DEBIAN.glob("*/bin"),
        key=lambda one: int(one.parent.name) if one.parent.name.isdecimal() else 0,
    )
    found = shutil.which(name, path=":".join(str(one) for one in reversed(versions)))
    return found or find_executable(name, remedy=_REMEDY)


def _ordinary_user(folder: Path) -> tuple[str, ...]:
    """Return what a command of root's begins with, so that it runs as another user, to whom the folder is given; nothing for others."""
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
    """Make it beside its place, so that one that was cut off is made again."""
    unfinished = data.with_name("data.unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    secret = data.with_name("password")
    try:
        secret.touch(mode=0o600)
        secret.write_text(password)
        how = (
            "--username",
            USER,
            "--pwfile",
            str(secret),
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
            "--no-sync",
        )
        _run((*become, _installed("initdb"), "--pgdata", str(unfinished), *how))
    finally:
        secret.unlink(missing_ok=True)
    _run(
        (*become, _installed("postgres"), "--single", "-D", str(unfinished), "postgres"),
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
        raise FreshetError(
            f"PostgreSQL's cluster could not be made: {' '.join((ended.stderr or ended.stdout).split())}"
        )


def _answers(port: int) -> bool:
    command = (_installed("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
