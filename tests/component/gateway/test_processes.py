"""`python -m gateway` with two processes behind one port."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from cron.project_root import PROJECT_ROOT
from gateway.processes import NOT_STARTED
from tests.component.at_work import until
from tests.ports import free_port

NUM_EVENTS = 40
LIMIT_S = 180.0


class SeveralProcesses:
    """A gateway seen from outside; each call has a connection of its own."""

    def __init__(self, parent: subprocess.Popen[bytes], *, port: int, counts: Path) -> None:
        self.parent = parent
        self.url = f"http://127.0.0.1:{port}"
        self.counts = counts

    def children(self) -> Sequence[psutil.Process]:
        """Return the processes that answer."""
        return [one for one in psutil.Process(self.parent.pid).children() if _answers(one)]

    def are_up(self) -> bool:
        """Return whether each process has published what it counted."""
        published = {int(file.stem) for file in self.counts.glob("*.prom")}
        pids = {one.pid for one in self.children()}
        return len(pids) == 2 and pids <= published

    def kill_one(self) -> None:
        """Kill a process whose counts are on a page, and wait until it is gone."""
        one = self.children()[0]
        until(lambda: self.num_published() == NUM_EVENTS, limit_s=LIMIT_S)
        one.kill()
        one.wait(LIMIT_S)

    def num_published(self) -> float:
        """Return how many accepted events the pages of all processes have."""
        return sum(num_accepted(file.read_text()) for file in self.counts.glob("*.prom"))

    def num_accepted(self) -> float:
        """Return how many events the page of metrics counts as accepted."""
        return num_accepted(httpx.get(f"{self.url}/metrics", timeout=LIMIT_S).text)

    def send(self) -> None:
        """Send events of ann, each in a call of its own."""

        def send(number: int) -> None:
            event = {"user_id": "ann", "item_id": str(number), "type": "view"}
            answer = httpx.post(f"{self.url}/v1/events", json=event, timeout=LIMIT_S)
            assert answer.is_success, answer.text

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(send, range(NUM_EVENTS)))

    def num_of_ann(self) -> int:
        """Return how many events her history has."""
        answer = httpx.get(f"{self.url}/v1/users/ann/history?limit=100", timeout=LIMIT_S)
        return len(answer.json()["events"])


def num_accepted(page: str) -> float:
    beginning = 'freshet_records_total{kind="event",outcome="accepted"} '
    lines = [line for line in page.splitlines() if line.startswith(beginning)]
    return sum(float(line.removeprefix(beginning)) for line in lines)


def test_two_processes_answer_and_count_as_one(tmp_path: Path) -> None:
    with _serving(tmp_path) as gateway:
        until(gateway.are_up, limit_s=LIMIT_S)
        gateway.send()
        assert gateway.num_of_ann() == NUM_EVENTS
        until(lambda: gateway.num_accepted() == NUM_EVENTS, limit_s=LIMIT_S)

        gateway.kill_one()
        until(gateway.are_up, limit_s=LIMIT_S)
        gateway.send()
        assert gateway.num_of_ann() == NUM_EVENTS * 2
        until(lambda: gateway.num_accepted() == NUM_EVENTS * 2, limit_s=LIMIT_S)

        children = gateway.children()
        gateway.parent.send_signal(signal.SIGTERM)
        assert gateway.parent.wait(LIMIT_S) == 0
        assert not any(one.is_running() for one in children)


def test_no_process_outlives_a_killed_parent(tmp_path: Path) -> None:
    with _serving(tmp_path) as gateway:
        until(gateway.are_up, limit_s=LIMIT_S)
        children = gateway.children()
        gateway.parent.kill()
        _, alive = psutil.wait_procs(children, timeout=LIMIT_S)
        assert not alive


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with _serving(tmp_path, port=port) as gateway:
            assert gateway.parent.wait(LIMIT_S) == NOT_STARTED
    assert f"127.0.0.1:{port}: " in (tmp_path / "log").read_text()


def test_stores_that_cannot_be_opened_end_all(tmp_path: Path) -> None:
    (tmp_path / "events.db").mkdir()
    with _serving(tmp_path) as gateway:
        assert gateway.parent.wait(LIMIT_S) == NOT_STARTED
    assert "cannot" in (tmp_path / "log").read_text()


def _answers(process: psutil.Process) -> bool:
    """Return whether it is one that multiprocessing made to serve, and no zombie yet."""
    with suppress(psutil.NoSuchProcess):
        return "spawn_main" in " ".join(process.cmdline())
    return False


@contextmanager
def _serving(folder: Path, *, port: int | None = None) -> Iterator[SeveralProcesses]:
    port = free_port() if port is None else port
    stores = "\n".join(
        f'{name} = "sqlite:///{folder}/{name}.db"' for name in ("events", "histories", "ledger")
    )
    (folder / "settings.toml").write_text(
        f'[store]\n{stores}\nartifacts = "file:///{folder}/archives"\nvar = "{folder}/var"\n'
        f"[gateway]\nport = {port}\nprocesses = 2\n"
    )
    with (folder / "log").open("wb") as log:
        parent = subprocess.Popen(
            [sys.executable, "-m", "gateway", "--config", str(folder / "settings.toml")],
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield SeveralProcesses(parent, port=port, counts=folder / "var" / "gateway-metrics")
    finally:
        parent.terminate()
        parent.wait(LIMIT_S)
