"""A gateway as a process of its own, with a cheap replacement for TorchServe behind it."""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from bench.speed.model_stand_in import serve_model
from cron.project_root import PROJECT_ROOT
from gateway.shared_counts import FOLDER
from tests.system.machine import until

NUM_USERS, NUM_EVENTS = 500, 100
START_LIMIT_S = 60.0


@contextmanager
def serving_gateway(
    code: Path,
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    is_followed: bool = False,
) -> Iterator[int]:
    """Run the gateway of some code with its own stores and a replacement for the model.

    Yield its port. `settings` are environment variables. With `is_followed` that code also copies
    the log into the histories, as a worker does.
    """
    folder.mkdir()
    port, model_port = _free_port(), _free_port()
    model = multiprocessing.get_context("spawn").Process(target=serve_model, args=(model_port,))
    model.start()
    environment = {**os.environ, **_places(folder, port, model_port), **(settings or {})}
    programs = [["gateway"], ["cron", "follow"]] if is_followed else [["gateway"]]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=code,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for words in programs
    ]
    try:
        _fill(port)
        yield port
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        model.terminate()
        model.join()


@contextmanager
def second_gateway(environment: Mapping[str, str], *, num_processes: int) -> Iterator[int]:
    """Run one more gateway with some settings, in several processes; yield its port."""
    port = _free_port()
    own = {
        "FRESHET__GATEWAY__PORT": str(port),
        "FRESHET__GATEWAY__PROCESSES": str(num_processes),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway"],
        cwd=PROJECT_ROOT,
        env={**environment, **own},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        pages = Path(environment["FRESHET__STORE__VAR"]) / FOLDER
        until(
            lambda: len(list(pages.glob("*.prom"))) == num_processes,
            f"a gateway of {num_processes} processes",
            limit_s=START_LIMIT_S,
        )
        yield port
    finally:
        process.terminate()
        process.wait()


def processor_time_s(port: int) -> float:
    """Return the processor time of a gateway's process so far, user and system."""
    page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=START_LIMIT_S).text
    found = re.search(r"^process_cpu_seconds_total (\S+)$", page, re.MULTILINE)
    assert found is not None
    return float(found[1])


def _places(folder: Path, port: int, model_port: int) -> Mapping[str, str]:
    stores = {
        f"FRESHET__STORE__{name.upper()}": f"sqlite:///{folder}/{name}.db"
        for name in ("events", "histories", "ledger")
    }
    return {
        **stores,
        "FRESHET__STORE__ARTIFACTS": f"file:///{folder}/archives",
        "FRESHET__STORE__VAR": str(folder / "var"),
        "FRESHET__STORE__SERVER": (
            f"torchserve://127.0.0.1:{_free_port()}/rec?inference={model_port}"
        ),
        "FRESHET__GATEWAY__PORT": str(port),
    }


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _fill(port: int) -> None:
    """Wait for the gateway and give every user a history."""
    draw = random.Random(0)
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", timeout=START_LIMIT_S, trust_env=False
    ) as client:
        until(lambda: _answers(client), f"the gateway on port {port}", limit_s=START_LIMIT_S)
        for first in range(0, NUM_USERS, 50):
            users = range(first, first + 50)
            events = [_event(user, draw) for user in users for _ in range(NUM_EVENTS)]
            client.post("/v1/events", json=events).raise_for_status()


def _answers(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/healthz").is_success
    return False


def _event(user: int, draw: random.Random) -> dict[str, object]:
    at = 1_700_000_000 + draw.randrange(10_000_000)
    return {
        "user_id": f"u{user}",
        "item_id": str(draw.randrange(1_500)),
        "type": "rating",
        "rating": 4,
        "at": at,
    }
