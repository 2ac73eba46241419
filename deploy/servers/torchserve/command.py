"""The Java command that starts TorchServe, and the environment it runs in."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from cron.local.child_environment import MODEL, SYSTEM, only
from cron.urls.management_socket import management_socket, usable_path
from deploy.servers.java import find_java
from deploy.servers.torchserve.configuration import write_metrics, write_properties
from deploy.servers.torchserve.own_files import ServerCannotStart, check_own, temporary_folder
from deploy.servers.torchserve.without_grpc import write_class

MAIN_CLASS = "org.pytorch.serve.ModelServer"
_LOGGING = Path(__file__).resolve().parents[2] / "torchserve-log4j2.xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where TorchServe listens."""

    host: str = "127.0.0.1"
    inference: int = 8080
    management: int = 8081  # names the socket; listened on only with `remote`
    metrics: int = 8082


@dataclass(frozen=True, slots=True, kw_only=True)
class Management:
    """Who may manage TorchServe: who can open the socket, and with `tokens` also has a key.

    With `remote` it is the port instead of the socket.
    """

    socket: Path | None = None  # None: the usual one in `var`
    tokens: bool = False
    remote: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One TorchServe: it loads archives from its model store, and by URL only below `archives`.

    With tokens, every call except `/metrics`, even `/ping`, needs a key of
    `var/torchserve/key_file.json`, which is new at each start.
    """

    model_store: Path
    var: Path
    ports: Ports
    management: Management = field(default_factory=Management)
    heap_mb: int = 512
    archives: str | None = None


def command(server: Server) -> tuple[list[str], dict[str, str]]:
    """Write the files under `var/torchserve`; return the Java command and its environment."""
    home = (server.var / "torchserve").resolve()
    temporary = _make_folders(home, server)
    package = _torchserve_package()
    classes = home / "classes"
    write_class(package / "frontend" / "model-server.jar", classes)
    values: dict[str, object] = {
        "model_store": server.model_store.resolve(),
        "workflow_store": home / "workflows",
        "metrics_config": write_metrics(home, package),
        **_addresses(server),
    }
    config = write_properties(
        home, values, tokens=server.management.tokens, archives=server.archives
    )
    java = find_java()
    argv = [str(java), f"-Xmx{server.heap_mb}m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"]
    argv += [f"-Djava.io.tmpdir={temporary}", f"-Dmodel_server_home={package.parent}"]
    argv += [f"-Dlog4j.configurationFile=file://{_LOGGING}"]
    argv += ["-cp", f"{classes}:{package / 'frontend'}/*", MAIN_CLASS]
    argv += ["--python", sys.executable, "-f", str(config)]
    argv += ["-s", str(server.model_store.resolve()), "-w", str(home / "workflows"), "-ncs"]
    return argv, _environment(java, temporary, (server.var / "log").resolve())


def _make_folders(home: Path, server: Server) -> Path:
    """Make the folders; return the temporary one, which belongs to this account alone."""
    temporary = temporary_folder(home)
    temporary.parent.mkdir(parents=True, exist_ok=True)
    temporary.mkdir(mode=0o700, exist_ok=True)
    for folder in (home / "workflows", server.var / "log", server.model_store):
        folder.mkdir(parents=True, exist_ok=True)
    check_own(temporary)
    return temporary


def _environment(java: Path, temporary: Path, logs: Path) -> dict[str, str]:
    return {
        **only(os.environ, SYSTEM, MODEL),
        "TMPDIR": str(temporary),
        "TEMP": str(temporary),
        "LOG_LOCATION": str(logs),
        "METRICS_LOCATION": str(logs),
        # Under LC_ALL=C Java can't open a file whose path has letters beyond ASCII.
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "JAVA_HOME": str(java.parent.parent),
        "HF_HUB_OFFLINE": "1",
    }


def _addresses(server: Server) -> dict[str, object]:
    """Return the addresses, by the properties' placeholders; make the socket's folder."""
    ports, management = server.ports, server.management
    if management.remote:
        managed = f"http://{ports.host}:{ports.management}"
    else:
        usual = management_socket(server.var, ports.management)
        socket = (management.socket or usual).absolute()
        socket.parent.mkdir(parents=True, exist_ok=True)
        managed = f"unix:{usable_path(socket, inheritable=True)}"
    return {
        "inference": f"http://{ports.host}:{ports.inference}",
        "management": managed,
        "metrics": f"http://{ports.host}:{ports.metrics}",
    }


def _torchserve_package() -> Path:
    found = importlib.util.find_spec("ts")
    if found is None or found.origin is None:
        raise ServerCannotStart(
            "the package torchserve is not installed; run: pip install -r requirements.txt"
        )
    return Path(found.origin).resolve().parent
