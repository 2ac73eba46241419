"""Which URL scheme opens which back end: a dict a port, from scheme to a function that imports its client inside.

Knows names and paths; does not know what a back end does.

A path in a URL follows SQLAlchemy's rule: three slashes start at the project's root
(`sqlite:///var/events.db`), four are absolute (`sqlite:////srv/freshet/events.db`). `store.var` is
an ordinary path, relative to the project's root too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from cron.errors import MissingClient, SettingsError
from cron.settings.tree import Settings
from cron.urls import redis as redis_url
from cron.urls.torchserve import Node, parse_nodes
from cron.user_keys import unkeyed

if (
    TYPE_CHECKING
):  # imported late, so that `rollback` and `status` load nothing that they don't need
    from cron.backends.redis.events import RedisEventLog
    from cron.journal.relay import RelayTarget
    from cron.ledger.ledger import Ledger
    from cron.ports import ArtifactStore, EventLog, Histories, ModelServer, TrainLauncher
    from cron.services import Services

PROJECT_ROOT = Path(__file__).resolve().parents[1]
Opened = TypeVar("Opened")
# After the user's name, up to the last @: a password may hold any sign, and `#` and `?` end the
# host for a parser. What looks like a port is none of it. Or as an option of a client: libpq's
# `password` and `sslpassword`, keys and tokens of S3. A path holds neither.
_PASSWORD = re.compile(
    r"(?P<user>(?:^(?!sqlite:|file:)\w+:/{0,2}|(?<!sqlite)(?<!file)://)[^:?#]*:)(?:[^?#]*|(?!\d{1,5}[/,]).*)(?P<at>@)"
    r"|(?P<option>[?&;#][\w.%-]*(?:pass(?!file)|pwd|secret|session_?token|access_?key|credential)[\w.%-]*=)[^&#]*",
    re.DOTALL | re.IGNORECASE,
)


def local_path(url: str) -> Path:
    """Return the absolute path of an on-disk URL."""
    return PROJECT_ROOT / urlsplit(url).path.removeprefix("/")


def var_folder(settings: Settings) -> Path:
    """Return the absolute path of the working folder: runs, caches, logs, dead letters."""
    return PROJECT_ROOT / settings.store.var


def open_services(settings: Settings) -> Services:
    """Open everything that a cycle works with; loads pyarrow, so only for verbs that need it all."""
    from cron.journal.journal import Journal
    from cron.ledger.forgotten import keys_of
    from cron.services import Paths, Services

    paths = Paths(var=var_folder(settings))
    ledger, artifacts = open_ledger(settings.store.ledger), open_artifacts(settings.store.artifacts)
    return Services(
        settings=settings,
        paths=paths,
        ledger=ledger,
        log=open_log(settings.store.events),
        histories=open_histories(settings.store.histories, keys_of(ledger).of_user),
        artifacts=artifacts,
        launcher=open_launcher(settings.store.launcher, text_cache=paths.texts),
        server=open_server(
            settings.store.server, var=paths.var, drain_timeout_s=settings.release.drain_timeout_s
        ),
        journal=Journal(ledger, artifacts, paths.journal),
    )


def open_ledger(url: str) -> Ledger:
    """Open the ledger; torch-free and quick."""
    return _pick("ledger", url, _LEDGERS)(url)


def open_log(url: str) -> EventLog:
    """Open the event log; raise Unavailable."""
    return _pick("events", url, _LOGS)(url)


def open_relay_target(url: str) -> RelayTarget:
    """Open an event log that a relay can write to; raise SettingsError for one that keeps no other log's cursor."""
    _pick("events", url, _LOGS)
    if urlsplit(url).scheme not in _RELAY_TARGETS:
        schemes = " or ".join(f"{scheme}:" for scheme in _RELAY_TARGETS)
        raise SettingsError(
            f"{hide_password(url)!r} can't be a relay's target: expected a URL that starts with {schemes}"
        )
    return _RELAY_TARGETS[urlsplit(url).scheme](url)


def open_histories(url: str, user_key: Callable[[str], str] = unkeyed) -> Histories:
    """Open the histories; raise Unavailable. `user_key` is the ledger's (`cron.ledger.forgotten.keys_of`), where users may be forgotten."""
    return _pick("histories", url, _HISTORIES)(url, user_key)


def open_artifacts(url: str) -> ArtifactStore:
    """Open the store of archives and journal segments; raise Unavailable."""
    return _pick("artifacts", url, _ARTIFACTS)(url)


def open_launcher(url: str, *, text_cache: Path) -> TrainLauncher:
    """Open the way to start a trainer."""
    return _pick("launcher", url, _LAUNCHERS)(url, text_cache)


def open_server(url: str, *, var: Path, drain_timeout_s: float) -> ModelServer:
    """Open the way to the model server; nothing is sent until it is used. Nodes on loopback have their sockets in `var`."""
    return _pick("server", url, _SERVERS)(url, var, drain_timeout_s)


def server_nodes(url: str) -> tuple[Node, ...]:
    """Return the nodes of the model server: where each answers, and its key file; not where each is managed."""
    _pick("server", url, _SERVERS)
    return parse_nodes(url)


def check_url(store: str, url: str) -> str | None:
    """Return what was expected when the URL can't be the setting `store.{store}`; None when it can."""
    scheme = url.partition(":")[0]
    if scheme not in _SCHEMES[store]:
        return "a URL that starts with " + " or ".join(f"{name}:" for name in _SCHEMES[store])
    if scheme in ("sqlite", "file"):
        parts = urlsplit(url)
        fine = not parts.netloc and bool(parts.path.strip("/"))
        return (
            None
            if fine
            else f"{scheme}:///PATH from the project's root, or {scheme}:////PATH from the root of the disk"
        )
    if scheme in redis_url.SCHEMES:
        return redis_url.wrong_url(store, url)
    if scheme == "postgresql":
        return _wrong_database(url)
    if scheme == "kafka":
        return _wrong_kafka(url)
    if scheme == "torchrun":
        from cron.backends.launch.torchrun import wrong_url as wrong_torchrun

        return wrong_torchrun(url)
    if scheme == "ray":
        from cron.backends.launch.ray import wrong_url as wrong_ray

        return wrong_ray(url)
    if scheme == "s3":
        from cron.urls.s3 import wrong_url

        return wrong_url(url)
    return _wrong_server(url) if scheme == "torchserve" else None


def holds_password(url: str) -> bool:
    """Tell whether a URL has a password in it, which the settings file must not."""
    return hide_password(url) != url


def hide_password(url: str) -> str:
    """Return a URL, or what was meant to be one, as it may be shown."""
    return _PASSWORD.sub(
        lambda found: f"{found['user'] or found['option']}***{found['at'] or ''}", url
    )


def _wrong_database(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        fine = (
            bool(parts.path.strip("/"))
            and "/" not in parts.path[1:]
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:  # a port that is no number, or over 65535
        fine = False
    return (
        None
        if fine
        else "postgresql://USER@HOST:PORT/DATABASE; its password comes from PGPASSWORD or ~/.pgpass"
    )


def _wrong_server(url: str) -> str | None:
    try:
        parse_nodes(url)
    except ValueError as error:
        return str(error)
    return None


def _pick(store: str, url: str, back_ends: Mapping[str, Opened]) -> Opened:
    expected = check_url(store, url)
    if expected:
        raise SettingsError(f"store.{store} = {hide_password(url)!r}: expected {expected}")
    return back_ends[url.partition(":")[0]]


def _sqlite_ledger(url: str) -> Ledger:
    from cron.ledger.ledger import open_ledger as open_url

    return open_url(f"sqlite:///{local_path(url)}")


def _postgresql_ledger(url: str) -> Ledger:
    from cron.ledger.ledger import open_ledger as open_url

    return open_url(url)


def _sqlite_log(url: str) -> EventLog:
    from cron.backends.sqlite.events import open_log as open_path

    return open_path(local_path(url))


def _sqlite_histories(url: str, user_key: Callable[[str], str]) -> Histories:
    from cron.backends.sqlite.histories import open_histories as open_path

    return open_path(local_path(url), user_key)


def _redis_log(url: str) -> RedisEventLog:
    try:
        from cron.backends.redis.events import open_log as open_url
    except ImportError as error:
        raise MissingClient(scheme="redis", package="redis", extra="redis") from error
    return open_url(redis_url.parse("events", url))


def _redis_histories(url: str, user_key: Callable[[str], str]) -> Histories:
    try:
        from cron.backends.redis.histories import open_histories as open_url
    except ImportError as error:
        raise MissingClient(scheme="redis", package="redis", extra="redis") from error
    return open_url(redis_url.parse("histories", url), user_key)


def _folder_artifacts(url: str) -> ArtifactStore:
    from cron.backends.artifacts.folder import open_artifacts as open_folder

    return open_folder(local_path(url))


def _s3_artifacts(url: str) -> ArtifactStore:
    try:
        from cron.backends.artifacts.s3.store import open_artifacts as open_bucket
    except ImportError as error:
        raise MissingClient(scheme="s3", package="minio") from error
    return open_bucket(url)


def _process_launcher(url: str, text_cache: Path) -> TrainLauncher:
    from cron.backends.launch.process import open_launcher as open_url

    return open_url(url, text_cache=text_cache)


def _ray_launcher(url: str, text_cache: Path) -> TrainLauncher:
    from cron.backends.launch.ray import open_launcher as open_url

    return open_url(url, text_cache=text_cache)


def _torchrun_launcher(url: str, text_cache: Path) -> TrainLauncher:
    from cron.backends.launch.torchrun import open_launcher as open_url

    return open_url(url, text_cache=text_cache)


def _torchserve(url: str, var: Path, drain_timeout_s: float) -> ModelServer:
    from cron.backends.torchserve.nodes import ServerNodes
    from cron.backends.torchserve.server import TorchServe

    nodes = {
        node.address: TorchServe(node, drain_timeout_s=drain_timeout_s)
        for node in parse_nodes(url, var=var)
    }
    return ServerNodes(nodes) if len(nodes) > 1 else next(iter(nodes.values()))


def _kafka_log(url: str) -> EventLog:
    from cron.urls.kafka import parse_url

    try:
        from cron.backends.kafka.log import open_log as open_url
    except ImportError as error:
        raise MissingClient(scheme="kafka", package="confluent-kafka", extra="kafka") from error
    return open_url(parse_url(url))


def _wrong_kafka(url: str) -> str | None:
    from cron.urls.kafka import WrongUrl, parse_url

    try:
        parse_url(url)
    except WrongUrl as error:
        return str(error)
    return None


_LEDGERS: Mapping[str, Callable[[str], Ledger]] = {
    "sqlite": _sqlite_ledger,
    "postgresql": _postgresql_ledger,
}
_LOGS: Mapping[str, Callable[[str], EventLog]] = {
    "sqlite": _sqlite_log,
    "kafka": _kafka_log,
    **dict.fromkeys(redis_url.SCHEMES, _redis_log),
}
# a relay's targets: logs that keep the other log's cursor beside what came from there
_RELAY_TARGETS: Mapping[str, Callable[[str], RelayTarget]] = dict.fromkeys(
    redis_url.SCHEMES, _redis_log
)
_HISTORIES: Mapping[str, Callable[[str, Callable[[str], str]], Histories]] = {
    "sqlite": _sqlite_histories,
    **dict.fromkeys(redis_url.SCHEMES, _redis_histories),
}
_ARTIFACTS: Mapping[str, Callable[[str], ArtifactStore]] = {
    "file": _folder_artifacts,
    "s3": _s3_artifacts,
}
_LAUNCHERS: Mapping[str, Callable[[str, Path], TrainLauncher]] = {
    "process": _process_launcher,
    "torchrun": _torchrun_launcher,
    "ray": _ray_launcher,
}
_SERVERS: Mapping[str, Callable[[str, Path, float], ModelServer]] = {"torchserve": _torchserve}

# by the key under [store]
_SCHEMES: Mapping[str, tuple[str, ...]] = {
    "ledger": tuple(_LEDGERS),
    "events": tuple(_LOGS),
    "histories": tuple(_HISTORIES),
    "artifacts": tuple(_ARTIFACTS),
    "launcher": tuple(_LAUNCHERS),
    "server": tuple(_SERVERS),
}
