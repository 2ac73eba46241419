"""Opens the back end that a URL of the settings names.

Client libraries are imported inside the functions. `cron.urls.stores` has the schemes that each
setting accepts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cron.errors import MissingClient, SettingsError
from cron.settings.places import item_records_path, var_folder
from cron.settings.tree import Settings, StoreSettings
from cron.urls import stores, torchserve
from cron.urls.files import FileUrl
from cron.urls.kafka import KafkaUrl
from cron.urls.launchers import ProcessUrl, RayUrl, TorchrunUrl
from cron.urls.machines import KubeRayGroup, MachineProgram, RayMachines, parse_machines
from cron.urls.passwords import hide_password
from cron.urls.postgresql import PostgresUrl
from cron.urls.redis import RedisUrl
from cron.urls.s3 import S3Url
from cron.urls.wrong_url import WrongUrl
from cron.user_keys import hash_without_key

if TYPE_CHECKING:  # imported late, so that `rollback` and `status` load only what they need
    from cron.backends.redis.events import RedisEventLog
    from cron.journal.relay import RelayTarget
    from cron.ledger.ledger import Ledger
    from cron.machine_provider import MachineProvider
    from cron.ports import (
        ArtifactStore,
        EventLog,
        Histories,
        ItemRecords,
        ModelServer,
        TrainLauncher,
    )
    from cron.services import Services
    from cron.serving.decisions import Decisions

Parsed = TypeVar("Parsed")
COPY_MODEL = "copy"


def open_services(settings: Settings) -> Services:
    """Open everything that a cycle uses; loads pyarrow, so only for verbs that need it all."""
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
        item_records=open_item_records(settings.store.histories),
        artifacts=artifacts,
        launcher=open_launchers(settings, text_cache=paths.texts),
        machines=open_machines,
        server=open_server(
            settings.store.server, var=paths.var, drain_timeout_s=settings.release.drain_timeout_s
        ),
        copy_server=cache(partial(open_copy_server, settings)),
        journal=Journal(ledger, artifacts, paths.journal),
    )


def open_ledger(url: str) -> Ledger:
    """Open the ledger; fast, and without torch."""
    from cron.ledger.ledger import open_ledger as open_database

    match _parse("ledger", stores.parse_ledger, url):
        case FileUrl(path=path):
            return open_database(f"sqlite:///{path}")
        case PostgresUrl() as database:
            return open_database(database.url)


def open_log(url: str) -> EventLog:
    """Open the event log; raise Unavailable."""
    match _parse("events", stores.parse_events, url):
        case FileUrl(path=path):
            from cron.backends.sqlite.events import open_log as open_path

            return open_path(path)
        case KafkaUrl() as brokers:
            return _kafka_log(brokers)
        case RedisUrl() as server:
            return _redis_log(server)


def open_relay_target(url: str) -> RelayTarget:
    """Open an event log that a relay can write to.

    Raise SettingsError for a log that cannot store another log's cursor.
    """
    parsed = _parse("events", stores.parse_events, url)
    if isinstance(parsed, RedisUrl):
        return _redis_log(parsed)
    raise SettingsError(
        f"{hide_password(url)!r} can't be a relay's target:"
        " expected a URL that starts with redis: or rediss:"
    )


def open_gateway_histories(settings: Settings, user_key: Callable[[str], str]) -> Histories:
    """Open the histories as the gateway writes them; raise Unavailable.

    Several processes must see each other's events at once. A single one may write them later.
    """
    url = _parse("histories", stores.parse_histories, settings.store.histories)
    if settings.gateway.processes > 1 or not isinstance(url, FileUrl):
        return open_histories(settings.store.histories, user_key)
    from cron.backends.sqlite.histories_ahead import HistoriesAhead

    return HistoriesAhead(url.path, user_key)


def open_histories(url: str, user_key: Callable[[str], str] = hash_without_key) -> Histories:
    """Open the histories; raise Unavailable.

    `user_key` is the ledger's (`cron.ledger.forgotten.keys_of`), where users may be forgotten.
    """
    match _parse("histories", stores.parse_histories, url):
        case FileUrl(path=path):
            from cron.backends.sqlite.histories import open_histories as open_path

            return open_path(path, user_key)
        case RedisUrl() as server:
            return _redis_histories(server, user_key)


def open_item_records(url: str) -> ItemRecords:
    """Open the item records, which are stored beside the histories; raise Unavailable."""
    match _parse("histories", stores.parse_histories, url):
        case FileUrl(path=path):
            from cron.backends.sqlite.item_records import open_item_records as open_path

            return open_path(item_records_path(path))
        case RedisUrl() as server:
            return _redis_item_records(server)


def open_artifacts(url: str) -> ArtifactStore:
    """Open the store of archives and journal segments; raise Unavailable."""
    match _parse("artifacts", stores.parse_artifacts, url):
        case FileUrl(path=path):
            from cron.backends.artifacts.folder import open_artifacts as open_folder

            return open_folder(path)
        case S3Url() as bucket:
            return _s3_artifacts(bucket)


def open_launchers(settings: Settings, *, text_cache: Path) -> TrainLauncher:
    """Open the launcher of the settings, or those that `worker.launchers` names."""
    open_one = partial(open_launcher, text_cache=text_cache, artifacts=settings.store.artifacts)
    if not settings.worker.launchers:
        return open_one(settings.store.launcher)
    from cron.backends.launch.by_size import LauncherBySize

    return LauncherBySize(
        settings.worker.launchers, otherwise=settings.store.launcher, open_one=open_one
    )


def open_launcher(url: str, *, text_cache: Path, artifacts: str | None = None) -> TrainLauncher:
    """Open the launcher of trainings, whose files may travel through the artifact store."""
    store = _parse("artifacts", stores.parse_artifacts, artifacts or StoreSettings().artifacts)
    match _parse("launcher", stores.parse_launcher, url):
        case ProcessUrl():
            from cron.backends.launch import process

            return process.open_launcher(text_cache=text_cache)
        case TorchrunUrl() as processes:
            from cron.backends.launch import torchrun

            return torchrun.open_launcher(processes, text_cache=text_cache, artifacts=store)
        case RayUrl() as cluster:
            from cron.backends.launch import ray

            return ray.open_launcher(cluster, text_cache=text_cache, artifacts=store)


def open_machines(url: str) -> MachineProvider:
    """Open the provider of machines that `worker.machines` names."""
    from cron.backends.machines import command, kuberay

    match parse_machines(url).provider:
        case MachineProgram() as program:
            return command.open_program(program)
        case RayMachines() as cluster:
            return command.open_ray(cluster)
        case KubeRayGroup() as group:
            return kuberay.KubeRayMachines(group)


def open_server(url: str, *, var: Path, drain_timeout_s: float) -> ModelServer:
    """Open the model server; nothing is sent until it is used.

    Nodes on loopback have their management sockets in `var`.
    """
    from cron.backends.torchserve.nodes import ServerNodes
    from cron.backends.torchserve.server import TorchServe

    _parse("server", stores.parse_server, url)
    nodes = {
        node.address: TorchServe(node, drain_timeout_s=drain_timeout_s)
        for node in torchserve.parse(url, var=var)
    }
    return ServerNodes(nodes) if len(nodes) > 1 else next(iter(nodes.values()))


def open_copy_server(settings: Settings) -> ModelServer:
    """Open the model `copy` on the nodes of the model server; nothing is sent until it is used."""
    from cron.backends.torchserve.nodes import ServerNodes
    from cron.backends.torchserve.server import TorchServe

    parsed = torchserve.parse(settings.store.server, var=var_folder(settings))
    nodes = {
        node.address: TorchServe(
            replace(node, model=COPY_MODEL), drain_timeout_s=settings.release.drain_timeout_s
        )
        for node in parsed
    }
    return ServerNodes(nodes) if len(nodes) > 1 else next(iter(nodes.values()))


def open_decisions(settings: Settings, ledger: Ledger) -> Decisions:
    """Return what carries out a person's decisions; the server and the store are opened late."""
    from cron.serving.decisions import Decisions

    return Decisions(
        ledger,
        lambda: open_server(
            settings.store.server,
            var=var_folder(settings),
            drain_timeout_s=settings.release.drain_timeout_s,
        ),
        lambda: open_artifacts(settings.store.artifacts),
    )


def _parse(store: str, parse: Callable[[str], Parsed], url: str) -> Parsed:
    try:
        return parse(url)
    except WrongUrl as error:
        raise SettingsError(f"store.{store} = {error}") from error


def _kafka_log(url: KafkaUrl) -> EventLog:
    try:
        from cron.backends.kafka.log import open_log as open_topics
    except ImportError as error:
        raise MissingClient(scheme="kafka", package="confluent-kafka", extra="kafka") from error
    return open_topics(url)


def _redis_log(url: RedisUrl) -> RedisEventLog:
    try:
        from cron.backends.redis.events import open_log as open_stream
    except ImportError as error:
        raise MissingClient(scheme="redis", package="redis", extra="redis") from error
    return open_stream(url)


def _redis_histories(url: RedisUrl, user_key: Callable[[str], str]) -> Histories:
    try:
        from cron.backends.redis.histories import open_histories as open_keys
    except ImportError as error:
        raise MissingClient(scheme="redis", package="redis", extra="redis") from error
    return open_keys(url, user_key)


def _redis_item_records(url: RedisUrl) -> ItemRecords:
    try:
        from cron.backends.redis.item_records import open_item_records as open_keys
    except ImportError as error:
        raise MissingClient(scheme="redis", package="redis", extra="redis") from error
    return open_keys(url)


def _s3_artifacts(url: S3Url) -> ArtifactStore:
    try:
        from cron.backends.artifacts.s3.store import open_artifacts as open_bucket
    except ImportError as error:
        raise MissingClient(scheme="s3", package="boto3", extra="s3") from error
    return open_bucket(url)
