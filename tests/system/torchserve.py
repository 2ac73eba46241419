"""A real, empty TorchServe for tests, with free ports and its own folders."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil

from cron.backends.torchserve.server import TorchServe
from cron.project_root import PROJECT_ROOT
from cron.urls.management_socket import management_socket, usable_path
from cron.urls.torchserve import parse as parse_nodes
from deploy.servers.torchserve.command import Ports
from deploy.servers.torchserve.forked_workers import FORK_SERVER, NOT_FORKED
from tests.lost_machines import command_of
from tests.ports import free_ports
from tests.system.machine import until

START_LIMIT_S = 180.0  # of what takes some ten seconds on an idle machine
STOP_LIMIT_S = 60.0
# Members with which a version cannot start. The first kills the worker process, and the version
# disappears. The second mostly leaves a version without workers in TorchServe.
SPOILT = {
    "bundle/manifest.json": b"{}",
    "recommend.py": b"""class FailsToStart:
    def initialize(self, context): raise RuntimeError
    def handle(self, data, context): pass
""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A started server: where it listens, its model store, its process."""

    ports: Ports
    store: Path
    var: Path
    process: subprocess.Popen[bytes]
    tokens: bool = False
    own_imports: bool = False

    @property
    def url(self) -> str:
        """What `open_server` and the settings take."""
        keys = f"&keys={self.var}/torchserve/key_file.json" if self.tokens else ""
        ports = self.ports
        server = f"torchserve://127.0.0.1:{ports.management}/rec"
        return f"{server}?inference={ports.inference}&socket={self.socket}{keys}"

    @property
    def socket(self) -> Path:
        """Where it is managed."""
        return management_socket(self.var, self.ports.management)

    @property
    def predictions(self) -> str:
        """The endpoint of the default version."""
        return f"http://127.0.0.1:{self.ports.inference}/predictions/rec"

    def manage(
        self, method: str, path: str = "/models/rec", *, timeout_s: float = 60.0
    ) -> httpx.Response:
        """Call the management API through its socket."""
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=usable_path(self.socket)), trust_env=False
        ) as client:
            return client.request(method, f"http://localhost{path}", timeout=timeout_s)

    def worker_pid(self, version: int) -> int:
        """Return the process id of a version's worker."""
        (described,) = self.manage("GET", f"/models/rec/{version}").json()
        return int(described["workers"][0]["pid"])

    def worker_pids(self) -> list[int]:
        """Return the Python workers' process ids, ascending: the newest may have the lowest.

        They are children of the fork server, or TorchServe's own with `own_imports`.
        """
        server = psutil.Process(self.process.pid)
        if self.own_imports:
            return sorted(child.pid for child in server.children())
        (fork_server,) = (one for one in server.children() if FORK_SERVER.name in command_of(one))
        return sorted(child.pid for child in fork_server.children())


@contextmanager
def running_torchserve(
    folder: Path,
    *,
    store: Path | None = None,
    ports: Ports | None = None,
    tokens: bool = False,
    archives: str | None = None,
    options: Sequence[str] = (),
) -> Iterator[Running]:
    """Run TorchServe on `folder/archives` (or `store`) and `folder/var`; stop it at the end.

    It loads archives by the URLs that begin with `archives`. `options` are more options of its
    start.
    """
    store = folder / "archives" if store is None else store
    ports = free_node_ports() if ports is None else ports
    argv = [
        sys.executable,
        "-m",
        "deploy.servers.torchserve",
        "--model-store",
        str(store),
        "--var",
        str(folder / "var"),
        "--heap-mb",
        "256",
    ]
    argv += ["--tokens"] if tokens else []
    argv += ["--archives", archives] if archives is not None else []
    argv += options
    for name, value in asdict(ports).items():
        argv += [f"--{name.replace('_', '-')}", str(value)]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "torchserve.out").open("wb") as out:
        process = subprocess.Popen(
            argv, cwd=PROJECT_ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    running = Running(
        ports=ports,
        store=store,
        var=folder / "var",
        process=process,
        tokens=tokens,
        own_imports=NOT_FORKED in options,
    )
    try:
        _wait_healthy(running, folder / "torchserve.out")
        yield running
    finally:
        stop(process)


@contextmanager
def open_node(
    running: Running, *, drain_timeout_s: float = 60.0, recovery_s: float = 15.0
) -> Iterator[TorchServe]:
    """Open the port on a running server."""
    (node,) = parse_nodes(running.url)
    server = TorchServe(node, drain_timeout_s=drain_timeout_s, recovery_s=recovery_s)
    with closing(server):
        yield server


def until_noticed(running: Running, version: int, killed: int) -> None:
    """Wait until TorchServe knows that a worker died; before, a request to it has no answer."""

    def is_noticed() -> bool:
        (worker,) = running.manage("GET", f"/models/rec/{version}").json()[0]["workers"]
        return (worker["pid"], worker["status"]) != (killed, "READY")

    until(is_noticed, "TorchServe to notice the death", limit_s=STOP_LIMIT_S)


@contextmanager
def emptied_node(running: Running) -> Iterator[TorchServe]:
    """Open the port on a running server after deleting what another test left, the default last.

    Workers of deleted versions end a little later.
    """
    with open_node(running) as server:
        for found in server.versions():
            if found.version != server.live():
                server.unregister(found.version)
        if server.live() is not None:
            assert running.manage("DELETE", f"/models/rec/{server.live()}").status_code == 200
        until(lambda: not running.worker_pids(), "the old workers to end", limit_s=STOP_LIMIT_S)
        yield server


def write_archive(store: Path, version: int, *, handler: bytes) -> str:
    """Write an archive that is only a handler with batch size 1; return its name."""
    name = f"plain-{version}.mar"
    manifest = {
        "createdOn": "01/01/2026 00:00:00",
        "runtime": "python",
        "model": {
            "modelName": "rec",
            "handler": "recommend.py",
            "modelVersion": str(version),
            "configFile": "model-config.yaml",
        },
        "archiverVersion": "0.12.0",
    }
    settings = (
        "minWorkers: 1\nmaxWorkers: 1\nbatchSize: 1\nmaxBatchDelay: 1\n"
        "responseTimeout: 60\nstartupTimeout: 60\n"
    )
    with zipfile.ZipFile(store / name, "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
        archive.writestr("model-config.yaml", settings)
        archive.writestr("recommend.py", handler)
    return name


def changed_copy(mar: Path, out: Path, files: Mapping[str, bytes]) -> Path:
    """Copy an archive to `out` with these members replaced or added; keep its signature."""
    with zipfile.ZipFile(mar) as source, zipfile.ZipFile(out, "w") as copy:
        for name in source.namelist():
            if name not in files:
                copy.writestr(name, source.read(name))
        for name, content in files.items():
            copy.writestr(name, content)
    return out


def free_node_ports() -> Ports:
    """Return ports for a node."""
    inference, management, metrics = free_ports(3)
    return Ports(inference=inference, management=management, metrics=metrics)


def stop(process: subprocess.Popen[bytes], *, with_signal: int = signal.SIGTERM) -> None:
    """End a server and see to it that none of its workers outlives it."""
    if process.poll() is not None:
        return
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(with_signal)
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(workers, timeout=STOP_LIMIT_S)
    for worker in alive:
        worker.kill()
    assert not alive, f"workers outlived TorchServe by {STOP_LIMIT_S} s: {alive}"


def _wait_healthy(running: Running, out: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        assert running.process.poll() is None, f"TorchServe ended at start:\n{out.read_text()}"
        try:
            if (
                httpx.get(f"http://127.0.0.1:{running.ports.inference}/ping", timeout=2).status_code
                < 500
            ):  # with tokens on it is 400
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"TorchServe was not healthy within {START_LIMIT_S} s:\n{out.read_text()}")
