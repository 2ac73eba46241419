"""The URLs that each key under [store] accepts: the scheme picks the parser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from cron.urls import files, kafka, launchers, postgresql, redis, s3, torchserve
from cron.urls.files import FileUrl
from cron.urls.kafka import KafkaUrl
from cron.urls.launchers import ProcessUrl, RayUrl, TorchrunUrl
from cron.urls.postgresql import PostgresUrl
from cron.urls.redis import RedisUrl
from cron.urls.s3 import S3Url
from cron.urls.torchserve import Node
from cron.urls.wrong_url import WrongUrl

Parsed = TypeVar("Parsed")

_LEDGER: Mapping[str, Callable[[str], FileUrl | PostgresUrl]] = {
    "sqlite": files.parse,
    "postgresql": postgresql.parse,
}
_EVENTS: Mapping[str, Callable[[str], FileUrl | KafkaUrl | RedisUrl]] = {
    "sqlite": files.parse,
    "kafka": kafka.parse,
    "redis": partial(redis.parse, store="events"),
    "rediss": partial(redis.parse, store="events"),
}
_HISTORIES: Mapping[str, Callable[[str], FileUrl | RedisUrl]] = {
    "sqlite": files.parse,
    "redis": partial(redis.parse, store="histories"),
    "rediss": partial(redis.parse, store="histories"),
}
_ARTIFACTS: Mapping[str, Callable[[str], FileUrl | S3Url]] = {"file": files.parse, "s3": s3.parse}
_LAUNCHER: Mapping[str, Callable[[str], ProcessUrl | TorchrunUrl | RayUrl]] = {
    "process": launchers.parse_process,
    "torchrun": launchers.parse_torchrun,
    "ray": launchers.parse_ray,
}
_SERVER: Mapping[str, Callable[[str], tuple[Node, ...]]] = {"torchserve": torchserve.parse}


def parse_ledger(url: str) -> FileUrl | PostgresUrl:
    """Parse `store.ledger`; raise WrongUrl."""
    return _parse(url, _LEDGER)


def parse_events(url: str) -> FileUrl | KafkaUrl | RedisUrl:
    """Parse `store.events`; raise WrongUrl."""
    return _parse(url, _EVENTS)


def parse_histories(url: str) -> FileUrl | RedisUrl:
    """Parse `store.histories`; raise WrongUrl."""
    return _parse(url, _HISTORIES)


def parse_artifacts(url: str) -> FileUrl | S3Url:
    """Parse `store.artifacts`; raise WrongUrl."""
    return _parse(url, _ARTIFACTS)


def parse_launcher(url: str) -> ProcessUrl | TorchrunUrl | RayUrl:
    """Parse `store.launcher`; raise WrongUrl."""
    return _parse(url, _LAUNCHER)


def parse_server(url: str) -> tuple[Node, ...]:
    """Parse `store.server`; raise WrongUrl. Only named management sockets are in the result."""
    return _parse(url, _SERVER)


def _parse(url: str, parsers: Mapping[str, Callable[[str], Parsed]]) -> Parsed:
    parse = parsers.get(url.partition(":")[0])
    if parse is None:
        schemes = " or ".join(f"{name}:" for name in parsers)
        raise WrongUrl(url, expected=f"a URL that starts with {schemes}")
    return parse(url)
