"""Flink: a session cluster of one job manager and one task manager.

It starts without Flink's shell scripts. Our job is in deploy/stack/join.py. Flink's own libraries
come from its wheel, the one place that has them all; the Kafka connector and the gateway that the
SQL client needs come from Maven.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import httpx

from cron.errors import FreshetError
from deploy.servers.java import find_java_version
from deploy.servers.maven import PARTS, fetch_jars
from deploy.servers.program import LOOK_S, Program, listens, new_folder
from trainer.machine.file_lock import file_lock

VERSION = "2.2.1"
JAVA = 17  # the only version on which Flink 2.2 was tried
WHEEL = f"apache-flink-libraries=={VERSION}"
ARTEFACTS = (
    "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2",
    f"org.apache.flink:flink-sql-gateway:{VERSION}",
)
REST_PORT = 8083  # Flink's own 8081 is TorchServe's
JOB_MANAGER_HEAP_MB = 300
TASK_MANAGER_MB = 1000  # the whole process: 235 MB of heap, 285 MB for RocksDB's caches
# Halves the work of a start (6 s instead of 14 for the SQL client); not for long computations.
QUICK = "-XX:TieredStopAtLevel=1"
FETCH_LIMIT_S = 900.0  # 312 MB
# Flags of Flink's own config.yaml that Java 17 needs; the wheel lacks that file.
_OPENED = (
    "lang",
    "lang.reflect",
    "net",
    "io",
    "nio",
    "text",
    "time",
    "util",
    "util.concurrent",
    "util.concurrent.atomic",
)
# Two checkpoints, for deploy/stack/join.py: a job's own SET has no effect. Heartbeats: a task
# manager that was killed is given up after 10 s, not after 50. No uploads: an uploaded jar is code
# that runs here. Network buffers are for many machines; the defaults would take a tenth of the
# process.
_CONFIG = """\
jobmanager.rpc.address: 127.0.0.1
jobmanager.rpc.port: {rpc_port}
jobmanager.bind-host: 127.0.0.1
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.port: {rest_port}
web.submit.enable: false
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.numberOfTaskSlots: {slots}
taskmanager.memory.process.size: {task_manager_mb}m
taskmanager.memory.jvm-metaspace.size: 192m
taskmanager.memory.jvm-overhead.min: 96m
taskmanager.memory.jvm-overhead.max: 96m
taskmanager.memory.network.min: 64m
taskmanager.memory.network.max: 64m
heartbeat.interval: 2000
heartbeat.timeout: 10000
execution.checkpointing.num-retained: 2
io.tmp.dirs: {temporary}
"""
_LOGGING = """\
rootLogger.level = {level}
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{{ISO8601}} %-5p %m (%c{{1}})%n
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The files and ports of one session cluster.

    It listens on loopback only: its REST API has no passwords.
    """

    folder: Path
    rest_port: int = REST_PORT
    rpc_port: int = 6123
    slots: int = 1  # one for a job of parallelism 1
    parts: Path = PARTS

    @property
    def rest(self) -> str:
        """The URL of its REST interface, which is its web page too."""
        return f"http://127.0.0.1:{self.rest_port}"


class FlinkFailed(FreshetError):
    """One of Flink's programs ended with an error."""

    def __init__(self, what: str, *, why: str) -> None:
        super().__init__(f"Flink: {what} failed; its output ends with:\n{why.strip()[-2000:]}")


def jobmanager_program(cluster: Cluster) -> Program:
    """Write the configuration and return the job manager; raise MissingPart or CannotFetch."""
    _write_config(cluster)
    java = (
        *_java(cluster),
        QUICK,
        f"-Xmx{JOB_MANAGER_HEAP_MB}m",
        *_logging(cluster, "log4j.properties"),
    )
    entry = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
    command = (*java, "-cp", _class_path(cluster), entry, "-c", str(cluster.folder.resolve()))
    return Program(
        name="flink-jobmanager", command=command, is_ready=lambda: _overview(cluster) is not None
    )


def taskmanager_program(cluster: Cluster) -> Program:
    """Write the configuration and return the task manager.

    Raise MissingPart, CannotFetch or FlinkFailed.
    """
    _write_config(cluster)
    flags, options = _memory(cluster)
    java = (*_java(cluster), *flags, *_logging(cluster, "log4j.properties"))
    entry = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
    command = (*java, "-cp", _class_path(cluster), entry, "-c", str(cluster.folder.resolve()))
    return Program(
        name="flink-taskmanager",
        command=(*command, *options),
        is_ready=lambda: bool((_overview(cluster) or {}).get("taskmanagers")),
    )


def run_sql(cluster: Cluster, script: Path, *, limit_s: float) -> None:
    """Run a file of SQL statements in the SQL client; its jobs run on without the client.

    Raise FlinkFailed, MissingPart or CannotFetch.
    """
    java = (*_java(cluster), QUICK, "-Xmx256m", *_logging(cluster, "log4j-client.properties"))
    libraries, jars = _libraries(cluster), _jars(cluster)
    command = [*java, "-cp", f"{libraries}/lib/*:{libraries}/opt/*:{jars}/*"]
    command += ["org.apache.flink.table.client.SqlClient", "-f", script.name]
    command += ["-hist", str((cluster.folder / "history").resolve())]
    environment = {**os.environ, "FLINK_CONF_DIR": str(cluster.folder.resolve())}
    try:
        done = subprocess.run(
            command,
            # Flink takes the file's name for a URI, which may not have a folder's spaces.
            cwd=script.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        raise FlinkFailed(
            f"the SQL client with {script.name}", why=f"no end within {limit_s:.0f} s"
        ) from error
    output = done.stdout + done.stderr
    error_at = output.rfind("[ERROR]")
    if done.returncode or error_at >= 0:  # its exit status is 0 even after an error
        raise FlinkFailed(f"the SQL client with {script.name}", why=output[max(error_at, 0) :])


def _write_config(cluster: Cluster) -> None:
    folder = new_folder(cluster.folder).resolve()
    temporary = folder / "tmp"
    if not listens(cluster.rest_port):  # killed processes leave 20 MB each
        shutil.rmtree(temporary, ignore_errors=True)
    new_folder(temporary)
    (folder / "config.yaml").write_text(
        _CONFIG.format(
            rest_port=cluster.rest_port,
            rpc_port=cluster.rpc_port,
            slots=cluster.slots,
            task_manager_mb=TASK_MANAGER_MB,
            temporary=temporary,
        ),
        encoding="utf-8",
    )
    (folder / "log4j.properties").write_text(_LOGGING.format(level="info"), encoding="utf-8")
    (folder / "log4j-client.properties").write_text(_LOGGING.format(level="off"), encoding="utf-8")


def _java(cluster: Cluster) -> tuple[str, ...]:
    packages = ("sun.nio.ch", "java.util.concurrent.locks", *(f"java.{name}" for name in _OPENED))
    opened = tuple(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in packages)
    temporary = f"-Djava.io.tmpdir={(cluster.folder / 'tmp').resolve()}"
    java = str(find_java_version(JAVA))
    return (java, "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", temporary, *opened)


def _logging(cluster: Cluster, name: str) -> tuple[str, ...]:
    return (f"-Dlog4j.configurationFile={(cluster.folder / name).resolve()}",)


def _class_path(cluster: Cluster) -> str:
    return f"{_libraries(cluster)}/lib/*:{_jars(cluster)}/flink-sql-connector-kafka-5.0.0-2.2.jar"


def _memory(cluster: Cluster) -> tuple[list[str], list[str]]:
    """Return the task manager's JVM flags and options for its memory; it needs them to start.

    Flink's own helper calculates them.
    """
    libraries = _libraries(cluster)
    java = str(find_java_version(JAVA))
    command = [java, "-cp", f"{libraries}/bin/bash-java-utils.jar:{libraries}/lib/*"]
    command += ["org.apache.flink.runtime.util.bash.BashJavaUtils", "GET_TM_RESOURCE_PARAMS"]
    command += ["-c", str(cluster.folder.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    mark = "BASH_JAVA_UTILS_EXEC_RESULT:"
    results = [
        line.removeprefix(mark).split()
        for line in done.stdout.splitlines()
        if line.startswith(mark)
    ]
    if done.returncode or len(results) != 2:
        raise FlinkFailed("its memory calculation", why=done.stdout + done.stderr)
    return results[0], results[1]


def _jars(cluster: Cluster) -> Path:
    return fetch_jars(
        f"flink-jars-{VERSION}", ARTEFACTS, parts=cluster.parts, with_dependencies=False
    )


def _libraries(cluster: Cluster) -> Path:
    """Return the folder with Flink's lib, opt and bin; pip fetches it if it does not exist."""
    folder = cluster.parts / f"flink-{VERSION}"
    if not folder.is_dir():
        new_folder(cluster.parts)
        with file_lock(cluster.parts / f"{folder.name}.lock"):
            if not folder.is_dir():  # another process was quicker
                _fetch_libraries(folder)
    return folder / "pyflink"


def _fetch_libraries(folder: Path, *, limit_s: float = FETCH_LIMIT_S) -> None:
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    what = f"fetching its libraries (pip install {WHEEL})"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-compile"]
    command += ["--target", str(partial), WHEEL]
    try:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=limit_s
            )
        except subprocess.TimeoutExpired as error:
            raise FlinkFailed(what, why=f"312 MB did not arrive within {limit_s:.0f} s") from error
        if done.returncode:
            raise FlinkFailed(what, why=done.stdout + done.stderr)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _overview(cluster: Cluster) -> dict[str, object] | None:
    """Return the cluster's own summary; None while it does not answer."""
    try:
        answer = httpx.get(f"{cluster.rest}/overview", timeout=LOOK_S, trust_env=False)
        return dict(answer.json()) if answer.is_success else None
    except (httpx.HTTPError, ValueError):
        return None
