"""One machine for a test: `make serve` on free ports and in a temporary folder."""

from __future__ import annotations

import csv
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import httpx
import psutil

from cron.project_root import PROJECT_ROOT
from sources.formats import open_source
from tests.ports import free_ports

READY_LIMIT_S = 480.0
STOP_LIMIT_S = 60.0
# a run in seconds, and a gate that a slice of data passes
QUICK = {
    "FRESHET__TRAIN__FULL_EPOCHS": "2",
    "FRESHET__TRAIN__UPDATE_EPOCHS": "1",
    "FRESHET__WORKER__INTERVAL_S": "10",
    "FRESHET__WORKER__MIN_EVENTS": "200",
    "FRESHET__WORKER__FULL_SHARE": "0",
    "FRESHET__WORKER__AFTER_EVENTS": "200",
    "FRESHET__GATE__MIN_USERS": "100000",  # never reached, so sanity tests decide
    "FRESHET__GATE__MIN_COVERAGE_RATIO": "0",
    "FRESHET__GATE__PROBE_P99_MS": "5000",
    "FRESHET__GATEWAY__INFERENCE_TIMEOUT_S": "30",  # no popular items from a busy machine
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePorts:
    """Free ports; TorchServe's metrics take the one above its management."""

    gateway: int
    worker: int
    inference: int
    management: int


class Machine:
    """A machine that is off until `start`; it stores everything in `folder`."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.ports = _free_ports()
        self.environment = {**_clean_environment(), **_places(folder, self.ports), **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "serve.log"

    @property
    def gateway(self) -> str:
        """The gateway's URL."""
        return f"http://127.0.0.1:{self.ports.gateway}"

    def start(self, data: Path | None = None) -> str:
        """Run `make serve` until its ready block; return everything it printed."""
        command = ["make", "serve", *([f"DATA={data}"] if data else [])]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=PROJECT_ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(
            lambda: "Ctrl-C stops everything." in self.printed_text() or self._has_ended(),
            "the ready block",
            limit_s=READY_LIMIT_S,
        )
        assert not self._has_ended(), self.printed_text()
        return self.printed_text()

    def printed_text(self) -> str:
        """Return what `make serve` has printed since its last start."""
        return self._log.read_text(errors="replace")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Stop `make` by SIGTERM, or its group by SIGINT; return the seconds. Leftovers fail."""
        if self._process is None or self._has_ended():
            self._process = None
            return 0.0
        below = psutil.Process(self._process.pid).children(recursive=True)
        began = time.monotonic()
        if how is signal.SIGINT:
            os.killpg(self._process.pid, how)
        else:
            self._process.send_signal(how)
        self._process.wait(STOP_LIMIT_S)
        took = time.monotonic() - began
        self._process = None
        _, left = psutil.wait_procs(below, timeout=STOP_LIMIT_S)
        assert not left, f"still running: {left}"
        return took

    def command(self, *words: str, timeout_s: float = 240.0) -> subprocess.CompletedProcess[str]:
        """Run a command in the checkout with this machine's settings; return its result."""
        return subprocess.run(
            words,
            cwd=PROJECT_ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def cron(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m cron`."""
        return self.command(sys.executable, "-m", "cron", *words)

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Refuse every write into a file by a process of this machine, as its full disk would."""
        self._limit_files(0)
        yield
        self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, size_bytes: int) -> None:
        """Limit the files of all processes below; one that starts has the limit of its parent."""
        assert self._process is not None
        limited: set[psutil.Process] = set()
        while more := {*psutil.Process(self._process.pid).children(recursive=True)} - limited:
            for process in more:
                with suppress(psutil.NoSuchProcess):
                    process.rlimit(psutil.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))
            limited |= more

    def live(self) -> int | None:
        """Return the live version as the gateway tells it."""
        live = httpx.get(f"{self.gateway}/v1/status", timeout=60, trust_env=False).json()["live"]
        return live["version"] if live else None

    def here(self, text: str) -> str:
        """Return a documented command with this machine's ports for the default ones."""
        for default, own in (
            (8000, self.ports.gateway),
            (8080, self.ports.inference),
            (8081, self.ports.management),
        ):
            text = text.replace(f"127.0.0.1:{default}", f"127.0.0.1:{own}").replace(
                f"localhost:{default}", f"127.0.0.1:{own}"
            )
        return text

    def _has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None


def until(true: Callable[[], bool], what: str, *, limit_s: float) -> None:
    """Poll until something is true; fail after the limit."""
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, f"waited {limit_s:.0f} s for {what}"
        time.sleep(0.2)


def write_slice(source: Path, into: Path, *, num_events: int) -> Path:
    """Write the first events of a MovieLens folder, and all its films, as a small CSV release."""
    data = open_source(source)
    into.mkdir(parents=True)
    with (into / "movies.csv").open("w", newline="") as file:
        films = csv.writer(file)
        films.writerow(["movieId", "title", "genres"])
        films.writerows(
            [item["item_id"], item["title"], "|".join(_genres(item)) or "(no genres listed)"]
            for item in data.items
        )
    with (into / "ratings.csv").open("w", newline="") as file:
        ratings = csv.writer(file)
        ratings.writerow(["userId", "movieId", "rating", "timestamp"])
        ratings.writerows(
            [one["user_id"], one["item_id"], one["rating"], one["at"]]
            for one in islice(data.events, num_events)
        )
    return into


def _genres(item: Mapping[str, object]) -> list[str]:
    attributes = item["attributes"]
    assert isinstance(attributes, Mapping)
    return [str(genre) for genre in attributes.get("genre", [])]


def _places(folder: Path, ports: MachinePorts) -> dict[str, str]:
    store = {"EVENTS": "events", "HISTORIES": "histories", "LEDGER": "ledger"}
    places = {
        f"FRESHET__STORE__{key}": f"sqlite:///{folder}/var/{name}.db" for key, name in store.items()
    }
    return {
        **places,
        "FRESHET__STORE__VAR": str(folder / "var"),
        "FRESHET__STORE__ARTIFACTS": f"file:///{folder}/archives",
        "FRESHET__STORE__SERVER": (
            f"torchserve://127.0.0.1:{ports.management}/rec?inference={ports.inference}"
        ),
        "FRESHET__GATEWAY__PORT": str(ports.gateway),
        "FRESHET__WORKER__METRICS_PORT": str(ports.worker),
    }


def _clean_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONPATH")
    }


def _free_ports() -> MachinePorts:
    """Return free ports; the one above the management port is free too."""
    management, gateway, worker, inference = free_ports(4, and_above=1)
    return MachinePorts(gateway=gateway, worker=worker, inference=inference, management=management)
