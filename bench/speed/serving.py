"""Requests a second and latency of TorchServe, and of the gateway beside it.

    python -m bench serving [--items N | --bundle FOLDER]

With `--items` it serves a made-up catalogue of N items instead of the demo, and with `--bundle` a
bundle of a training (one of `var/bundles`). The gateway's load comes from wrk where that is
installed. The other client is Python threads on the same cores, so the server can do at least this
much.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.report.rows import BenchMetric, is_quick, save
from bench.speed.freshness import CYCLE_LIMIT_S, running_machine
from bench.speed.gateway_process import second_gateway
from bench.speed.gateway_serving import gateway_serving, put_placement
from bench.speed.load import load, metrics_of
from bench.speed.made_up_serving import bundle_serving, made_up_serving
from cron.ledger import release_rows, run_rows
from cron.ledger.ledger import Ledger, open_ledger
from tests.system.machine import Machine, until

COMMAND = "python -m bench serving"
DEMO = "ML-100K demo"
STEADY_S, QUICK_STEADY_S = 15.0, 4.0
NUM_SWAPS = 6
TITLES = (
    "Toy Story (1995)",
    "Star Wars (1977)",
    "Fargo (1996)",
    "Scream (1996)",
    "Contact (1997)",
    "Titanic (1997)",
)
Body = Callable[[int], object]


def score(number: int) -> object:
    """Return a request with three titles of history and an item of the catalogue."""
    return {
        "user_seq": [TITLES[(number + step) % len(TITLES)] for step in range(3)],
        "item_desc": TITLES[number % len(TITLES)],
    }


def top_k(number: int) -> object:
    """Return a request for ten items, with three titles of history."""
    return {"user_seq": [TITLES[(number + step) % len(TITLES)] for step in range(3)], "k": 10}


def free_text(number: int) -> object:
    """Return a request with an item that is not in the catalogue, so its text is encoded."""
    return {
        "user_seq": [TITLES[number % len(TITLES)]],
        "item_desc": f"a film about the year {number} and a detective",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write `bench/results/serving.json`."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Requests a second and latency, steady and during releases."
    )
    served = parser.add_mutually_exclusive_group()
    served.add_argument(
        "--items", type=int, metavar="N", help="serve a made-up catalogue of N items"
    )
    served.add_argument(
        "--bundle", type=Path, metavar="FOLDER", help="serve a bundle, such as one of var/bundles"
    )
    given = parser.parse_args(arguments)
    seconds = QUICK_STEADY_S if is_quick() else STEADY_S
    if given.items is not None:
        metrics = made_up_serving(given.items, seconds=seconds)
    elif given.bundle is not None:
        metrics = bundle_serving(given.bundle, seconds=seconds)
    else:
        metrics = _demo(seconds)
    save("serving", DEMO, metrics, command=COMMAND)


def _demo(seconds: float) -> list[BenchMetric]:
    metrics: list[BenchMetric] = []
    with running_machine() as (machine, _):
        # so that there is a second release
        assert machine.command("make", "replay", "SPEED=2000", timeout_s=600).returncode == 0
        ledger = open_ledger(machine.environment["FRESHET__STORE__LEDGER"])
        until(lambda: _has_two_trained(ledger), "a second release", limit_s=CYCLE_LIMIT_S)
        machine.cron("pause")
        for name, body in (
            ("score", score),
            ("top-10", top_k),
            ("score of a free text", free_text),
        ):
            for connections in (1, 8):
                metrics += _steady(machine, name, body, connections)
        metrics += _swapping(machine)
        put_placement(machine.ports.gateway)  # the second gateway reads it at its start
        with second_gateway(machine.environment, num_processes=2) as second_port:
            metrics += gateway_serving(
                machine.environment["FRESHET__STORE__HISTORIES"],
                gateway_ports={
                    "gateway": machine.ports.gateway,
                    "gateway of 2 processes": second_port,
                },
                inference_port=machine.ports.inference,
                seconds=seconds,
            )
    return [replace(one, set=DEMO) for one in metrics]


def _has_two_trained(ledger: Ledger) -> bool:
    """Return whether no run is open, and two releases follow the baseline."""
    is_between_runs = run_rows.open_run(ledger) is None
    return is_between_runs and len(release_rows.newest_releases(ledger)) >= 3


def _steady(machine: Machine, name: str, body: Body, connections: int) -> list[BenchMetric]:
    with load(machine.ports.inference, "/predictions/rec", body, connections=connections) as tally:
        time.sleep(QUICK_STEADY_S if is_quick() else STEADY_S)
    return metrics_of(f"{name}, {connections} connections", tally)


def _swapping(machine: Machine) -> list[BenchMetric]:
    """Roll back and promote under load."""
    with load(machine.ports.inference, "/predictions/rec", top_k, connections=8) as tally:
        for number in range(NUM_SWAPS):
            words = ("rollback",) if number % 2 == 0 else ("promote", _newest(machine))
            ended = machine.cron(*words)
            assert ended.returncode == 0, ended.stderr
            time.sleep(2)
    return metrics_of(f"top-10, 8 connections, {NUM_SWAPS} swaps", tally)


def _newest(machine: Machine) -> str:
    ledger = open_ledger(machine.environment["FRESHET__STORE__LEDGER"])
    return str(max(one.version for one in release_rows.newest_releases(ledger)))
