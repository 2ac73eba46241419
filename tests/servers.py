"""Real servers for the service suites, each started at its first use for the session.

`make test-services` runs the contract suites of every port on them, and the tests in
tests/services. A server that is not installed is a failure there, never a skip.
"""

from __future__ import annotations

import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from deploy.servers.flink import Cluster, jobmanager_program, taskmanager_program
from deploy.servers.kafka import Sasl, create_topics, kafka_program
from deploy.servers.postgres import postgres_program
from deploy.servers.program import Program
from deploy.servers.prometheus import prometheus_program
from deploy.servers.redis import redis_program
from deploy.servers.s3 import INNER_PORTS, s3_credentials, s3_program
from tests.ports import free_port

STOP_LIMIT_S = 60.0
BUSY = 4  # times as long takes a start on a machine with other work too
POSTGRES_PASSWORD = "only-for-tests"  # of the user freshet


class ServerProcess:
    """One running program; stop, kill and start it in the middle of a test as you like."""

    def __init__(self, program: Program, *, port: int, folder: Path) -> None:
        self.program = program
        self.port = port
        self.folder = folder
        self.log = folder.with_name(f"{folder.name}.log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it is ready; starting what runs is fine."""
        if self.process is not None and self.process.poll() is None:
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.program.command,
                env={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "LC_ALL": "C.UTF-8",
                    **self.program.environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        limit_s = BUSY * self.program.starts_within_s
        deadline = time.monotonic() + limit_s
        while not self.program.is_ready():
            assert self.process.poll() is None, (
                f"{self.program.name} ended at start:\n{self.tail()}"
            )
            assert time.monotonic() < deadline, (
                f"{self.program.name} was not ready in {limit_s} s:\n{self.tail()}"
            )
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as an operator would, and wait."""
        self._end(self.program.stop_signal)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def tail(self) -> str:
        """Return the end of what it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def _end(self, how: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Servers:
    """The session's servers by name; tests share them and use `unique` names within."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, ServerProcess] = {}

    @property
    def redis(self) -> ServerProcess:
        """Redis that writes its append-only file at each command, so a kill loses nothing."""
        return self._server(
            "redis", lambda folder, port: redis_program(folder, port=port, fsync="always")
        )

    @property
    def kafka(self) -> ServerProcess:
        """Kafka on one node; tests create topics with `deploy.servers.kafka.create_topics`."""
        return self._server(
            "kafka",
            lambda folder, port: kafka_program(
                folder, port=port, controller_port=free_port(), sasl=self.kafka_sasl
            ),
        )

    @cached_property
    def kafka_sasl(self) -> Sasl:
        """The listener of Kafka that asks for a password."""
        return Sasl(port=free_port(), user="shop", password=unique("password"))

    def kafka_log(self, partitions: int = 3) -> str:
        """Return the URL of a log in two new topics that nobody else reads."""
        name = unique()
        create_topics(
            f"127.0.0.1:{self.kafka.port}", {f"{name}.events": partitions, f"{name}.items": 1}
        )
        return f"kafka://127.0.0.1:{self.kafka.port}/{name}.events?items={name}.items&trim=yes"

    @property
    def postgres(self) -> ServerProcess:
        """PostgreSQL that checks passwords; a kill loses nothing, a power cut would."""
        return self._server(
            "postgres",
            lambda folder, port: postgres_program(
                folder, port=port, password=POSTGRES_PASSWORD, fsync=False
            ),
        )

    def postgres_database(self, *, like: str = "template1") -> str:
        """Return the URL, with password, of a new database: empty, or a copy of an unused one."""
        import psycopg

        name, server = (
            unique(),
            f"postgresql://freshet:{POSTGRES_PASSWORD}@127.0.0.1:{self.postgres.port}",
        )
        with psycopg.connect(f"{server}/freshet", autocommit=True) as connection:
            connection.execute(
                f"CREATE DATABASE {name} TEMPLATE {like.rpartition('/')[2]}".encode()
            )
        return f"{server}/{name}"

    @property
    def s3(self) -> ServerProcess:
        """An S3 server that knows the key pairs in `s3_keys`."""
        return self._server(
            "s3",
            lambda folder, port: s3_program(
                folder, port=port, inner_ports=[free_port() for _ in INNER_PORTS]
            ),
        )

    def s3_keys(self, user: str = "freshet") -> Mapping[str, str]:
        """Return a client's environment: `freshet` may do everything, `reader` only read."""
        return s3_credentials(self.s3.folder, user)

    def s3_store(self) -> str:
        """Return the URL of a store in a bucket that is not there yet."""
        return f"s3://{unique()}/archives?endpoint=http://127.0.0.1:{self.s3.port}"

    @cached_property
    def flink(self) -> Cluster:
        """Flink's session cluster with room for four jobs; tests address its two servers singly."""
        return Cluster(
            folder=self._folder / "flink", rest_port=free_port(), rpc_port=free_port(), slots=4
        )

    @property
    def flink_jobmanager(self) -> ServerProcess:
        """Flink's job manager, which forgets its jobs when it ends."""
        return self._server("flink-jobmanager", lambda *_: jobmanager_program(self.flink))

    @property
    def flink_taskmanager(self) -> ServerProcess:
        """Flink's task manager; it needs the job manager."""
        _ = self.flink_jobmanager
        return self._server("flink-taskmanager", lambda *_: taskmanager_program(self.flink))

    def prometheus(self, targets: Mapping[str, Sequence[str]]) -> ServerProcess:
        """Return a new Prometheus with the jobs of deploy/prometheus.yml on these targets."""
        return self._server(
            unique("prometheus-"),
            lambda folder, port: prometheus_program(folder, port=port, targets=targets, scrape_s=1),
        )

    def _server(self, name: str, program: Callable[[Path, int], Program]) -> ServerProcess:
        """Return a server by name; start it if it is missing or was stopped by a test."""
        if name not in self._running:
            port = free_port()
            self._running[name] = ServerProcess(
                program(self._folder / name, port), port=port, folder=self._folder / name
            )
        self._running[name].start()
        return self._running[name]

    def close(self) -> None:
        """Stop all, the youngest first."""
        for server in reversed(self._running.values()):
            server.stop()


def unique(prefix: str = "t") -> str:
    """Return a name that no other test uses: of a stream, a topic, a bucket, a database."""
    return f"{prefix}{uuid.uuid4().hex[:12]}"
