"""The online verdict on a registered version: are its answers right, and in time?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cron.gate.probe_answers import difference
from cron.gate.verdict import Verdict
from cron.gate.wording import verdict_word
from cron.lineage import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One request to the registered version.

    `expected` is the offline answer; `found` is the version's, None when it refused.
    """

    expected: object
    found: object
    latency_ms: float


def online_verdict(probes: Sequence[Probe], *, limit_ms: float) -> Verdict:
    """Judge a version: are its answers the offline ones, and is its p99 latency in the limit?

    The latency is the 99th percentile by nearest rank, which among 20 probes is the slowest.
    """
    reasons, metrics = [_answers_reason(probes)], {}
    if probes:
        latencies = sorted(probe.latency_ms for probe in probes)
        p99 = latencies[math.ceil(0.99 * len(latencies)) - 1]
        ok = p99 <= limit_ms
        text = (
            f"p99 latency {p99:.0f} ms over {len(probes)} probes, "
            f"limit {limit_ms:.0f} ms: {verdict_word(ok)}"
        )
        reasons.append(Reason(name="latency", ok=ok, text=text, value=p99, limit=limit_ms))
        metrics["probe_p99_ms"] = p99
    return Verdict(reasons=tuple(reasons), metrics=metrics)


def _answers_reason(probes: Sequence[Probe]) -> Reason:
    compared = (difference(probe.expected, probe.found) for probe in probes)
    differences = [text for text in compared if text is not None]
    text = f"{len(probes)} golden answers equal the offline ones"
    if differences:
        text = f"{len(differences)} of {len(probes)} golden answers differ: {differences[0]}"
    return Reason(
        name="golden_answers",
        ok=not differences,
        text=text,
        value=float(len(differences)),
        limit=0.0,
    )
