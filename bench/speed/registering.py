"""The slowest answer on many kept connections while TorchServe registers a version.

    python -m bench registering

It is measured twice on one TorchServe: as the product registers now (it asks until the version is
READY), and with the call that waits for the start (`synchronous=true`), as it did before. The
client shares the machine's cores with the server.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.report.rows import BenchMetric, is_quick, save
from bench.speed.load import load
from tests.planted import planted_bundle
from tests.system.torchserve import Running, open_node, running_torchserve
from trainer.archive import pack

COMMAND = "python -m bench registering"
NUM_TIMES, QUICK_NUM_TIMES = 6, 2
CONNECTIONS, PAUSE_S = 24, 0.05
LONG_S = 1.0  # longer answers waited for the start of a worker, about 2 s, not for their turn
LIVE, OTHER = 1, 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write `bench/results/registering.json`."""
    argparse.ArgumentParser(
        prog=COMMAND, description="The slowest answer on kept connections during a registration."
    ).parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder,
        running_torchserve(Path(folder)) as node,
        open_node(node) as server,
    ):
        bundle = Path(folder) / "bundle"
        planted_bundle(bundle, tower="transformer", encoder="minilm")
        archives = {
            version: pack(bundle=bundle, version=version, out=node.store).name
            for version in (LIVE, OTHER)
        }
        server.register(LIVE, archives[LIVE])

        def ask_until_ready() -> None:
            server.register(OTHER, archives[OTHER])

        def wait_for_the_start() -> None:
            query = f"url={archives[OTHER]}&model_name=rec&initial_workers=1&synchronous=true"
            assert node.manage("POST", f"/models?{query}").status_code == 200

        unregister = partial(server.unregister, OTHER)
        before, before_s = _register_under_load(
            node, "synchronous=true", wait_for_the_start, unregister
        )
        after, after_s = _register_under_load(
            node, "asked until READY", ask_until_ready, unregister
        )
    ratio = BenchMetric(
        metric="slowest answer, asked until READY beside synchronous=true",
        value=after_s / before_s,
        unit="1",
    )
    save("registering", "planted", [*before, *after, ratio], command=COMMAND)


def _register_under_load(
    node: Running, name: str, register: Callable[[], None], unregister: Callable[[], None]
) -> tuple[list[BenchMetric], float]:
    """Register several times under load.

    Return the rows, and the median over registrations of the slowest answer.
    """
    slowest_s: list[float] = []
    long_ones: list[int] = []
    failures: list[str] = []
    for _ in range(QUICK_NUM_TIMES if is_quick() else NUM_TIMES):
        with load(
            node.ports.inference,
            "/predictions/rec",
            _body,
            connections=CONNECTIONS,
            pause_s=PAUSE_S,
        ) as tally:
            register()
        slowest_s.append(max(tally.latencies_s))
        long_ones.append(sum(latency > LONG_S for latency in tally.latencies_s))
        failures += tally.failures
        unregister()
    median_s = statistics.median(slowest_s)
    each = f"{len(slowest_s)} registrations, {CONNECTIONS} kept connections"
    return [
        BenchMetric(
            metric=f"{name}: slowest answer, median of registrations",
            value=1000 * median_s,
            unit="ms",
            note=each,
        ),
        BenchMetric(
            metric=f"{name}: slowest answer, the worst", value=1000 * max(slowest_s), unit="ms"
        ),
        BenchMetric(
            metric=f"{name}: answers over {LONG_S:.0f} s a registration",
            value=statistics.mean(long_ones),
            unit="1",
        ),
        BenchMetric(
            metric=f"{name}: failed",
            value=len(failures),
            unit="1",
            note="; ".join(sorted(set(failures)))[:200],
        ),
    ], median_s


def _body(number: int) -> object:
    return {"user_seq": [f"i{number % 5}"], "k": 5}
