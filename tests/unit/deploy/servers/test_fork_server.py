"""Workers that are forked from one process, beside the same ones that Python starts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cron.project_root import PROJECT_ROOT
from deploy.servers.torchserve.forked_workers import FORKED_WORKER, start_fork_server

ENV = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
LIMIT_S = 240.0  # of what takes some seconds on an idle machine
# It shows what a program can see of its surroundings, and ends when its standard input does.
WORKER = """
import json, os, random, sys
import numpy
print(json.dumps({
    "arguments": sys.argv, "name": __name__, "folder": os.getcwd(), "path": sys.path,
    "environment": dict(os.environ), "no bytecode": sys.dont_write_bytecode,
}), flush=True)
print("torch" in sys.modules, os.getpid(), random.random(), numpy.random.random(), flush=True)
print("to stderr", file=sys.stderr, flush=True)
sys.exit(int(sys.stdin.read() or 0))
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a running fork server."""
    address = tmp_path_factory.mktemp("server") / "fork.sock"
    with running_server(address):
        yield address


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    """The program of a worker, in a folder that has a module of its own."""
    file = tmp_path / "ts" / "model_service_worker.py"
    file.parent.mkdir()
    file.write_text(WORKER)
    return file


@contextmanager
def running_server(address: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = start_fork_server(address, ENV)
    with process:
        yield process
        process.kill()


@contextmanager
def running_worker(
    address: Path | None, *words: str, folder: Path
) -> Iterator[subprocess.Popen[str]]:
    """Start Python with some words, or what stands in for it; kill it at the end."""
    command = [sys.executable]
    if address is not None:
        command += ["-I", "-S", str(FORKED_WORKER), str(address), sys.executable]
    with subprocess.Popen(
        [*command, *words],
        cwd=folder,
        env={**ENV, "PYTHONPATH": f"{folder}:of_the_archive", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def pid_of(process: subprocess.Popen[str]) -> int:
    """Return the worker's process, which has shown all that it shows."""
    assert process.stdout is not None
    process.stdout.readline()
    return int(process.stdout.readline().split()[1])


def have_ended(*pids: int) -> bool:
    _, alive = psutil.wait_procs(
        [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=LIMIT_S
    )
    return not alive


def test_a_forked_worker_sees_what_a_started_one_sees(
    address: Path, worker: Path, tmp_path: Path
) -> None:
    seen = []
    for server in (address, None):
        with running_worker(server, str(worker), "--sock-type", "unix", folder=tmp_path) as process:
            out, err = process.communicate("7", timeout=LIMIT_S)
            surroundings, own = out.splitlines()
            assert own.split()[0] == str(server is not None)  # only a fork has torch by now
            seen.append((json.loads(surroundings), err, process.returncode))
    assert seen[0] == seen[1]
    assert seen[0][1:] == ("to stderr\n", 7)


def test_workers_draw_different_random_numbers(address: Path, worker: Path, tmp_path: Path) -> None:
    drawn = []
    for _ in range(2):
        with running_worker(address, str(worker), folder=tmp_path) as process:
            out, _ = process.communicate("0", timeout=LIMIT_S)
            drawn += out.splitlines()[1].split()[2:]
    assert len(set(drawn)) == 4


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_dies_with_what_stands_in_for_it(
    address: Path, worker: Path, tmp_path: Path, with_signal: signal.Signals
) -> None:
    """TorchServe knows only the process that it has started."""
    with running_worker(address, str(worker), folder=tmp_path) as process:
        pid = pid_of(process)
        process.send_signal(with_signal)
        assert process.wait(LIMIT_S) == -with_signal
        assert have_ended(pid)


def test_a_killed_worker_is_seen_as_killed(address: Path, worker: Path, tmp_path: Path) -> None:
    with running_worker(address, str(worker), folder=tmp_path) as process:
        os.kill(pid_of(process), signal.SIGKILL)
        assert process.wait(LIMIT_S) == 128 + signal.SIGKILL


def test_a_worker_killed_at_its_start_is_not_started_again(worker: Path, tmp_path: Path) -> None:
    """TorchServe decides that, and pauses between its tries."""
    address = tmp_path / "fork.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(address))
        listener.listen()
        with running_worker(address, str(worker), folder=tmp_path) as process:
            connection, _ = listener.accept()
            with connection:
                connection.send(str(-signal.SIGKILL.value).encode())
                assert process.wait(LIMIT_S) == 128 + signal.SIGKILL


def test_a_worker_that_fails_shows_why(address: Path, worker: Path, tmp_path: Path) -> None:
    worker.write_text("raise RuntimeError('no such model')\n")
    with running_worker(address, str(worker), folder=tmp_path) as process:
        _, err = process.communicate(timeout=LIMIT_S)
        assert (process.returncode, err.splitlines()[-1]) == (1, "RuntimeError: no such model")


def test_without_a_fork_server_python_starts_the_worker(worker: Path, tmp_path: Path) -> None:
    with running_worker(tmp_path / "nobody.sock", str(worker), folder=tmp_path) as process:
        out, err = process.communicate("7", timeout=LIMIT_S)
        assert process.returncode == 7
        assert out.splitlines()[1].startswith("False")
        assert "Python starts it" in err


def test_what_is_no_worker_is_run_by_python(address: Path, tmp_path: Path) -> None:
    """TorchServe calls the same program for `-m pip` and `-m venv`."""
    words = ("-c", "import sys; print(sys.argv, 'torch' in sys.modules)", "x")
    with running_worker(address, *words, folder=tmp_path) as process:
        out, _ = process.communicate(timeout=LIMIT_S)
        assert out == "['-c', 'x'] False\n"


def test_workers_outlive_a_killed_fork_server(worker: Path, tmp_path: Path) -> None:
    address = tmp_path / "fork.sock"
    with (
        running_server(address) as server,
        running_worker(address, str(worker), folder=tmp_path) as first,
        running_worker(address, str(worker), folder=tmp_path) as second,
    ):
        pids = [pid_of(first), pid_of(second)]
        server.kill()
        server.wait(LIMIT_S)
        with running_worker(address, str(worker), folder=tmp_path) as third:
            third.communicate("7", timeout=LIMIT_S)
            assert third.returncode == 7, "a new worker starts all the same"
        assert all(psutil.pid_exists(pid) for pid in pids)
        first.communicate("0", timeout=LIMIT_S)
        assert first.returncode == 1
        assert have_ended(pids[0])
        second.kill()
        assert have_ended(pids[1])


def test_a_fork_server_dies_with_its_starter(tmp_path: Path) -> None:
    """The starter becomes Java, which may be killed."""
    program = (
        "import os, sys, pathlib\n"
        "from deploy.servers.torchserve.forked_workers import start_fork_server\n"
        "server = start_fork_server(pathlib.Path(sys.argv[1]), dict(os.environ))\n"
        "print(server.pid, flush=True)\n"
        "os.execvp('sleep', ['sleep', '600'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "fork.sock")],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        server = int(starter.stdout.readline())
        assert psutil.pid_exists(server)
        starter.kill()
        assert have_ended(server)
