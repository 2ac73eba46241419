"""Kafka: one node in KRaft mode, broker and controller in one process, from Maven's jars.

The listener on loopback asks for no password. With one, a second listener asks for it (SASL/PLAIN).
"""

from __future__ import annotations

import socket
import struct
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cron.errors import FreshetError, MissingClient, Unavailable
from deploy.servers.java import find_java
from deploy.servers.java_properties import escape_value
from deploy.servers.maven import PARTS, fetch_jars
from deploy.servers.program import LOOK_S, Program, new_folder

if TYPE_CHECKING:  # the broker starts without the client
    from confluent_kafka.admin import AdminClient

VERSION = "4.3.1"
# log4j-slf4j-impl: without it the broker logs nothing, not even why it ended
ARTEFACTS = (
    f"org.apache.kafka:kafka_2.13:{VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
)
CREATE_LIMIT_S = 30.0
# One node: nothing can be replicated. Few internal partitions: each is a file handle and a start-up
# step. A short session: a broker that was killed may return only when its old session has ended.
# No automatic topics: a misspelt name must be an error, not an empty log.
_CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{sasl_listener}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{sasl_listener}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
{sasl}"""
_SASL = """\
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
"""
_LOGGING = """\
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %-5p %m (%c{1})%n
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sasl:
    """A second listener that asks for a user and a password."""

    port: int
    user: str
    password: str


class CannotFormat(FreshetError):
    """Kafka's storage tool failed."""

    def __init__(self, folder: Path, *, why: str) -> None:
        super().__init__(f"Kafka could not format its storage in {folder}:\n{why}")


def kafka_program(
    folder: Path,
    *,
    port: int = 9092,
    controller_port: int = 9093,
    heap_mb: int = 512,
    sasl: Sasl | None = None,
    parts: Path = PARTS,
) -> Program:
    """Write server.properties, format the storage if it is new, and return the program.

    Raise MissingPart, CannotFetch or CannotFormat.
    """
    jars = fetch_jars(f"kafka-{VERSION}", ARTEFACTS, parts=parts)
    java = str(find_java())
    config = new_folder(folder) / "server.properties"
    config.touch(mode=0o600)
    config.write_text(
        _CONFIG.format(
            folder=escape_value(folder.resolve()),
            port=port,
            controller_port=controller_port,
            sasl_listener=f",SASL://127.0.0.1:{sasl.port}" if sasl else "",
            sasl=_SASL.format(user=sasl.user, password=sasl.password) if sasl else "",
        ),
        encoding="utf-8",
    )
    (folder / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")
    if not (folder / "data" / "meta.properties").exists():
        _format(java, jars, folder, config)
    logging = f"-Dlog4j2.configurationFile={(folder / 'log4j2.properties').resolve()}"
    machine = (java, f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", logging)
    command = (*machine, "-cp", f"{jars}/*", "kafka.Kafka", str(config.resolve()))
    return Program(name="kafka", command=command, is_ready=lambda: _answers(port))


def create_topics(
    address: str, topics: Mapping[str, int], *, settings: Mapping[str, str] | None = None
) -> None:
    """Create topics with these numbers of partitions, and wait until they can be used.

    A topic that exists stays as it is. Raise Unavailable or MissingClient.
    """
    try:
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.admin import AdminClient
        from confluent_kafka.cimpl import NewTopic
    except ImportError as error:
        raise MissingClient(scheme="kafka", package="confluent-kafka", extra="kafka") from error
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    new = [
        NewTopic(name, num_partitions=count, replication_factor=-1, config=dict(settings or {}))
        for name, count in topics.items()
    ]
    try:
        for creation in admin.create_topics(new, request_timeout=CREATE_LIMIT_S).values():
            refused = creation.exception()
            if refused is not None and refused.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise refused
        deadline = time.monotonic() + CREATE_LIMIT_S
        # The controller has created them; the brokers learn of it a moment later.
        while not _have_leaders(admin, topics):
            if time.monotonic() > deadline:
                raise Unavailable("Kafka", where=address, why=f"no leaders for {', '.join(topics)}")
            time.sleep(0.05)
    except KafkaException as error:
        raise Unavailable("Kafka", where=address, why=error.args[0].str()) from error


def _have_leaders(admin: AdminClient, topics: Iterable[str]) -> bool:
    known = admin.list_topics(timeout=CREATE_LIMIT_S).topics
    return all(
        name in known
        and all(part.leader >= 0 and not part.error for part in known[name].partitions.values())
        for name in topics
    )


def _format(java: str, jars: Path, folder: Path, config: Path) -> None:
    command = [java, "-Xmx128m", "-cp", f"{jars}/*", "kafka.tools.StorageTool", "format"]
    command += ["-t", cluster_id(uuid.uuid4()), "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotFormat(folder, why=(done.stdout + done.stderr).strip()[-2000:])


def cluster_id(seed: uuid.UUID) -> str:
    """Return a cluster id as Kafka makes its own: 16 bytes in URL-safe base64.

    It never begins with a dash, which Kafka's tools take for an option.
    """
    written = urlsafe_b64encode(seed.bytes).rstrip(b"=").decode()
    return "_" + written[1:] if written.startswith("-") else written


def _answers(port: int) -> bool:
    """Ask for the brokers by hand: a broker is ready once it lists itself, after its port opens."""
    # Metadata, version 1, correlation id 1, no client id, no topics
    request = struct.pack(">hhihi", 3, 1, 1, -1, 0)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=LOOK_S) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.recv(4096)
    except OSError:
        return False
    # size, correlation id, number of brokers
    return len(answer) >= 12 and int(struct.unpack_from(">i", answer, 8)[0]) > 0
