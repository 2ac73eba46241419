"""Requests a second and latency of top-10 lists of a large catalogue, through TorchServe.

The items, their attribute and the histories of 60 events are those of `python -m bench scale`. The
load generator has its own process, on the same cores as TorchServe and its worker.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import ParamSpec, TypeVar

import psutil

from bench.report.rows import BenchMetric
from bench.scale.lists import NUM_KINDS, made_up_body, made_up_bundle
from bench.scale.steps import EVENTS_PER_USER, NUM_USERS, made_up_facts, made_up_items
from bench.speed.load import Tally, load, metrics_of
from recommender.bundle import load_bundle, save_bundle
from recommender.catalogue.catalogue import Catalogue
from tests.system.torchserve import Running, open_node, running_torchserve
from trainer.archive import pack
from trainer.data.dataset import Ints

P = ParamSpec("P")
T = TypeVar("T")

VERSION = 1
CONNECTIONS = (1, 32)
Bodies = Sequence[dict[str, object]]
WARM_UP_S = 3.0


def made_up_serving(num_items: int, *, seconds: float) -> list[BenchMetric]:
    """Serve a made-up catalogue and measure each load for some seconds."""
    items_E = made_up_items(num_items)
    bodies = {
        filtered: [made_up_body(items_E, user, filters) for user in range(NUM_USERS)]
        for filtered, filters in (("", {}), (f", filtered to 1/{NUM_KINDS}", {"kind": "k1"}))
    }
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        bundle = Path(folder) / "bundle"
        _in_own_process(_save_made_up, num_items, bundle)
        metrics = _serve(bundle, bodies, seconds)
    return [replace(one, set=f"{num_items:,} made-up items") for one in metrics]


def bundle_serving(bundle: Path, *, seconds: float) -> list[BenchMetric]:
    """Serve a bundle, as a training left it, and measure each load for some seconds."""
    num_items, bodies = _in_own_process(_bodies_of, bundle)
    metrics = _serve(bundle, bodies, seconds)
    return [replace(one, set=f"a trained bundle of {num_items:,} items") for one in metrics]


def _serve(bundle: Path, bodies: Mapping[str, Bodies], seconds: float) -> list[BenchMetric]:
    """Measure lists for bodies, by what is said of their lists."""
    metrics: list[BenchMetric] = []
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        archives = Path(folder) / "archives"
        archives.mkdir()
        pack(bundle=bundle, version=VERSION, out=archives)
        with (
            running_torchserve(Path(folder), store=archives) as node,
            open_node(node) as server,
        ):
            server.register(VERSION, next(archives.glob("*.mar")).name)
            server.set_live(VERSION)
            for filtered, connections in product(bodies, CONNECTIONS):
                name = f"top-10{filtered}, {connections} connections"
                metrics += _measure(node, name, bodies[filtered], connections, seconds)
    return metrics


def _save_made_up(num_items: int, folder: Path) -> None:
    """Write a made-up bundle; a process of its own gives the memory back."""
    facts = made_up_facts(num_items, made_up_items(num_items))
    save_bundle(made_up_bundle(num_items, facts), folder)


def _bodies_of(bundle: Path) -> tuple[int, dict[str, Bodies]]:
    """Return the number of items, and bodies with made-up histories of a bundle's items.

    The filter is the first attribute of the first item that has one.
    """
    catalogue = load_bundle(bundle, verify=False).catalogue
    items_E = made_up_items(len(catalogue))
    name, value = next(iter(next(item.attributes for item in catalogue if item.attributes).items()))
    loads: dict[str, Bodies] = {}
    for filtered, filters in (("", {}), (f", filtered by {name}", {name: value})):
        loads[filtered] = [
            {**made_up_body(items_E, user, {}), "user_seq": ids, "filter": filters}
            for user, ids in enumerate(_histories(catalogue, items_E))
        ]
    return len(catalogue), loads


def _histories(catalogue: Catalogue, items_E: Ints) -> list[list[str]]:
    return [
        [catalogue.name(int(row))[0] for row in items_E[begin : begin + EVENTS_PER_USER]]
        for begin in range(0, NUM_USERS * EVENTS_PER_USER, EVENTS_PER_USER)
    ]


def _measure(
    node: Running,
    name: str,
    bodies: Bodies,
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


def _load(port: int, bodies: Bodies, connections: int, seconds: float) -> Tally:
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
