"""A log and histories in a test's own Redis, and what the tests read from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cron.errors import Unavailable
from cron.ports import START, Cursor, EventLog
from deploy.servers.redis import redis_program
from recommender.records.events import Record
from tests.ports import free_port
from tests.servers import ServerProcess

LIMIT_S = 120.0  # of what takes a second on an idle machine


@contextmanager
def own_redis(
    folder: Path, *, password: str | None = None, fsync: str = "everysec", more_config: str = ""
) -> Iterator[ServerProcess]:
    """Run a Redis on a free port, with more lines in its redis.conf; stop it at the end."""
    port = free_port()
    program = redis_program(folder, port=port, password=password, fsync=fsync)
    with Path(program.command[-1]).open("a") as config:
        config.write(more_config)
    server = ServerProcess(program, port=port, folder=folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def log_url(server: ServerProcess, *, port: int | None = None) -> str:
    return f"redis://127.0.0.1:{port or server.port}/0?stream=shop"


def histories_url(server: ServerProcess) -> str:
    return f"redis://127.0.0.1:{server.port}/0?prefix=who"


def everything(log: EventLog, *, after: Cursor = START) -> list[Record]:
    found: list[Record] = []
    while (batch := log.read(after, 1000)).records:
        found += batch.records
        after = batch.cursor
    return found


def until_done(call: Callable[[], object]) -> None:
    """Repeat a call as a sender does whose server is restarted."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            call()
        except Unavailable:
            assert time.monotonic() < deadline
        else:
            return
