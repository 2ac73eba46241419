"""One Redis server for log and histories: bounded pool, time-outs, one bounded retry.

A call that is interrupted is made again, so every call made here must be safe to repeat.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, cast

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.exceptions import AuthorizationError, ClusterDownError, NoPermissionError, TryAgainError
from redis.retry import Retry

from cron.errors import AccessRefused, CannotKeep, Unavailable
from cron.urls.redis import RedisUrl
from trainer.machine.retries import RetryPolicy, call_with_retries

CONNECT_TIMEOUT_S = 2.0
# The gateway answers with up to 40 threads; a call takes well under a millisecond, so the last ones
# do not wait long.
POOL_SIZE = 32
IDLE_CHECK_S = 15.0  # ping a connection idle for this long: a proxy may have dropped it
SCAN_KEYS = 1_000

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
# A restarted server is back within four tries, and a dead one is reported within a second. A server
# that drops packets costs one time-out.
_RETRIES = RetryPolicy(
    # for the client a wrong password is a broken connection
    may_pass=lambda error: isinstance(error, _PASSING) and not isinstance(error, _REFUSALS),
    max_tries=4,
    first_pause_s=0.05,
    limit_s=3.0,
)


class RedisServer:
    """A client that threads may share; nothing is sent until the first call.

    `what` is its name in messages.
    """

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
            # every server and proxy supports it; the client's own default changed in version 8
            protocol=2,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=reply_timeout_s,
            health_check_interval=IDLE_CHECK_S,
            retry=Retry(NoBackoff(), 0),  # we retry ourselves
            **tls,
        )
        self._client = redis.Redis(connection_pool=pool)

    def call(self, *command: Argument) -> object:
        """Send one command that may be repeated; raise Unavailable."""
        return self._retry(lambda: self._send(*command))

    def transaction(self, commands: Sequence[tuple[Argument, ...]]) -> list[object]:
        """Send commands in one MULTI, which may be repeated as a whole.

        Raise Unavailable when it, or one of the commands, failed.
        """

        def send() -> list[object]:
            with self._client.pipeline(transaction=True) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
                return pipeline.execute()

        return self._retry(send)

    def keys_like(self, pattern: str) -> Iterator[Sequence[bytes]]:
        """Yield the keys that match a pattern, some at a time; a key may come twice."""
        place = b"0"
        while True:
            reply = self.call("SCAN", place, "MATCH", pattern, "COUNT", SCAN_KEYS)
            next_place, keys = cast("tuple[int | bytes, list[bytes]]", reply)
            if keys:
                yield keys
            if int(next_place) == 0:
                return
            place = str(next_place).encode()

    def close(self) -> None:
        """Close all connections."""
        self._client.connection_pool.disconnect()

    def _send(self, *command: Argument) -> object:
        return self._client.execute_command(*command)  # type: ignore[no-untyped-call]

    def _retry(self, send: Callable[[], Answer]) -> Answer:
        def try_once() -> Answer:
            self._check()
            return send()

        try:
            return call_with_retries(_RETRIES, try_once, before_pause=self._leave_replica)
        # before _PASSING: for the client a wrong password is a broken connection
        except _REFUSALS as error:
            remedy = "set REDIS_USERNAME and REDIS_PASSWORD to a user who may use its keys"
            raise AccessRefused(
                self._what, where=self.where, why=_reason(error), remedy=remedy
            ) from error
        except _PASSING as error:
            raise Unavailable(self._what, where=self.where, why=_reason(error)) from error
        except redis.RedisError as error:
            raise self._refusal(_reason(error)) from error

    def _leave_replica(self, error: BaseException, _: int) -> None:
        """Drop the connections to a server that has become a replica."""
        if isinstance(error, redis.ReadOnlyError):
            self._client.connection_pool.disconnect()

    def _refusal(self, why: str) -> Unavailable:
        """Return our error for an error reply; Redis 6.2 wraps "full" in the script's error."""
        if "command not allowed when used memory" in why:
            remedy = "give it more maxmemory, or let the worker collect and trim"
            return CannotKeep(
                self._what, where=self.where, why="used memory is over its maxmemory", remedy=remedy
            )
        return Unavailable(self._what, where=self.where, why=why)

    def _check(self) -> None:
        """Refuse a server that evicts keys when memory is short: it would lose records silently."""
        if self._is_checked:
            return
        try:
            memory = cast("dict[str, object]", self._send("INFO", "memory"))
        except NoPermissionError:  # few rights; gaps in the log are noticed anyway
            memory = {}
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if policy.startswith("allkeys"):
            why = f"its maxmemory-policy is {policy}, which evicts keys when memory is short"
            raise CannotKeep(
                self._what, where=self.where, why=why, remedy="set maxmemory-policy noeviction"
            )
        self._is_checked = True


def _reason(error: Exception) -> str:
    """Return the error's text without the command, which holds users' records."""
    return str(error).rpartition("of pipeline caused error: ")[2]
