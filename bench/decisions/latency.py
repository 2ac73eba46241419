"""What recording costs: lists of a gateway that records them, and of one that does not.

Both run in front of the same cheap replacement for TorchServe, which takes as long as the default
model on a quiet core. They take turns in short rounds, and the ratio is the median over the rounds:
other work on a machine changes from second to second. The processor time of the gateway's process
says what recording costs where the model is not the limit.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import httpx

from bench.report.rows import BenchMetric, is_quick, save
from bench.speed.gateway_process import NUM_USERS, processor_time_s, serving_gateway
from bench.speed.generator import HttpRequest, Measured, generator_name, measure
from cron.project_root import PROJECT_ROOT

CONNECTIONS = (8, 64)
ROUNDS, QUICK_ROUNDS = 15, 2
ROUND_S, QUICK_ROUND_S = 3.0, 1.0
SETTLED_LIMIT_S = 30.0
MODEL = "stand-in for the model"


@dataclass(frozen=True, slots=True, kw_only=True)
class _LatencyRound:
    """The answers of one round, and the gateway's processor time for each."""

    answers: Measured
    cpu_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _GatewayPorts:
    """The ports of the two gateways."""

    recording: int
    plain: int


def measure_latency(command: str) -> None:
    """Measure and write `decisions-latency.json`."""
    metrics: list[BenchMetric] = []
    with (
        tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder,
        _gateway(Path(folder) / "recording", record=True) as recording,
        _gateway(Path(folder) / "plain", record=False) as plain,
    ):
        pair = _GatewayPorts(recording=recording, plain=plain)
        for connections in CONNECTIONS:
            metrics += _rounds(pair, connections)
        metrics += _recorder(recording)
    save("decisions-latency", MODEL, metrics, command=f"{command} --parts latency")


def _gateway(folder: Path, *, record: bool) -> AbstractContextManager[int]:
    settings = {"FRESHET__SLATES__RECORD": str(record).lower()}
    return serving_gateway(PROJECT_ROOT, folder, settings=settings)


def _rounds(pair: _GatewayPorts, connections: int) -> list[BenchMetric]:
    """Measure both in turn; the one that begins changes from round to round."""
    requests = [HttpRequest(path=f"/v1/recommendations/u{user}") for user in range(NUM_USERS)]
    found: dict[int, list[_LatencyRound]] = {pair.recording: [], pair.plain: []}
    order = [pair.recording, pair.plain]
    for _ in range(QUICK_ROUNDS if is_quick() else ROUNDS):
        for port in order:
            found[port].append(_round(port, requests, connections))
        order.reverse()
    recording, plain = found[pair.recording], found[pair.plain]
    title = f"top-10, {connections} connections"
    return [
        *_rows(f"{title}, recorded", recording),
        *_rows(f"{title}, not recorded", plain),
        *_ratios(f"{title}, recorded over not recorded", recording, plain),
    ]


def _round(port: int, requests: Sequence[HttpRequest], connections: int) -> _LatencyRound:
    seconds, before_s = QUICK_ROUND_S if is_quick() else ROUND_S, processor_time_s(port)
    answers = measure(port, requests, connections=connections, seconds=seconds)
    return _LatencyRound(
        answers=answers,
        cpu_ms=1000 * (processor_time_s(port) - before_s) / (answers.rate * seconds),
    )


def _rows(title: str, rounds: Sequence[_LatencyRound]) -> list[BenchMetric]:
    found = [one.answers for one in rounds]
    rates = [one.rate for one in found]
    spread = f"{min(rates):,.0f} to {max(rates):,.0f} in {len(found)} rounds"
    return [
        BenchMetric(
            metric=f"{title}: requests",
            value=median(rates),
            unit="1/s",
            note=f"{generator_name()}; {spread}",
        ),
        BenchMetric(metric=f"{title}: p50", value=median(one.p50_ms for one in found), unit="ms"),
        BenchMetric(metric=f"{title}: p99", value=median(one.p99_ms for one in found), unit="ms"),
        BenchMetric(
            metric=f"{title}: failed", value=sum(one.num_failed for one in found), unit="1"
        ),
        BenchMetric(
            metric=f"{title}: processor time of the gateway for an answer",
            value=median(one.cpu_ms for one in rounds),
            unit="ms",
        ),
    ]


def _ratios(
    title: str, recording: Sequence[_LatencyRound], plain: Sequence[_LatencyRound]
) -> list[BenchMetric]:
    """Return the median ratios of rounds that followed each other, with their quartiles."""
    pairs = list(zip(recording, plain, strict=True))
    ratios = {
        "p50": [ours.answers.p50_ms / other.answers.p50_ms for ours, other in pairs],
        "p99": [ours.answers.p99_ms / other.answers.p99_ms for ours, other in pairs],
        "requests": [ours.answers.rate / other.answers.rate for ours, other in pairs],
        "processor time": [ours.cpu_ms / other.cpu_ms for ours, other in pairs],
    }
    return [
        BenchMetric(
            metric=f"{title}: {name}",
            value=median(values),
            unit="1",
            note="median of the rounds' ratios; their quartiles {:.2f} to {:.2f}".format(
                *quantiles(values, n=4)[::2]
            ),
        )
        for name, values in ratios.items()
    ]


def _recorder(port: int) -> list[BenchMetric]:
    """Return what became of the lists, once none waits."""
    deadline = time.monotonic() + SETTLED_LIMIT_S
    while True:
        status = httpx.get(f"http://127.0.0.1:{port}/v1/status", timeout=10).json()["recorder"]
        if status["waiting"] == 0 or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return [
        BenchMetric(metric=f"lists {name}", value=status[name], unit="1")
        for name in ("stored", "dropped", "waiting")
    ]
