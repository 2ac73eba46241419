"""Every program of the stack, in the order of their start, with its ports and passwords."""

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
from deploy.servers.flink import Cluster, jobmanager_program, taskmanager_program
from deploy.servers.kafka import kafka_program
from deploy.servers.postgres import postgres_program
from deploy.servers.program import LOOK_S, MissingPart, Program
from deploy.servers.prometheus import prometheus_program
from deploy.servers.redis import redis_program
from deploy.servers.s3 import s3_credentials, s3_program
from deploy.servers.torchserve.forked_workers import import_options
from deploy.servers.torchserve.signed_archives import signature_options
from deploy.stack.join import Join, join_program
from deploy.stack.layout import FLINK, NODES, PROMETHEUS, S3_INNER, Layout, metrics_port
from deploy.stack.passwords import make_passwords, read_passwords, write_passwords
from deploy.supervision.configuration import STOP_S, Supervised
from deploy.supervision.confine import confine

SECRETS = "secrets.env"
OURS = ("PGPASSWORD", "REDIS_PASSWORD")  # the S3 server makes its own
SERVER_STOP_S = 20.0  # to flush a log, to write a checkpoint
# Debian's packages, for one command that installs everything that is missing
PACKAGES = "redis-server postgresql prometheus maven openjdk-17-jre-headless"


class MissingParts(FreshetError):
    """Everything that the stack needs and that is not installed."""

    def __init__(self, parts: list[MissingPart]) -> None:
        each = "\n".join(f"  {part.part:<30} {part.remedy}" for part in parts)
        together = f"On Debian and Ubuntu: apt-get update && apt-get install -y {PACKAGES}"
        super().__init__(
            f"make stack needs programs that are not installed here:\n{each}\n{together}\n"
            "With Docker: deploy/compose.yaml"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The programs by name, in the order of their start: servers first, then Freshet's own."""

    servers: Mapping[str, Program]
    flink: Mapping[str, Program]
    freshet: Mapping[str, Program]
    secrets: Mapping[str, str]

    @property
    def all(self) -> Mapping[str, Program]:
        """Every program, in the order of the start."""
        return {**self.servers, **self.flink, **self.freshet}


def build(settings: Settings, place: Layout, say: Callable[[str], None]) -> Stack:
    """Write every server's configuration and fetch what it lacks.

    `say` reports each name. Raise MissingParts, which names everything that is not installed.
    """
    secrets = make_passwords(place.home / SECRETS, OURS)
    built: dict[str, Program] = {}
    missing: dict[str, MissingPart] = {}
    for name, builder in builders(settings, place, secrets).items():
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


def builders(
    settings: Settings, place: Layout, secrets: Mapping[str, str]
) -> dict[str, Callable[[], Program]]:
    """Return what makes each server's program, by its name, in the order of the start."""
    cluster = Cluster(
        folder=place.home / "flink", rest_port=place.inner[FLINK], rpc_port=place.inner["flink-rpc"]
    )
    join = Join(
        bootstrap=place.bootstrap, checkpoints=place.home / "checkpoints", events=place.events
    )
    return {
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


def write_secrets(place: Layout, stack: Stack, config: Path) -> Path:
    """Write what another terminal needs for the stack: the settings file and the passwords."""
    file = place.home / SECRETS
    wanted = {"FRESHET_CONFIG": str(config), **stack.secrets}
    if read_passwords(file) != wanted:
        write_passwords(file, wanted)
    return file


def supervised_programs(stack: Stack) -> dict[str, Supervised]:
    """Return the programs as supervisord runs them; none starts by itself."""
    by_name = {}
    for name, program in stack.all.items():
        command, stop_s = program.command, STOP_S
        if name not in stack.freshet:
            command = tuple(confine("server", command, also=tuple(program.environment)))
            stop_s = SERVER_STOP_S
        by_name[name] = Supervised(
            command=command,
            environment=program.environment,
            starts_by_itself=False,
            stop_signal=program.stop_signal.name.removeprefix("SIG"),
            stop_s=stop_s,
        )
    return by_name


def _freshet(settings: Settings, place: Layout) -> dict[str, Program]:
    nodes = {
        f"torchserve-{letter}": _node(settings, place, letter, node)
        for letter, node in zip(NODES, place.nodes, strict=False)
    }
    gateway = f"http://127.0.0.1:{place.gateway}/healthz"
    metrics = f"http://127.0.0.1:{place.worker_metrics}/metrics"
    doors = [f"{node.management_port}={node.socket}" for node in place.nodes]
    listed = [f"http://127.0.0.1:{node.management_port}/models" for node in place.nodes]
    return {
        **nodes,
        "management": Program(
            name="management",
            command=tuple(
                confine("server", [sys.executable, "-m", "deploy.servers.management_door", *doors])
            ),
            is_ready=lambda: all(is_up(models) for models in listed),
        ),
        "gateway": Program(
            name="gateway",
            command=tuple(confine("gateway", [sys.executable, "-m", "gateway"])),
            is_ready=lambda: is_up(gateway),
        ),
        "worker": Program(
            name="worker",
            command=tuple(confine("worker", [sys.executable, "-m", "cron", "worker"])),
            is_ready=lambda: not place.worker_metrics or is_up(metrics),
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
    command = [sys.executable, "-m", "deploy.servers.torchserve", "--var", str(folder)]
    command += ["--model-store", str(folder / "model-store")]
    command += ["--archives", archives_url(settings.store.artifacts)]
    command += ["--socket", str(node.socket), "--host", "127.0.0.1"]
    command += [*signature_options(settings), *import_options(settings)]
    command += [word for option, port in ports.items() for word in (f"--{option}", str(port))]
    return Program(
        name=name,
        command=tuple(command),
        is_ready=lambda: is_up(f"http://127.0.0.1:{node.inference_port}/ping"),
    )


def _targets(place: Layout) -> Mapping[str, list[str]]:
    """Return the pages that Prometheus reads, by the jobs of deploy/prometheus.yml."""
    return {
        "freshet-gateway": [f"127.0.0.1:{place.gateway}"],
        "freshet-worker": [f"127.0.0.1:{place.worker_metrics}"] if place.worker_metrics else [],
        "torchserve": [f"127.0.0.1:{metrics_port(node)}" for node in place.nodes],
    }


def is_up(url: str) -> bool:
    """Return whether a page answers."""
    try:
        return httpx.get(url, timeout=LOOK_S * 4, trust_env=False).is_success
    except httpx.HTTPError:
        return False
