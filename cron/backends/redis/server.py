"""One Redis server as the log and the histories use it: a bounded pool, time-outs, one bounded retry, and errors as ours.

Knows Redis; does not know what the keys mean. A call that is cut off is made again, so every call
made here must be safe to repeat.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.exceptions import AuthorizationError, ClusterDownError, NoPermissionError, TryAgainError
from redis.retry import Retry

from cron.errors import AccessRefused, CannotKeep, Unavailable
from cron.urls.redis import RedisUrl

CONNECT_TIMEOUT_S = 2.0
# the gateway answers with up to 40 threads; a call takes well under a millisecond, so the last ones
# wait no longer
POOL_SIZE = 32
IDLE_CHECK_S = (
    15.0  # a connection that was idle for so long is asked first: a proxy may have dropped it
)
TRIES = 4
# doubled each time: a restarted server is back within the four tries, a dead one is told within a
# second
FIRST_PAUSE_S = 0.05
GIVE_UP_S = (
    3.0  # no further try after so long; a server that swallows packets costs one time-out, not four
)

Argument = str | bytes | int
Answer = TypeVar("Answer")
# Worth another try: the server starts or fails over, or the connection broke.
_PASSING = (
    redis.ConnectionError,
    redis.TimeoutError,
    ClusterDownError,
    TryAgainError,
    redis.ReadOnlyError,
)
_REFUSALS = (redis.AuthenticationError, AuthorizationError, NoPermissionError)


class RedisServer:
    """A client that may be shared by threads; `what` names the thing for people. Nothing is sent until the first call."""

    def __init__(self, url: RedisUrl, *, what: str, reply_timeout_s: float) -> None:
        self.where = url.where
        self._what = what
        self._is_checked = False
        tls = {"ssl_ca_certs": url.ca} if url.tls and url.ca else {}
        pool = redis.BlockingConnectionPool(  # type: ignore[no-untyped-call]
            connection_class=SSLConnection if url.tls else Connection,
            max_connections=POOL_SIZE,
            timeout=CONNECT_TIMEOUT_S,
            host=url.host,
            port=url.port,
            db=url.database,
            username=os.environ.get("REDIS_USERNAME") or None,
            password=os.environ.get("REDIS_PASSWORD") or None,
            # what every server and proxy speaks; the client's own default changed with its version
            # 8
            protocol=2,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=reply_timeout_s,
            health_check_interval=IDLE_CHECK_S,
            retry=Retry(NoBackoff(), 0),  # ours is the only one
            **tls,
        )
        self._client = redis.Redis(connection_pool=pool)

    def call(self, *command: Argument) -> object:
        """Send one command that may be repeated; raise Unavailable."""
        return self._repeated(lambda: self._send(*command))

    def transaction(self, commands: Sequence[tuple[Argument, ...]]) -> list[object]:
        """Send commands in one MULTI, which may be repeated as a whole; raise Unavailable when it or one of them failed."""

        def send() -> list[object]:
            with self._client.pipeline(transaction=True) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
                return pipeline.execute()

        return self._repeated(send)

    def close(self) -> None:
        """Close all connections."""
        self._client.connection_pool.disconnect()

    def _send(self, *command: Argument) -> object:
        return self._client.execute_command(*command)  # type: ignore[no-untyped-call]

    def _repeated(self, send: Callable[[], Answer]) -> Answer:
        give_up_at = time.monotonic() + GIVE_UP_S
        pause_s = FIRST_PAUSE_S
        for attempt in range(TRIES):
            try:
                self._check()
                return send()
            except _REFUSALS as error:  # before _PASSING: the client takes a wrong password for a broken connection
                remedy = "set REDIS_USERNAME and REDIS_PASSWORD to a user who may use its keys"
                raise AccessRefused(
                    self._what, where=self.where, why=_reason(error), remedy=remedy
                ) from error
            except _PASSING as error:
                if attempt == TRIES - 1 or time.monotonic() > give_up_at:
                    raise Unavailable(self._what, where=self.where, why=_reason(error)) from error
                if isinstance(error, redis.ReadOnlyError):  # connected to what is a replica now
                    self._client.connection_pool.disconnect()
            except redis.RedisError as error:
                raise self._refusal(_reason(error)) from error
            time.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s *= 2
        raise AssertionError("the last try returns or raises")

    def _refusal(self, why: str) -> Unavailable:
        """Return what an error reply means; Redis 6.2 wraps the one that it is full into the script's."""
        if "command not allowed when used memory" in why:
            remedy = "give it more maxmemory, or let the worker collect and trim"
            return CannotKeep(
                self._what, where=self.where, why="used memory is over its maxmemory", remedy=remedy
            )
        return Unavailable(self._what, where=self.where, why=why)

    def _check(self) -> None:
        """Refuse a server that throws keys away when memory is short: a log would lose records without a word."""
        if self._is_checked:
            return
        try:
            memory = cast("dict[str, object]", self._send("INFO", "memory"))
        except NoPermissionError:  # a user with few rights; gaps in the log are noticed anyway
            memory = {}
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if policy.startswith("allkeys"):
            why = f"its maxmemory-policy is {policy}, which forgets keys when memory is short"
            raise CannotKeep(
                self._what, where=self.where, why=why, remedy="set maxmemory-policy noeviction"
            )
        self._is_checked = True


def _reason(error: Exception) -> str:
    """Return what the server or the socket said, without the command, which holds users' records."""
    return str(error).rpartition("of pipeline caused error: ")[2]
