"""Requests a second and latency of top-10 lists over made-up items, through TorchServe.

The items, their attribute and the histories of 60 events are those of `python -m bench scale`. The
load generator has its own process, on the same cores as TorchServe and its worker.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import ParamSpec, TypeVar

import psutil

from bench.report.rows import BenchMetric
from bench.scale.lists import NUM_KINDS, made_up_body, made_up_bundle
from bench.scale.steps import NUM_USERS, made_up_facts, made_up_items
from bench.speed.load import Tally, load, metrics_of
from recommender.bundle import save_bundle
from tests.system.torchserve import Running, open_node, running_torchserve
from trainer.archive import pack

P = ParamSpec("P")
T = TypeVar("T")

VERSION = 1
CONNECTIONS = (1, 32)
FILTERS: tuple[dict[str, str], ...] = ({}, {"kind": "k1"})
WARM_UP_S = 3.0


def made_up_serving(num_items: int, *, seconds: float) -> list[BenchMetric]:
    """Serve a made-up catalogue and measure each load for some seconds."""
    metrics: list[BenchMetric] = []
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        archives = Path(folder) / "archives"
        archives.mkdir()
        _in_own_process(_pack, num_items, archives)
        with (
            running_torchserve(Path(folder), store=archives) as node,
            open_node(node) as server,
        ):
            server.register(VERSION, next(archives.glob("*.mar")).name)
            server.set_live(VERSION)
            for filters, connections in product(FILTERS, CONNECTIONS):
                filtered = f", filtered to 1/{NUM_KINDS}" if filters else ""
                name = f"top-10{filtered}, {connections} connections"
                metrics += _measure(node, name, _bodies(num_items, filters), connections, seconds)
    return [replace(one, set=f"{num_items:,} made-up items") for one in metrics]


def _pack(num_items: int, archives: Path) -> None:
    """Write the archive of a made-up bundle; a process of its own gives the memory back."""
    bundle = made_up_bundle(num_items, made_up_facts(num_items, made_up_items(num_items)))
    with tempfile.TemporaryDirectory(dir=archives.parent) as folder:
        save_bundle(bundle, Path(folder) / "bundle")
        pack(bundle=Path(folder) / "bundle", version=VERSION, out=archives)


def _measure(
    node: Running,
    name: str,
    bodies: Sequence[dict[str, object]],
    connections: int,
    seconds: float,
) -> list[BenchMetric]:
    port = node.ports.inference
    _in_own_process(_load, port, bodies, connections, WARM_UP_S)
    began_s = _processor_s(node)
    tally = _in_own_process(_load, port, bodies, connections, seconds)
    used_s = _processor_s(node) - began_s
    processor_time = BenchMetric(
        metric=f"{name}: processor time a request",
        value=1000 * used_s / max(1, len(tally.latencies_s)),
        unit="ms",
        note="of TorchServe and its worker, without the client",
    )
    return [*metrics_of(name, tally), processor_time]


def _processor_s(node: Running) -> float:
    """Return the processor time that TorchServe and its worker have used."""
    server = psutil.Process(node.process.pid)
    times = [one.cpu_times() for one in (server, *server.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def _bodies(num_items: int, filters: dict[str, str]) -> list[dict[str, object]]:
    items_E = made_up_items(num_items)
    return [made_up_body(items_E, user, filters) for user in range(NUM_USERS)]


def _load(
    port: int, bodies: Sequence[dict[str, object]], connections: int, seconds: float
) -> Tally:
    with load(
        port,
        "/predictions/rec",
        lambda number: bodies[number % len(bodies)],
        connections=connections,
    ) as tally:
        time.sleep(seconds)
    return tally


def _in_own_process(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as processes:
        return processes.submit(work, *args, **kwargs).result()
