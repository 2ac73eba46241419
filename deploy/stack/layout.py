"""Where everything of the stack listens on this machine.

A server's port is the one in the settings' URL, so to move a server, change the URL. Ports that no
setting names, between the stack's own parts, are chosen once, the usual one or a free one. They are
kept in `ports.json`, because some are also in the servers' data.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cron.settings.keys import variable
from cron.settings.places import var_folder
from cron.settings.tree import Settings, StoreSettings
from cron.urls.torchserve import Node
from cron.urls.torchserve import parse as parse_nodes
from deploy.machine.preflight import NotReady, free_port
from deploy.servers.s3 import INNER_PORTS
from trainer.machine.durable_files import replace_text

LOOPBACK = ("127.0.0.1", "localhost")
NODES = "ab"  # torchserve-a, torchserve-b
FLINK, PROMETHEUS = "flink", "prometheus"
PORTS_FILE = "ports.json"
S3_INNER = tuple(f"s3-{number}" for number in range(len(INNER_PORTS)))
# Flink's default 8081 is TorchServe's port, Prometheus' 9090 that of Debian's service.
INNER: Mapping[str, int] = {
    FLINK: 8083,
    "flink-rpc": 6123,
    PROMETHEUS: 9091,
    "kafka-controller": 9093,
    **dict(zip(S3_INNER, INNER_PORTS, strict=True)),
}
SCHEMES = {
    "events": "kafka",
    "histories": "redis",
    "artifacts": "s3",
    "ledger": "postgresql",
    "server": "torchserve",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The stack's folder, and every port that it uses."""

    home: Path
    kafka: int
    redis: int
    s3: int
    postgres: int
    gateway: int
    worker_metrics: int  # 0: not served
    nodes: tuple[Node, ...]
    events: str  # the topic
    inner: Mapping[str, int]

    @property
    def bootstrap(self) -> str:
        """Kafka's address."""
        return f"127.0.0.1:{self.kafka}"

    def addresses(self) -> dict[str, tuple[str, int]]:
        """Return every (host, port) that the stack listens on, by the setting that moves it."""
        store = {name: variable(f"store.{name}") for name in SCHEMES}
        ports = {
            f"the port in {store['events']}": self.kafka,
            f"the port in {store['histories']}": self.redis,
            f"endpoint= in {store['artifacts']}": self.s3,
            f"the port in {store['ledger']}": self.postgres,
            variable("gateway.port"): self.gateway,
        }
        if self.worker_metrics:
            ports[variable("worker.metrics_port")] = self.worker_metrics
        for node in self.nodes:
            port = f"the port of {node.address} in {store['server']}"
            ports[port] = node.management_port
            ports[f"{port}, plus one"] = metrics_port(node)
            ports[f"inference= for {node.address} in {store['server']}"] = node.inference_port
        return {setting: ("127.0.0.1", port) for setting, port in ports.items()}


def layout(settings: Settings) -> Layout:
    """Read the settings; raise NotReady if they name something that can't be started here."""
    store = settings.store
    _check_schemes(store)
    artifacts = urlsplit(parse_qs(urlsplit(store.artifacts).query).get("endpoint", [""])[0])
    home = var_folder(settings)
    nodes = parse_nodes(store.server, var=home)
    if len(nodes) > len(NODES) or any(node.keys is not None for node in nodes):
        raise NotReady(
            f"store.server = {store.server!r}: make stack starts at most {len(NODES)} nodes, "
            "without tokens (keys=)"
        )
    hosts = {f"store.server, node {node.address}": node.host for node in nodes}
    hosts["store.artifacts, endpoint="] = artifacts.hostname or ""
    hosts["gateway.host"] = settings.gateway.host
    for name in ("events", "histories", "ledger"):
        hosts[f"store.{name}"] = urlsplit(getattr(store, name)).hostname or ""
    _check_loopback(hosts)
    return Layout(
        home=home,
        kafka=urlsplit(store.events).port or 9092,
        redis=urlsplit(store.histories).port or 6379,
        s3=artifacts.port or 80,
        postgres=urlsplit(store.ledger).port or 5432,
        gateway=settings.gateway.port,
        worker_metrics=settings.worker.metrics_port,
        nodes=nodes,
        events=urlsplit(store.events).path.strip("/"),
        inner=_read_inner(home),
    )


def _check_schemes(store: StoreSettings) -> None:
    for name, scheme in SCHEMES.items():
        url = getattr(store, name)
        if urlsplit(url).scheme != scheme:
            raise NotReady(
                f"store.{name} = {url!r}: make stack starts {scheme}; set FRESHET_CONFIG to "
                "deploy/cluster.toml or a copy of it"
            )
    if "," in urlsplit(store.events).netloc:
        raise NotReady(
            f"store.events = {store.events!r}: make stack starts one Kafka; expected "
            "kafka://127.0.0.1:PORT/EVENTS"
        )


def _check_loopback(hosts: Mapping[str, str]) -> None:
    for setting, host in hosts.items():
        if host not in LOOPBACK:
            raise NotReady(
                f"{setting} names {host}, but make stack starts everything on 127.0.0.1; with "
                "your own servers you do not need make stack"
            )


def metrics_port(node: Node) -> int:
    """Return the port of a node's Prometheus page: by TorchServe's default management plus one."""
    return node.management_port + 1


def choose_inner(home: Path, *, taken: Collection[int]) -> Mapping[str, int]:
    """Return free ports, other than the settings' own, for what no setting names.

    They are those of the last start where these are free. Call it while nothing runs.
    """
    chosen: dict[str, int] = {}
    for name, wanted in _read_inner(home).items():
        chosen[name] = free_port(wanted, taken={*taken, *chosen.values()})
    replace_text(home / PORTS_FILE, json.dumps(chosen, indent=1))
    return chosen


def _read_inner(home: Path) -> Mapping[str, int]:
    try:
        stored = json.loads((home / PORTS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        stored = {}
    return {name: int(stored.get(name, usual)) for name, usual in INNER.items()}
