"""Events in batches: the gateway, and that of an earlier commit, in turns in the same run.

    python -m bench batches [--before COMMIT] [--seconds 5] [--rounds 3] [--alone]

Cores that others use too change the rates, and hardly the processor time of an event: that of the
gateway's process, user and system. Each gateway has its own embedded stores, and beside it runs
`python -m cron follow`, as a worker follows in each shop, unless it is alone. The events have no
ids, or ids, times and ratings.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import uuid4

from bench.report.rows import BenchMetric, is_quick, save
from bench.speed.earlier_code import code_of
from bench.speed.gateway_process import processor_time_s, serving_gateway
from bench.speed.generator import HttpRequest, Measured, generator_name, measure
from cron.project_root import PROJECT_ROOT

COMMAND = "python -m bench batches"
BEFORE = "84a7f1f1"  # its gateway wrote each event to the histories itself
NOW = "now"
CONNECTIONS = (8, 64)
EVENTS_A_CALL, NUM_USERS, NUM_ITEMS = 100, 5_000, 1_682
ROUNDS, ROUND_S = 3, 5.0
QUICK_ROUNDS, QUICK_ROUND_S = 1, 1.0
# with ids no event is sent twice: so many calls, each to one gateway and in one round
CALLS_WITH_IDS_A_SECOND = 700


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRound:
    """One gateway under one load: the answers, and the processor time of an event."""

    answers: Measured
    event_us: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write `bench/results/batches.json`."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Events in batches of a hundred: rate and processor time."
    )
    parser.add_argument(
        "--before", default=BEFORE, help=f"the commit to compare with; default {BEFORE}"
    )
    parser.add_argument("--rounds", type=int, default=QUICK_ROUNDS if is_quick() else ROUNDS)
    parser.add_argument(
        "--seconds",
        type=float,
        default=QUICK_ROUND_S if is_quick() else ROUND_S,
        help="length of a round",
    )
    parser.add_argument(
        "--alone", action="store_true", help="let nothing copy the log into the histories"
    )
    asked = parser.parse_args(arguments)
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="freshet-bench-")))
        codes = {
            asked.before: held.enter_context(code_of(asked.before, folder)),
            NOW: PROJECT_ROOT,
        }
        ports = {
            name: held.enter_context(
                serving_gateway(code, folder / name, is_followed=not asked.alone)
            )
            for name, code in codes.items()
        }
        metrics: list[BenchMetric] = []
        for connections, with_ids in itertools.product(CONNECTIONS, (False, True)):
            found: dict[str, list[BatchRound]] = {name: [] for name in ports}
            for name, port in _turns(ports, asked.rounds):
                calls = _calls(with_ids=with_ids, seconds=asked.seconds)
                found[name].append(_round(port, calls, connections, asked.seconds))
            metrics += _rows(found, connections, with_ids=with_ids)
    beside = "gateways alone" if asked.alone else "beside a follower"
    save("batches", f"made-up events, {beside}", metrics, command=COMMAND)


def _turns(ports: Mapping[str, int], rounds: int) -> Iterator[tuple[str, int]]:
    """Yield the gateways in turns; the one that begins changes from round to round."""
    order = list(ports.items())
    for _ in range(rounds):
        yield from order
        order.reverse()


def _round(port: int, calls: Sequence[HttpRequest], connections: int, seconds: float) -> BatchRound:
    before_s = processor_time_s(port)
    answers = measure(port, calls, connections=connections, seconds=seconds)
    used_s = processor_time_s(port) - before_s
    return BatchRound(
        answers=answers, event_us=1e6 * used_s / (answers.rate * seconds * EVENTS_A_CALL)
    )


def _calls(*, with_ids: bool, seconds: float) -> list[HttpRequest]:
    """Return calls with a hundred events each."""
    num_calls = NUM_USERS // EVENTS_A_CALL
    if with_ids:
        num_calls = int(CALLS_WITH_IDS_A_SECOND * seconds)
    calls = []
    for call in range(num_calls):
        numbers = range(call * EVENTS_A_CALL, (call + 1) * EVENTS_A_CALL)
        make = _event_with_id if with_ids else _event
        body = json.dumps([make(number) for number in numbers])
        calls.append(HttpRequest(path="/v1/events", body=body))
    return calls


def _event(number: int) -> Mapping[str, object]:
    item_id = str(number % NUM_ITEMS + 1)
    return {"user_id": f"sender-{number % NUM_USERS}", "item_id": item_id, "type": "view"}


def _event_with_id(number: int) -> Mapping[str, object]:
    at = f"2026-01-{number % 28 + 1:02}T12:{number % 60:02}:00Z"
    details = {"event_id": str(uuid4()), "type": "rating", "rating": number % 5 + 1, "at": at}
    return {**_event(number), **details}


def _rows(
    found: Mapping[str, Sequence[BatchRound]], connections: int, *, with_ids: bool
) -> list[BenchMetric]:
    """Return the medians over the rounds, before and now, and the ratios of the medians."""
    kind = "with ids, times and ratings" if with_ids else "without ids"
    load = f"{EVENTS_A_CALL} events {kind}, {connections} connections"
    metrics: list[BenchMetric] = []
    rates, times_us = dict[str, float](), dict[str, float]()
    for name, rounds in found.items():
        title = f"{load}, {name if name == NOW else f'at {name}'}"
        used_us = [one.event_us for one in rounds]
        rates[name] = EVENTS_A_CALL * median(one.answers.rate for one in rounds)
        times_us[name] = median(used_us)
        spread = f"{min(used_us):.1f} to {max(used_us):.1f} µs in {len(rounds)} rounds"
        metrics += [
            BenchMetric(
                metric=f"{title}: events", value=rates[name], unit="1/s", note=generator_name()
            ),
            BenchMetric(
                metric=f"{title}: processor time of an event",
                value=times_us[name] / 1000,
                unit="ms",
                note=f"of the gateway; {spread}",
            ),
            BenchMetric(
                metric=f"{title}: p99",
                value=median(one.answers.p99_ms for one in rounds),
                unit="ms",
            ),
            BenchMetric(
                metric=f"{title}: failed",
                value=sum(one.answers.num_failed for one in rounds),
                unit="1",
            ),
        ]
    (before,) = [name for name in found if name != NOW]
    ratio = f"{load}, now over {before}"
    return [
        *metrics,
        BenchMetric(metric=f"{ratio}: events", value=rates[NOW] / rates[before], unit="1"),
        BenchMetric(
            metric=f"{ratio}: processor time", value=times_us[NOW] / times_us[before], unit="1"
        ),
    ]
