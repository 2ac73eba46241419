"""Redis, from Debian's `redis-server` or any other; every write is on disk within 1 s.

Histories can be rebuilt from the journal; the append-only file saves the rebuild. An event log in
Redis is kept by that file alone.
"""

from __future__ import annotations

import socket
from pathlib import Path

from deploy.servers.program import LOOK_S, Program, find_executable, new_folder

# noeviction: a full log must refuse an append, never drop its oldest records
CONFIG = """\
bind 127.0.0.1
port {port}
dir "{folder}"
appendonly yes
appendfsync {fsync}
save ""
maxmemory-policy noeviction
{password}
"""


def redis_program(
    folder: Path, *, port: int = 6379, password: str | None = None, fsync: str = "everysec"
) -> Program:
    """Write redis.conf into the folder and return the program; raise MissingPart."""
    executable = find_executable("redis-server", remedy="apt-get install -y redis-server")
    config = new_folder(folder) / "redis.conf"
    config.write_text(
        CONFIG.format(
            port=port,
            folder=folder,
            fsync=fsync,
            password=f"requirepass {password}" if password else "",
        ),
        encoding="utf-8",
    )
    config.chmod(0o600)
    return Program(name="redis", command=(executable, str(config)), is_ready=lambda: _answers(port))


def _answers(port: int) -> bool:
    """PING by hand: ready is a PONG or the demand for a password, not LOADING."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=LOOK_S) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False
