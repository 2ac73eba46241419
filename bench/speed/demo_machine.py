"""The demo with the code of one commit: turns, training steps, TorchServe's answers.

Everything is in a folder of its own, without `make`, the gateway and a worker that stays: verbs of
`python -m cron` run in one process. Both codes share this environment's packages.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from bench.speed.demo_lists import made_up_bodies
from bench.speed.load import load
from cron.urls.management_socket import management_socket
from tests.system.machine import until

Values = Mapping[str, float]
CONNECTIONS = (1, 8, 32)
NUM_USERS = 300
WARM_UP_S = 1.5
START_LIMIT_S = 120.0
_VERBS, _STEPS = (Path(__file__).with_name(name) for name in ("demo_verbs.py", "demo_steps.py"))
_FULL = 2  # the run of the first full retrain: a baseline goes before it
# The folder of what starts TorchServe, and its module; the first that the code has.
_SERVERS = (
    ("deploy/servers/torchserve", "deploy.servers.torchserve"),
    ("deploy", "deploy.torchserve"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlace:
    """The code of a commit, the data, and the folder and ports of a demo that runs with it."""

    code: Path
    data: Path
    folder: Path
    inference: int
    management: int
    grpc: tuple[int, int]

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the demo: one epoch, and no release is refused for its speed."""
        var = self.folder / "var"
        stores = {"EVENTS": "events", "HISTORIES": "histories", "LEDGER": "ledger"}
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
            **{f"FRESHET__STORE__{key}": f"sqlite:///{var}/{stores[key]}.db" for key in stores},
            "FRESHET__STORE__VAR": str(var),
            "FRESHET__STORE__ARTIFACTS": f"file:///{self.folder}/archives",
            "FRESHET__STORE__SERVER": (
                f"torchserve://127.0.0.1:{self.management}/rec?inference={self.inference}"
            ),
            "FRESHET__TRAIN__FULL_EPOCHS": "1",
            "FRESHET__GATE__PROBE_P99_MS": "5000",
            "PYTHONPATH": str(self.code),
        }

    def script(self, *words: object) -> str:
        """Run a script with the code; return the last line that it prints."""
        ended = subprocess.run(
            [sys.executable, "-P", *map(str, words)],
            cwd=self.code,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return ended.stdout.splitlines()[-1]


def demo_values(code: Path, data: Path, folder: Path, *, seconds: float) -> Values:
    """Run the demo with the code of a commit and return what everything took."""
    *ports, first, second = _free_ports(4)
    (folder / "var").mkdir(parents=True)
    place = DemoPlace(
        code=code,
        data=data,
        folder=folder,
        inference=ports[0],
        management=ports[1],
        grpc=(first, second),
    )
    with _running_torchserve(place) as server:
        values = {**_turns(place), **_memory(server), **_answers(place, server, seconds)}
    run = folder / "var" / "runs" / str(_FULL)
    steps: Values = json.loads(place.script(_STEPS, run, folder / "again"))
    return {**values, **steps}


def trained_bundle(folder: Path, into: Path) -> Path:
    """Copy the bundle of the first full retrain of a demo."""
    shutil.copytree(folder / "again" / "bundle", into)
    return into


def _turns(place: DemoPlace) -> Values:
    """Ingest and train, first from scratch, then an update; return processor times and walls."""
    ingest = f"ingest {place.data} --shift-to-now --part"
    verbs = [f"{ingest} 0:0.8", "run-once", "run-once", f"{ingest} 0.8:0.81", "run-once"]
    first, _, full, _, update = json.loads(place.script(_VERBS, *verbs))
    values = {"ingest of 80,000 events, s": first["own_s"]}
    for name, took in (("full retrain", full), ("update of 1,000 events", update)):
        values[f"{name}: trainer, s"] = took["children_s"]
        values[f"{name}: rest of the turn, s"] = took["own_s"]
        values[f"{name}: wall, s"] = took["s"]
    with closing(sqlite3.connect(place.folder / "var" / "ledger.db")) as ledger:
        query = "SELECT seconds FROM steps WHERE run_id = ? AND step = 'snapshot'"
        values["snapshot of 80,000 events: wall, s"] = ledger.execute(query, (_FULL,)).fetchone()[0]
        found = ledger.execute("SELECT outcome FROM runs ORDER BY run_id").fetchall()
    assert found == [("published",)] * len(found), found
    return values


def _memory(server: psutil.Process) -> Values:
    """Return the memory of TorchServe's Python processes for each of the loaded versions."""
    parts = [one.memory_full_info().pss for one in server.children(recursive=True)]
    return {"memory of one of three loaded versions, GiB": sum(parts) / 3 / 2**30}


def _answers(place: DemoPlace, server: psutil.Process, seconds: float) -> Values:
    """Ask TorchServe for lists and scores; return rates, and the processor time of an answer."""
    ids = [str(number) for number in range(1, 1_500)]
    values: dict[str, float] = {}
    asked: dict[str, dict[str, object]] = {
        "top-10": {"k": 10},
        "scores of 10 items": {"items": [{"id": one} for one in ids[:10]]},
    }
    for name, question in asked.items():
        texts = made_up_bodies(ids, question, first=0, size=NUM_USERS)
        bodies = [json.loads(text) for text in texts]
        for connections in CONNECTIONS:
            found = _load(place, server, bodies, connections=connections, seconds=seconds)
            values |= {f"{name}, {connections} connections: {key}": found[key] for key in found}
    return values


def _load(
    place: DemoPlace,
    server: psutil.Process,
    bodies: Sequence[object],
    *,
    connections: int,
    seconds: float,
) -> Values:
    def body(number: int) -> object:
        return bodies[number % len(bodies)]

    for lasting_s in (WARM_UP_S, seconds):
        began_s = _processor_s(server)
        with load(place.inference, "/predictions/rec", body, connections=connections) as tally:
            time.sleep(lasting_s)
        assert not tally.failures, tally.failures[0]
    python_s, java_s = (now - then for now, then in zip(_processor_s(server), began_s, strict=True))
    num_answers = len(tally.latencies_s)
    return {
        "worker, ms": 1000 * python_s / num_answers,
        "front end, ms": 1000 * java_s / num_answers,
        "answers, 1/s": tally.rate,
    }


def _processor_s(server: psutil.Process) -> tuple[float, float]:
    """Return the processor's seconds of TorchServe's Python processes, and of its front end."""
    times = [one.cpu_times() for one in server.children(recursive=True)]
    own = server.cpu_times()
    return sum(one.user + one.system for one in times), own.user + own.system


@contextmanager
def _running_torchserve(place: DemoPlace) -> Iterator[psutil.Process]:
    var = place.folder / "var"
    folders = ["--var", str(var), "--model-store", str(place.folder / "archives")]
    ports = ["--inference", place.inference, "--management", place.management]
    ports += ["--metrics", place.management + 1]
    module = next(module for path, module in _SERVERS if (place.code / path).is_dir())
    if module == _SERVERS[0][1]:
        more = ["--socket", management_socket(var, place.management)]
    else:
        more = ["--grpc-inference", place.grpc[0], "--grpc-management", place.grpc[1]]
    command = [sys.executable, "-m", module, *folders, *map(str, [*ports, *more])]
    environment = {key: value for key, value in place.environment.items() if key != "PYTHONPATH"}
    with (place.folder / "torchserve.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=place.code, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        until(lambda: _is_ready(place.inference), "TorchServe", limit_s=START_LIMIT_S)
        yield psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(30)


def _is_ready(port: int) -> bool:
    """Return whether TorchServe is ready."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ping", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _free_ports(number: int) -> list[int]:
    """Return ports that are free now."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
