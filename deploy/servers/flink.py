"""Flink: a session cluster of one job manager and one task manager, started without Flink's shell scripts.

Knows how Flink's processes start; what its jobs do is none of its business (deploy/stack/join.py
has ours). Flink's own libraries come from its PyPI wheel, which is where they lie in one piece; the
Kafka connector and the gateway that the SQL client needs come from Maven.
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
from deploy.servers.maven import PARTS, fetch_jars
from deploy.servers.program import LOOK_S, MissingPart, Program, listens, new_folder
from trainer.file_lock import file_lock

VERSION = "2.2.1"
JAVA = 17  # Flink 2.2 was tried on no other
WHEEL = f"apache-flink-libraries=={VERSION}"
ARTEFACTS = (
    "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2",
    f"org.apache.flink:flink-sql-gateway:{VERSION}",
)
REST_PORT = 8083  # Flink's own 8081 is TorchServe's
JOB_MANAGER_HEAP_MB = 300
TASK_MANAGER_MB = 1000  # the whole process: 235 MB of heap, 285 MB for RocksDB's caches
# halves the work of a start (6 s instead of 14 for the SQL client); not for what runs hot
QUICK = "-XX:TieredStopAtLevel=1"
FETCH_LIMIT_S = 900.0  # 312 MB
# What the wheel doesn't bring: the flags of Flink's own config.yaml that Java 17 needs.
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
# Two checkpoints, for deploy/stack/join.py; only the cluster can say it, a job's own SET has no
# effect. Heartbeats: a task manager that was killed is given up after 10 s, not after 50. No
# uploads: whoever may upload a jar runs code here. Network buffers are for many machines; the
# defaults would take a tenth of the process.
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
    """Where one session cluster has its files, and where it listens, on loopback alone: its REST interface asks nobody who he is."""

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
    """A program of Flink's ended with an error."""

    def __init__(self, what: str, *, why: str) -> None:
        super().__init__(f"Flink: {what} failed; its last words:\n{why.strip()[-2000:]}")


def jobmanager_program(cluster: Cluster) -> Program:
    """Write the cluster's configuration and return its job manager; raise MissingPart or CannotFetch."""
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
    """Write the cluster's configuration and return its task manager; raise MissingPart, CannotFetch or FlinkFailed."""
    _write_config(cluster)
    flags, options = _memory(cluster)
    java = (*_java(cluster), *flags, *_logging(cluster, "log4j.properties"))
    entry = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
    command = (
        *java,
        "-cp",
        _class_path(cluster),
        entry,
        "-c",
        str(cluster.folder.resolve()),
        *options,
    )
    return Program(
        name="flink-taskmanager",
        command=command,
        is_ready=lambda: bool((_overview(cluster) or {}).get("taskmanagers")),
    )


def run_sql(cluster: Cluster, script: Path, *, limit_s: float) -> None:
    """Run a file of SQL statements in the SQL client; jobs go on without it. Raise FlinkFailed, MissingPart or CannotFetch."""
    java = (*_java(cluster), QUICK, "-Xmx256m", *_logging(cluster, "log4j-client.properties"))
    libraries, jars = _libraries(cluster), _jars(cluster)
    command = [
        *java,
        "-cp",
        f"{libraries}/lib/*:{libraries}/opt/*:{jars}/*",
        "org.apache.flink.table.client.SqlClient",
    ]
    command += ["-f", script.name, "-hist", str((cluster.folder / "history").resolve())]
    environment = {**os.environ, "FLINK_CONF_DIR": str(cluster.folder.resolve())}
    try:
        done = subprocess.run(
            command,
            # Flink takes the file's name for a URI, in which a space in a folder's name could not
            # be
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
            f"the SQL client with {script.name}", why=f"nothing within {limit_s:.0f} s"
        ) from error
    said = done.stdout + done.stderr
    if done.returncode or "[ERROR]" in said:  # it ends with 0 whatever happened
        raise FlinkFailed(
            f"the SQL client with {script.name}",
            why=said[said.rfind("[ERROR]") :] if "[ERROR]" in said else said,
        )


def find_java() -> Path:
    """Return a `java` of version 17: JAVA_HOME's, the PATH's, or one of /usr/lib/jvm; raise MissingPart."""
    homes = [Path(home) for home in (os.environ.get("JAVA_HOME"),) if home]
    on_path = shutil.which("java")
    homes += [Path(on_path).resolve().parent.parent] if on_path else []
    homes += sorted(Path("/usr/lib/jvm").glob("*17*"))
    for home in homes:
        if _java_version(home) == JAVA:
            return home / "bin" / "java"
    raise MissingPart(
        f"Java {JAVA} (Flink runs on no other)",
        remedy=f"apt-get install -y openjdk-{JAVA}-jre-headless",
    )


def _java_version(home: Path) -> int | None:
    """Read it from the file that every JDK since 9 has beside its `bin`, which is quicker than asking it."""
    if not (home / "bin" / "java").is_file() or not (home / "release").is_file():
        return None
    for line in (home / "release").read_text(errors="replace").splitlines():
        if line.startswith("JAVA_VERSION="):
            major = line.split("=", 1)[1].strip('"').split(".")[0]
            return int(major) if major.isdecimal() else None
    return None


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
        )
    )
    (folder / "log4j.properties").write_text(_LOGGING.format(level="info"))
    (folder / "log4j-client.properties").write_text(_LOGGING.format(level="off"))


def _java(cluster: Cluster) -> tuple[str, ...]:
    packages = ("sun.nio.ch", "java.util.concurrent.locks", *(f"java.{name}" for name in _OPENED))
    opened = tuple(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in packages)
    temporary = f"-Djava.io.tmpdir={(cluster.folder / 'tmp').resolve()}"
    return (str(find_java()), "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", temporary, *opened)


def _logging(cluster: Cluster, name: str) -> tuple[str, ...]:
    return (f"-Dlog4j.configurationFile={(cluster.folder / name).resolve()}",)


def _class_path(cluster: Cluster) -> str:
    return f"{_libraries(cluster)}/lib/*:{_jars(cluster)}/flink-sql-connector-kafka-5.0.0-2.2.jar"


def _memory(cluster: Cluster) -> tuple[list[str], list[str]]:
    """Ask Flink's own helper for the task manager's memory: flags of the JVM, and options; without them it does not start."""
    libraries = _libraries(cluster)
    command = [str(find_java()), "-cp", f"{libraries}/bin/bash-java-utils.jar:{libraries}/lib/*"]
    command += [
        "org.apache.flink.runtime.util.bash.BashJavaUtils",
        "GET_TM_RESOURCE_PARAMS",
        "-c",
        str(cluster.folder.resolve()),
    ]
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
    """Return the folder with Flink's lib, opt and bin, fetched by pip when it is not there."""
    folder = cluster.parts / f"flink-{VERSION}"
    if not folder.is_dir():
        new_folder(cluster.parts)
        with file_lock(cluster.parts / f"{folder.name}.lock"):
            if not folder.is_dir():  # another process was quicker
                _fetch_libraries(folder)
    return folder / "pyflink"


def _fetch_libraries(folder: Path) -> None:
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    what = f"fetching its libraries (pip install {WHEEL})"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]
    try:
        command = [*pip, "--no-cache-dir", "--no-compile", "--target", str(partial), WHEEL]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=FETCH_LIMIT_S
            )
        except subprocess.TimeoutExpired as error:
            raise FlinkFailed(
                what, why=f"312 MB did not come within {FETCH_LIMIT_S:.0f} s"
            ) from error
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
