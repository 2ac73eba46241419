"""The gateway with many connections, compared with the gateway of an earlier commit.

    python -m bench crowd [--before COMMIT] [--connections 200] [--seconds 10]

Both gateways run in turn on the same machine, in front of a cheap replacement for TorchServe, so
that their ratio is meaningful on a busy machine too.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.report.rows import BenchMetric, is_quick, save
from bench.speed.earlier_code import code_of
from bench.speed.gateway_process import NUM_USERS, serving_gateway
from cron.project_root import PROJECT_ROOT

COMMAND = "python -m bench crowd"
BEFORE = "7289c88"  # its gateway used httpx to ask the model and started every call at once
ROUNDS, QUICK_ROUNDS = 3, 1


@dataclass(slots=True)
class RoundTally:
    """The answers of one round: latencies of the model's answers, and counts of all others."""

    latencies_s: list[float] = field(default_factory=list)
    num_fallbacks: int = 0
    num_refused: int = 0
    num_failed: int = 0

    @property
    def num(self) -> int:
        """The number of requests, answered or not."""
        return len(self.latencies_s) + self.num_fallbacks + self.num_refused + self.num_failed


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write `bench/results/crowd.json`."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Recommendations of the gateway at many connections."
    )
    parser.add_argument(
        "--before", default=BEFORE, help=f"the commit to compare with; default {BEFORE}"
    )
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument(
        "--seconds", type=float, default=3.0 if is_quick() else 10.0, help="length of a round"
    )
    asked = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder,
        code_of(asked.before, Path(folder)) as old_code,
    ):
        seen = _rounds(
            {"before": old_code, "now": PROJECT_ROOT},
            Path(folder),
            asked.connections,
            asked.seconds,
        )
    metrics = _metrics(seen, asked.connections, asked.seconds, asked.before)
    save("crowd", "stand-in for the model", metrics, command=COMMAND)


def _rounds(
    codes: Mapping[str, Path], folder: Path, connections: int, seconds: float
) -> dict[str, list[RoundTally]]:
    """Run the gateways in turn, several times."""
    seen: dict[str, list[RoundTally]] = {name: [] for name in codes}
    for round_ in range(QUICK_ROUNDS if is_quick() else ROUNDS):
        for name, code in codes.items():
            with serving_gateway(code, folder / f"{name}-{round_}") as port:
                seen[name].append(asyncio.run(_crowd(port, connections, seconds)))
    return seen


async def _crowd(port: int, connections: int, seconds: float) -> RoundTally:
    """Keep the connections busy; each sends its next call after the last answer."""
    seen = RoundTally()
    until = time.monotonic() + seconds
    await asyncio.gather(*(_connection(port, seat, until, seen) for seat in range(connections)))
    return seen


async def _connection(port: int, seat: int, until: float, seen: RoundTally) -> None:
    draw = random.Random(seat)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        began = time.monotonic()
        writer.write(
            b"GET /v1/recommendations/u%d?k=10 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            % draw.randrange(NUM_USERS)
        )
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(
                int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
            )
        except (asyncio.IncompleteReadError, ConnectionError):
            seen.num_failed += 1
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            continue
        if head[9:12] == b"503":
            seen.num_refused += 1
            await asyncio.sleep(1.0)  # as Retry-After says
        elif b'"fallback":true' in body:
            seen.num_fallbacks += 1
        else:
            seen.latencies_s.append(time.monotonic() - began)
    writer.close()


def _metrics(
    seen: Mapping[str, Sequence[RoundTally]], connections: int, seconds: float, before: str
) -> list[BenchMetric]:
    """Return the medians over the rounds, before and now, and the ratios."""
    metrics: list[BenchMetric] = []
    rates, medians_s = {}, {}
    for name, rounds in seen.items():
        title = f"{connections} connections, {name if name == 'now' else f'at {before}'}"
        rates[name] = median(len(one.latencies_s) / seconds for one in rounds)
        medians_s[name] = median(median(one.latencies_s) for one in rounds)
        metrics += [
            BenchMetric(
                metric=f"{title}: answers of the model",
                value=rates[name],
                unit="1/s",
                note=f"median of {len(rounds)} rounds",
            ),
            BenchMetric(metric=f"{title}: p50", value=1000 * medians_s[name], unit="ms"),
            BenchMetric(
                metric=f"{title}: fallbacks",
                value=median(one.num_fallbacks / one.num for one in rounds),
                unit="1",
            ),
            BenchMetric(
                metric=f"{title}: refused with 503",
                value=median(one.num_refused / one.num for one in rounds),
                unit="1",
            ),
            BenchMetric(
                metric=f"{title}: failed", value=sum(one.num_failed for one in rounds), unit="1"
            ),
        ]
    ratio = f"{connections} connections, now over {before}"
    metrics.append(
        BenchMetric(
            metric=f"{ratio}: answers of the model", value=rates["now"] / rates["before"], unit="1"
        )
    )
    metrics.append(
        BenchMetric(metric=f"{ratio}: p50", value=medians_s["now"] / medians_s["before"], unit="1")
    )
    return metrics
