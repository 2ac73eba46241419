"""Every program of the stack, in the order of their start, as supervisord and the waiting need them.

Knows which server is started with which of the others' ports and passwords; does not know how any
of them works.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from cron.backends.artifacts.s3.client import archives_url
from cron.errors import FreshetError
from cron.settings.tree import Settings
from cron.urls.torchserve import Node
from deploy.machine.passwords import make_passwords, read_passwords, write_passwords
from deploy.machine.processes import STOP_S, Supervised
from deploy.servers.confined import confined
from deploy.servers.flink import Cluster, jobmanager_program, taskmanager_program
from deploy.servers.kafka import kafka_program
from deploy.servers.postgres import postgres_program
from deploy.servers.program import LOOK_S, MissingPart, Program
from deploy.servers.prometheus import prometheus_program
from deploy.servers.redis import redis_program
from deploy.servers.s3 import s3_credentials, s3_program
from deploy.servers.verified_python import signature_options
from deploy.stack.join import Join, join_program
from deploy.stack.layout import FLINK, NODES, PROMETHEUS, S3_INNER, Layout, metrics_port

SECRETS = "secrets.env"
OURS = ("PGPASSWORD", "REDIS_PASSWORD")  # the S3 server makes its own
SERVER_STOP_S = 20.0  # a log to flush, a checkpoint to write
# Debian's packages, for the one command that brings all that is missing
PACKAGES = "redis-server postgresql prometheus maven openjdk-17-jre-headless"


class MissingParts(FreshetError):
    """What the stack needs and is not installed, all of it."""

    def __init__(self, parts: list[MissingPart]) -> None:
        each = "\n".join(f"  {part.part:<30} {part.remedy}" for part in parts)
        together = f"On Debian and Ubuntu: apt-get update && apt-get install -y {PACKAGES}"
        super().__init__(
            f"make stack needs what is not installed here:\n{each}\n{together}\nWhere there is Docker: deploy/compose.yaml"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The programs by name: servers first, then Freshet's own, each in the order of its start."""

    servers: Mapping[str, Program]
    flink: Mapping[str, Program]
    freshet: Mapping[str, Program]
    secrets: Mapping[str, str]

    @property
    def all(self) -> Mapping[str, Program]:
        """Every program, in the order of the start."""
        return {**self.servers, **self.flink, **self.freshet}


def build(settings: Settings, place: Layout, say: Callable[[str], None]) -> Stack:
    """Write every server's configuration and fetch what it lacks; raise MissingParts, which names all that is not installed."""
    secrets = make_passwords(place.home / SECRETS, OURS)
    cluster = Cluster(
        folder=place.home / "flink", rest_port=place.inner[FLINK], rpc_port=place.inner["flink-rpc"]
    )
    join = Join(
        bootstrap=place.bootstrap, checkpoints=place.home / "checkpoints", events=place.events
    )
    builders: dict[str, Callable[[], Program]] = {
        "kafka": lambda: kafka_program(
            place.home / "kafka", port=place.kafka, controller_port=place.inner["kafka-controller"]
        ),
        "redis": lambda: redis_program(
            place.home / "redis", port=place.redis, password=secrets["REDIS_PASSWORD"]
        ),
        "postgres": lambda: postgres_program(
            place.home / "postgres", port=place.postgres, password=secrets["PGPASSWORD"]
        ),
        "s3": lambda: s3_program(
            place.home / "s3", port=place.s3, inner_ports=[place.inner[name] for name in S3_INNER]
        ),
        "prometheus": lambda: prometheus_program(
            place.home / "prometheus",
            port=place.inner[PROMETHEUS],
            targets=_targets(place),
            gateway_key=settings.gateway.api_key,
        ),
        "flink-jobmanager": lambda: jobmanager_program(cluster),
        "flink-taskmanager": lambda: taskmanager_program(cluster),
        "flink-join": lambda: join_program(cluster, join),
    }
    built: dict[str, Program] = {}
    missing: dict[str, MissingPart] = {}
    for name, builder in builders.items():
        say(name)
        try:
            built[name] = builder()
        except MissingPart as part:
            missing[part.part] = part
    if missing:
        raise MissingParts(list(missing.values()))
    secrets = {**secrets, **s3_credentials(place.home / "s3")}
    flink = {name: built[name] for name in built if name.startswith("flink")}
    servers = {name: program for name, program in built.items() if name not in flink}
    return Stack(servers=servers, flink=flink, freshet=_freshet(settings, place), secrets=secrets)


def write_secrets(place: Layout, stack: Stack, config: Path) -> Path:
    """Write what another terminal needs to talk to the stack: the settings file's name and the passwords; return the file."""
    file = place.home / SECRETS
    wanted = {"FRESHET_CONFIG": str(config), **stack.secrets}
    if read_passwords(file) != wanted:
        write_passwords(file, wanted)
    return file


def supervised(stack: Stack) -> dict[str, Supervised]:
    """Return the programs as supervisord runs them; each starts when it is told to."""
    return {
        name: Supervised(
            command=program.command
            if name in stack.freshet
            else confined("server", program.command, also=tuple(program.environment)),
            environment=program.environment,
            starts_by_itself=False,
            stop_signal=program.stop_signal.name.removeprefix("SIG"),
            stop_s=STOP_S if name in stack.freshet else SERVER_STOP_S,
        )
        for name, program in stack.all.items()
    }


def _freshet(settings: Settings, place: Layout) -> dict[str, Program]:
    nodes = {
        f"torchserve-{letter}": _node(settings, place, letter, node)
        for letter, node in zip(NODES, place.nodes, strict=False)
    }
    gateway = f"http://127.0.0.1:{place.gateway}/healthz"
    figures = f"http://127.0.0.1:{place.worker_metrics}/metrics"
    doors = [f"{node.management_port}={node.socket}" for node in place.nodes]
    listed = [f"http://127.0.0.1:{node.management_port}/models" for node in place.nodes]
    return {
        **nodes,
        "management": Program(
            name="management",
            command=tuple(
                confined("server", [sys.executable, "-m", "deploy.servers.management_door", *doors])
            ),
            is_ready=lambda: all(is_up(models) for models in listed),
        ),
        "gateway": Program(
            name="gateway",
            command=tuple(confined("gateway", [sys.executable, "-m", "gateway"])),
            is_ready=lambda: is_up(gateway),
        ),
        "worker": Program(
            name="worker",
            command=tuple(confined("worker", [sys.executable, "-m", "cron", "worker"])),
            is_ready=lambda: not place.worker_metrics or is_up(figures),
        ),
    }


def _node(settings: Settings, place: Layout, letter: str, node: Node) -> Program:
    name = f"torchserve-{letter}"
    folder = place.home / name
    ports = {
        "inference": node.inference_port,
        "management": node.management_port,
        "metrics": metrics_port(node),
    }
    options = [word for option, port in ports.items() for word in (f"--{option}", str(port))]
    folders = (
        "--var",
        str(folder),
        "--model-store",
        str(folder / "model-store"),
        "--archives",
        archives_url(settings.store.artifacts),
        "--socket",
        str(node.socket),
        *signature_options(settings),
    )
    command = (
        sys.executable,
        "-m",
        "deploy.servers.torchserve",
        *folders,
        "--host",
        "127.0.0.1",
        *options,
    )
    return Program(
        name=name,
        command=command,
        is_ready=lambda: is_up(f"http://127.0.0.1:{node.inference_port}/ping"),
    )


def _targets(place: Layout) -> Mapping[str, list[str]]:
    """Return what Prometheus reads, by the jobs of deploy/prometheus.yml."""
    return {
        "freshet-gateway": [f"127.0.0.1:{place.gateway}"],
        "freshet-worker": [f"127.0.0.1:{place.worker_metrics}"] if place.worker_metrics else [],
        "torchserve": [f"127.0.0.1:{metrics_port(node)}" for node in place.nodes],
    }


def is_up(url: str) -> bool:
    """Tell whether a page answers."""
    try:
        return httpx.get(url, timeout=LOOK_S * 4, trust_env=False).is_success
    except httpx.HTTPError:
        return False
